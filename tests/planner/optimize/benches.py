"""Small spaces made by hand, and scenarios to judge them in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from simulator.planner.optimize.problem import Group, PlannedLoad, PoolLimit, Shape, Space, Window
from simulator.scenario import Scenario, loads
from simulator.scenario.deployment import Deployment
from tests.support import Node, layer, poisson, portion, scenario

POOLS = [PoolLimit("pool", 1000, 1.0), PoolLimit("other", 1000, 2.0)]
PRICES = {"pool": 1.0, "other": 2.0}
OVERHEAD_S, ITEM_S = 0.005, 0.0005


def written(
    rate: float = 1000.0,
    *,
    slo: Node | None = None,
    duration_s: float = 60.0,
    layers: Sequence[Node] | None = None,
    planner: Node | None = None,
    service: Node | None = None,
    **workload: Any,
) -> Scenario:
    """One service that waits for its plan, on two pools of the same devices."""
    body: Node = {
        "slo": slo or {"latency": "50ms", "attainment": "99%"},
        "workload": poisson(rate, **workload),
        **(service or {}),
    }
    node = scenario(body, layers or [layer((OVERHEAD_S, ITEM_S))], duration_s=duration_s)
    pool = node["cluster"]["pools"]["pool"]
    node["cluster"]["pools"] = {name: {**pool, "price_per_hour": price} for name, price in PRICES.items()}
    node["planner"] = planner or {}
    return loads(json.dumps(node))


def group(batch: int, layers: tuple[int, int] = (1, 1), pool: int = 0) -> Group:
    """Replicas of a layer whose time is the usual one."""
    busy = OVERHEAD_S + ITEM_S * batch
    return Group(layers, pool, 1, busy * (layers[1] - layers[0] + 1), 1.0, 0.0, (layers, pool, batch))


def shape(batch: int, groups: Sequence[Group] | None = None) -> Shape:
    """A shape without exits; what its groups are is all there is to write."""
    groups = groups or [group(batch)]
    return Shape(f"b{batch}", "none", "parallel", batch, tuple(groups), sum(one.busy_s for one in groups))


def space(shapes: Sequence[Shape], served: float = 0.99, service: str = "s") -> Space:
    """The space of these shapes."""
    return Space.of(service, shapes, served, POOLS)


def deploy(space: Space, number: int, replicas: Sequence[int]) -> Deployment:
    """The deployment of a shape made here."""
    one = space.shapes[number]
    portions = [
        portion(f"{item.layers[0]}-{item.layers[1]}", count, POOLS[item.pool].name, batch=one.batch)
        for item, count in zip(one.groups, replicas)
    ]
    return Deployment.model_validate({"portions": portions})


def steady(rates: Sequence[float], length_s: float = 60.0) -> PlannedLoad:
    """Windows of equal length with these rates."""
    windows = tuple(Window(n * length_s, (n + 1) * length_s) for n in range(len(rates)))
    return PlannedLoad(windows, {"s": np.array(rates, dtype=np.float64)})
