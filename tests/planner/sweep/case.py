"""A small scenario to sweep over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from simulator.cluster import loads
from simulator.scenario import Scenario
from tests.support import Node, layer, poisson, portion, scenario

RATE, REPLICAS, BATCH = (
    "services.s.workload.rate",
    "services.s.deployment.portions.0.replicas",
    "services.s.deployment.portions.0.batch",
)
AXES: Mapping[str, Any] = {RATE: ["50/s", "200/s", "600/s"], BATCH: [1, 4]}


def node(duration_s: float = 1.0, replications: int = 2, **more: Any) -> Node:
    service = {
        "workload": poisson(200.0),
        "slo": {"latency": "50ms", "attainment": "99%"},
        "deployment": {"portions": [portion("1", 2, batch=4, max_wait=0.002)]},
    }
    return scenario(service, [layer((0.002, 0.0005))], duration_s=duration_s, seed=3, replications=replications, **more)


def base(duration_s: float = 1.0, **more: Any) -> Scenario:
    return loads(json.dumps(node(duration_s, **more)))
