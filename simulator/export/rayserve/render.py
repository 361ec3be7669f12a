"""The folder of a Ray Serve export: a configuration for every window, and the modules that all of them share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simulator.export.case import Case, Window
from simulator.export.names import ROOM, slugs
from simulator.export.parts import Part
from simulator.export.target import Files, Options, Rendered
from simulator.export.text import generated, yaml_text

DATA = Path(__file__).parent.parent / "data"
CONFIG = "serve_config.yaml"
ONGOING = 100_000
"""Requests that a replica may hold: more than ever wait, so that each is in a replica's queue at once, as simulated."""


def render(case: Case, options: Options) -> Rendered:
    """All files of the export."""
    del options
    labels = slugs(case.scenario.services, ROOM)
    files: Files = {
        "serving.py": (DATA / "ray_serving.py.txt").read_text(encoding="utf-8"),
        "models.py": (DATA / "ray_models.py.txt").read_text(encoding="utf-8"),
        "models/PUT_MODELS_HERE.txt": _wanted(case, labels),
    }
    for window in case.windows:
        text = yaml_text(_config(window, labels), head=generated(case.file))
        files[f"window-{window.number}/{CONFIG}"] = text
    return Rendered(files, _steps(case, labels), tuple(_notes(case)))


def _config(window: Window, labels: Mapping[str, str]) -> dict[str, Any]:
    applications = [_application(service, parts, labels[service]) for service, parts in window.parts.items()]
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000},
        "applications": applications,
    }


def _application(service: str, parts: tuple[Part, ...], label: str) -> dict[str, Any]:
    chain = f"{label}-chain"
    ingress = {"name": chain, "max_ongoing_requests": ONGOING, "ray_actor_options": {"num_cpus": 1}}
    return {
        "name": label,
        "route_prefix": f"/{label}",
        "import_path": "serving:build",
        # what stays the same when only settings change: other arguments would restart the application
        "args": {
            "service": service,
            "chain": chain,
            "portions": [{"name": portion_name(label, part), "last": part.last} for part in parts],
        },
        "deployments": [*(_deployment(label, part) for part in parts), ingress],
    }


def portion_name(label: str, part: Part) -> str:
    """Name of the deployment. Labels have no underscore, so that no two services share a name."""
    return f"{label}_{part.layers}"


def model_file(label: str, part: Part) -> str:
    """Name of the file with the layers, of its own for every precision."""
    return f"{portion_name(label, part)}_{re.sub('[^A-Za-z0-9]+', '-', part.precision_text).strip('-')}.onnx"


def _deployment(label: str, part: Part) -> dict[str, Any]:
    leave = None if part.exit is None else {"measure": part.exit.measure, "threshold": part.exit.threshold}
    return {
        "name": portion_name(label, part),
        "num_replicas": part.replicas,
        "max_ongoing_requests": ONGOING,
        "ray_actor_options": {
            "num_cpus": 1,
            "num_gpus": part.devices,
            "resources": {resource(part.pool): part.devices},
        },
        "user_config": {
            "layers": part.layers,
            "precision": part.precision_text,
            "model": model_file(label, part),
            "batch": part.batch,
            "max_wait_s": part.max_wait_s,
            "leave": leave,
        }
        | _within(part),
    }


def _within(part: Part) -> dict[str, Any]:
    """What a model file must know of the ramps within its layers, where any run."""
    if part.ramps is None:
        return {}
    rule = None if not part.ramps or part.rule is None else part.rule.model_dump(mode="json")
    return {"ramps": list(part.ramps), "exit_rule": rule}


def resource(pool: str) -> str:
    """The resource by which Ray knows the nodes of a pool."""
    return f"pool:{pool}"


def _wanted(case: Case, labels: Mapping[str, str]) -> str:
    lines = dict.fromkeys(
        f"{model_file(labels[part.service], part)}: layers {part.layers} of service {part.service}, "
        f"precision {part.precision_text}"
        for window in case.windows
        for part in window.all_parts
    )
    return "Put the model files into this folder (models.py says what they take and give):\n" + "\n".join(lines) + "\n"


def _steps(case: Case, labels: Mapping[str, str]) -> tuple[str, ...]:
    pools = {part.pool: case.scenario.cluster.pools[part.pool] for w in case.windows for part in w.all_parts}
    nodes = ", ".join(f"`ray start --resources='{json.dumps({resource(name): 8})}'` (pool {name})" for name in pools)
    first = f"window-{case.windows[0].number}/{CONFIG}"
    steps = (
        "Put the model files into `models/` (its `PUT_MODELS_HERE.txt` names them), or change `load` in `models.py`.",
        f"Start the nodes of every pool with as many of its resource as they have devices, as in {nodes}.",
        "Let the nodes import `serving.py` and `models.py`: from their image, PYTHONPATH, or a `working_dir`.",
        f"Deploy: `serve deploy {first}`. Requests go to {', '.join(f'`/{label}`' for label in labels.values())}.",
    )
    if len(case.windows) == 1:
        return steps
    return (*steps, "When a window begins, deploy its configuration: numbers and settings change in place.")


def _notes(case: Case) -> Iterator[str]:
    yield (
        "The chain of a service runs in one replica of its own on a CPU, which the plan does not count: raise its "
        "`num_replicas` if it becomes the bottleneck."
    )
    if len(case.windows) > 1:
        yield (
            "Ray Serve knows no clock: somebody has to deploy the windows. A window that cuts a service otherwise "
            "restarts its application."
        )
