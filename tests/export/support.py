"""Small cases to export, and exports without a simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulator import load
from simulator.cluster import loads
from simulator.export import Case, Exported, Options, export
from simulator.export.case import case_of
from simulator.export.queueing import Comparison

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios"
HERE = Path(__file__).parent
DAY = HERE / "data" / "day.plan.yaml"
NOTHING = Comparison((), ())
TARGETS = ("kubernetes", "triton", "ray-serve")
DEVICE = {"memory": "64GiB", "memory_bandwidth": "68GB/s", "peak": {"fp16": "1TFLOPS", "int8": "2TOPS"}}


def tree(portions: list[dict[str, Any]] | None = None, **service: Any) -> dict[str, Any]:
    """A scenario of one service on a model of six layers with ramps, to be changed at will."""
    rows = portions or [
        {"layers": "1-2", "pool": "p", "replicas": 3, "batch": 4, "max_wait": "2ms"},
        {"layers": "3-6", "pool": "p", "replicas": 2, "batch": 2, "max_wait": "1500us"},
    ]
    deployment = {"exit_mode": "at_cut", "portions": rows} | service.pop("deployment", {})
    return {
        "version": 1,
        "name": "small",
        "seed": 3,
        "run": {"duration": "20s", "warmup": "2s"},
        "cluster": {
            "pools": {
                "p": {"device": DEVICE, "count": 16, "load_bandwidth": "1GB/s"},
                "q": {"device": DEVICE, "count": 16, "devices_per_replica": 2},
            },
            "parameter_server": {"bandwidth": "12GB/s", "memory": "512GiB"},
        },
        "models": {
            "m": {
                "layers": [
                    {"name": "l", "repeat": 6, "time": {"overhead": "1ms", "per_item": "200us"}, "weights": "1MB"}
                ],
                "ramps": {"after": [2, 4], "time": {"relative": 0.1}},
                "exits": {"profile": [0.3, 0.2]},
            }
        },
        "services": {
            "chat": {
                "model": "m",
                "slo": {"latency": "80ms", "attainment": "95%"},
                "workload": {"process": "poisson", "rate": "150/s"},
                "deployment": deployment,
            }
            | service
        },
    }


def case(given: dict[str, Any] | None = None) -> Case:
    """The case of a scenario tree."""
    scenario = loads(json.dumps(given if given is not None else tree()))  # JSON is YAML
    return case_of(scenario, "small.yaml", "0" * 64)


def shipped(name: str) -> Case:
    """The case of a scenario that ships."""
    scenario = load(SCENARIOS / name)
    return case_of(scenario, name, scenario.source.sha256)


def written(given: Case, target: str, folder: Path, **options: Any) -> Exported:
    """An export that is checked, but not simulated."""
    return export(given, target, folder, Options(**options), check=True, comparison=NOTHING)
