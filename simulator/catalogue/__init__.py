"""Known devices and models, as data files with the source of every figure.

>>> device("v100-16gb").memory_bandwidth
900000000000.0
>>> curve("bert-base", "v100-16gb", "fp16").batches
(1, 2, 4, 8)
"""

from __future__ import annotations

from collections.abc import Iterable

from simulator.catalogue.load import devices, models
from simulator.catalogue.records import PRECISIONS, BatchCurve, CatalogueModel, Device
from simulator.errors import Problem, ScenarioError

__all__ = [
    "PRECISIONS",
    "BatchCurve",
    "CatalogueModel",
    "Device",
    "curve",
    "device",
    "device_names",
    "find_curve",
    "model",
    "model_names",
    "unknown_name",
]


def device_names() -> tuple[str, ...]:
    """Names that a pool may give as ``device:``."""
    return tuple(devices())


def model_names() -> tuple[str, ...]:
    """Names that a model may give as ``catalogue:``."""
    return tuple(models())


def device(name: str) -> Device:
    """The device of that name; a ScenarioError with the nearest name when there is none."""
    if name not in devices():
        raise unknown_name("device", name, device_names())
    return devices()[name]


def model(name: str) -> CatalogueModel:
    """The model of that name; a ScenarioError with the nearest name when there is none."""
    if name not in models():
        raise unknown_name("model", name, model_names())
    return models()[name]


def find_curve(name: str, device: str, precision: str) -> BatchCurve | None:
    """The measured curve of a model on a device, or None: then a roofline has to do."""
    wanted = (device, precision)
    return next((c for c in model(name).curves if (c.device, c.precision) == wanted), None)


def curve(name: str, device: str, precision: str) -> BatchCurve:
    """The measured curve of a model on a device; when there is none, a ScenarioError that lists what is."""
    found = find_curve(name, device, precision)
    if found is None:
        raise ScenarioError(Problem(f"{name} is not measured on {device} at {precision}; {_measured(model(name))}"))
    return found


def _measured(known: CatalogueModel) -> str:
    by_device: dict[str, list[str]] = {}
    for one in known.curves:
        by_device.setdefault(one.device, []).append(one.precision)
    listed = ", ".join(f"{name} ({', '.join(precisions)})" for name, precisions in by_device.items())
    return f"measured are: {listed}" if listed else "no curve of this model is measured"


def unknown_name(what: str, name: str, known: Iterable[str]) -> ScenarioError:
    """The error for a name that the catalogue does not have, with the nearest one it has."""
    from difflib import get_close_matches

    names = tuple(known)
    longer = [one for one in names if name and one.startswith(name.lower())]
    near = longer or get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return ScenarioError(Problem(f"unknown {what} {name!r}{hint} (known: {', '.join(names)})"))
