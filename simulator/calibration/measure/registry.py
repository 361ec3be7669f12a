"""What can be measured, and with what: one line each; nothing is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from simulator.calibration.rows import nearest
from simulator.errors import Problem, ScenarioError

_HERE = "simulator.calibration.measure"

KINDS: dict[str, str] = {
    "gemm": f"{_HERE}.kinds.gemm:probes",
    "mlp": f"{_HERE}.kinds.mlp:probes",
    "conv": f"{_HERE}.kinds.conv:probes",
    "stream": f"{_HERE}.kinds.stream:probes",
}
"""Kind by name: the function that makes its probes of a request, as ``module:function``."""

BACKENDS: dict[str, str] = {
    "onnxruntime": f"{_HERE}.backends.ort:backend",
    "torch": f"{_HERE}.backends.pytorch:backend",
    "numpy": f"{_HERE}.backends.arrays:backend",
}
"""Backend of the processor by name: the function that loads it."""

CUDA = f"{_HERE}.backends.cuda:backend"
ON_CUDA = frozenset({"gemm", "stream"})
"""Kinds that are measured on a CUDA device too, where there is one."""

USUALLY: dict[str, dict[str, str]] = {"stream": {"backend": "numpy", "batch": "1,2,4,8,16"}}
"""Options of a kind that differ from those of the others when nobody asks: backend, and batch or group sizes."""


def find(registry: Mapping[str, str], name: str, option: str) -> Callable[..., Any]:
    """The function behind a name; ScenarioError names the nearest one there is.

    >>> find(KINDS, "gemm", "--kind").__module__
    'simulator.calibration.measure.kinds.gemm'
    """
    if name not in registry:
        what = option.removeprefix("--")
        hint = nearest(name, list(registry)).replace("the columns", f"the {what}s")
        raise ScenarioError(Problem(f"unknown {what} {name!r}{hint}", path=option))
    module, _, function = registry[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
