"""Scenarios whose exit modes are compared, and what is read off their runs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.planner.exits import ExitCase, exit_case
from simulator.planner.split import ModePlan, recommend
from simulator.results.record import RunRecord
from simulator.scenario import Scenario, load, loads
from tests.support import Node

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = ROOT / "scenarios"
E3, DRIFT, MIXED = (SCENARIOS / f"early-exit-{name}.yaml" for name in ("e3", "drift", "mixed-gpus"))
MEASURED = ROOT.parent / "shared/data/early_exit/sst2_bert_base_12exit.csv"
MODES = ("none", "compact", "at_cut (parallel)", "at_cut (serial)", "answer_early")

Floats = NDArray[np.float64]


def swapped(batch: int, precision: str = "fp16", threshold: float = 0.8) -> Scenario:
    """The shipped scenario with the measured exits of 12 layers in place of its own."""
    portions = f"[{{layers: 1-12, pool: v100, replicas: 16, batch: {batch}, precision: {precision}}}]"
    return load(
        E3,
        sets=[
            "models.bert.ramps.after=all",
            f"models.bert.exits={{table: {json.dumps(str(MEASURED))}, rule: {{confidence: {threshold}}}}}",
            f"services.sentiment.deployment={{portions: {portions}}}",
            "run={duration: 500ms, warmup: 100ms, replications: 2}",
        ],
    )


def plans(case: ExitCase) -> dict[str, ModePlan]:
    """Every mode at its best, by name."""
    return {plan.name: plan for plan in recommend(case.problem, case.batch, tagged=False).modes}


def written(model: Node | None = None, service: Node | None = None, **more: Any) -> Scenario:
    """Four layers with ramps after 1 and 3 on four devices."""
    layers = {"name": "l", "repeat": 4, "time": {"overhead": "1ms", "per_item": "100us"}, "weights": "1MB"}
    node: Node = {
        "version": 1,
        "name": "case",
        "run": {"duration": "1s"},
        "cluster": {"pools": {"gpu": {"device": "v100-16gb", "count": 4}}},
        "models": {
            "m": {
                "layers": [layers],
                "ramps": {"after": [1, 3], "time": {"relative": 0.1}},
                "exits": {"profile": [0.4, 0.3]},
                **(model or {}),
            }
        },
        "services": {
            "s": {
                "model": "m",
                "workload": {"process": "poisson", "rate": "1000/s"},
                "deployment": {"portions": [{"layers": "1-4", "pool": "gpu", "replicas": 1, "batch": 4}]},
                **(service or {}),
            }
        },
        **more,
    }
    node["models"]["m"] = {key: value for key, value in node["models"]["m"].items() if value is not None}
    return loads(json.dumps(node))


def at_rate(scenario: Scenario, rate: float, requests: int, warmup: float = 0.0) -> Scenario:
    """The scenario with its only service offered ``rate`` [1/s] for about so many requests; ``warmup`` a share."""
    ((name, spec),) = scenario.services.items()
    duration_s = requests / rate
    workload = spec.workload.model_copy(update={"rate": rate})
    run = scenario.run.model_copy(update={"duration": duration_s, "warmup": warmup * duration_s, "replications": 1})
    services = {name: spec.model_copy(update={"workload": workload})}
    return scenario.model_copy(update={"services": services, "run": run})


def waiting(record: RunRecord, parts: int) -> Floats:
    """Mean number of requests waiting before any portion, in each of equal parts of the load's duration."""
    batches, edges = record.batches, np.linspace(0.0, record.duration_s, parts + 1)
    start_s = np.repeat(batches.start_s, np.diff(batches.offset))
    spent = [
        np.clip(np.minimum(start_s, high) - np.maximum(batches.entered_s, low), 0.0, None).sum()
        for low, high in pairwise(edges)
    ]
    return np.array(spent) / (edges[1] - edges[0])


def one(name: str, batch: int | None = None) -> tuple[ExitCase, ModePlan]:
    """The shipped scenario without objective and queue limit, and one of its plans."""
    case = exit_case(load(E3, sets=["services.sentiment.slo=null", "services.sentiment.queue={}"]), batch=batch)
    return case, plans(case)[name]
