"""Small services whose spaces are compared with the simulator's own arrays, and the measured one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from simulator.cluster.lower import lower
from simulator.cluster.lower.capacity import capacities
from simulator.cluster.lowered import Service
from simulator.planner.optimize.problem import PoolLimit
from simulator.scenario import Scenario, load, loads
from simulator.scenario.deployment import Deployment
from tests.planner.exits.cases import E3, MEASURED
from tests.support import Node

POOLS: Node = {
    "a": {"device": "v100-16gb", "count": 9, "price_per_hour": 3.0},
    "b": {"device": "t4", "count": 9, "price_per_hour": 1.0},
}


def exit_rows(path: Path, layers: int, rows: int, seed: int) -> Path:
    """A table of confidences and predictions of every layer: deeper ones are surer and more often right."""
    made = np.random.default_rng(seed)
    label = made.integers(0, 2, rows)
    names, columns = [], []
    for layer in range(1, layers + 1):
        right = made.random(rows) < 0.6 + 0.35 * layer / layers
        names += [f"conf_{layer}", f"pred_{layer}"]
        columns += [0.5 + 0.5 * made.random(rows) ** (layers / (layer + 1)), np.where(right, label, 1 - label)]
    table = np.column_stack([*columns, label])
    lines = [",".join([*names, "label"]), *(",".join(f"{value:g}" for value in row) for row in table)]
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass(frozen=True)
class Made:
    """What a small service is made of; times in microseconds by layer."""

    overhead: tuple[int, ...]
    per_item: tuple[int, ...]
    planner: Node
    pools: Node
    network: Node | None = None
    attainment: float = 1.0
    latency: str = "1s"
    loss: Node | None = None
    weights: str = "1MB"
    server: Node | None = None

    def scenario(self, folder: Path, seed: int = 1) -> Scenario:
        """The scenario, its exit table beside it."""
        layers = len(self.overhead)
        rows = exit_rows(folder / f"rows-{layers}-{seed}.csv", layers, 60, seed)
        written = [
            {
                "name": f"l{number}",
                "time": {
                    "by_precision": {
                        "fp16": {"overhead": f"{fixed}us", "per_item": f"{item}us"},
                        "int8": {"overhead": f"{fixed}us", "per_item": f"{item * (1 + number % 2) / 2}us"},
                    }
                },
                "weights": self.weights,
                "output": "1MB",
            }
            for number, (fixed, item) in enumerate(zip(self.overhead, self.per_item))
        ]
        model: dict[str, Any] = {
            "layers": written,
            "ramps": {"after": "all", "time": {"relative": 0.1}},
            "exits": {"table": str(rows), "rule": {"confidence": 0.8}},
        }
        if self.loss is not None:
            model["accuracy"] = {"loss": self.loss}
        cluster = {"pools": self.pools} | ({} if self.network is None else {"network": self.network})
        cluster |= {} if self.server is None else {"parameter_server": self.server}
        slo = {"latency": self.latency, "attainment": self.attainment}
        service = {"model": "m", "slo": slo, "workload": {"process": "poisson", "rate": "1000/s"}}
        head = {"version": 1, "name": "made", "run": {"duration": "1s"}}
        node = {**head, "cluster": cluster, "models": {"m": model}, "services": {"s": service}, "planner": self.planner}
        return loads(json.dumps(node))


RULES = [[{"confidence": 0.8}], [{"confidence": 0.7}, {"confidence": 0.9}], [{"patience": 1}]]


@st.composite
def made(draw: st.DrawFn, *, most_layers: int = 4, survival_quantile: float = 0.5, **fixed: Any) -> Made:
    """Small services of two pools and two formats; survival as measured, as the simulator's arrays tell it."""
    layers = draw(st.integers(2, most_layers))
    times = st.lists(st.integers(50, 900), min_size=layers, max_size=layers).map(tuple)
    search: Node = {
        "batch": draw(st.sampled_from([[1], [2, 4], [1, 3, 8]])),
        "max_cuts": draw(st.integers(0, 2)),
        "precision": draw(st.sampled_from([["fp16"], ["fp16", "int8"]])),
        "exit_mode": ["none", "compact", "at_cut", "answer_early"],
        "execution": ["parallel", "serial"],
        "rules": draw(
            st.sampled_from([[{"confidence": 0.8}], [{"confidence": 0.7}, {"confidence": 0.9}], [{"patience": 1}]])
        ),
    }
    floor = draw(st.sampled_from([None, 0.7, 0.8]))
    planner: Node = {"search": search, "survival_quantile": survival_quantile}
    planner |= {} if floor is None else {"accuracy_floor": floor}
    network = draw(st.sampled_from([None, {"bandwidth": "10GB/s", "latency": "20us"}]))
    return Made(
        draw(times),
        draw(times),
        {"search": search, "survival_quantile": survival_quantile}
        | ({} if floor is None else {"accuracy_floor": floor}),
        POOLS,
        network,
        **{"loss": {"int8": 0.05}, **fixed},
    )


def deployed(scenario: Scenario, deployment: Deployment) -> Service:
    """The service with a deployment, as the engines see it."""
    spec = scenario.services["s"].model_copy(update={"deployment": deployment})
    return lower(scenario.model_copy(update={"services": {"s": spec}})).services[0]


def carried(service: Service) -> list[float]:
    """Most requests of the service per second, portion by portion, that the simulator says it carries."""
    return [portion.rate for portion in capacities(service, service.deployments[0])]


def answered_right(service: Service) -> float:
    """Share of right answers that the simulator expects."""
    found, exits = service.deployments[0], service.exits
    assert exits is not None
    assert found.correct is not None
    right = np.broadcast_to(found.correct, (len(exits.correct), service.layers))
    leave = np.broadcast_to(found.exit_layer, (len(right),))
    return float(exits.rows.weights(0.0) @ right[np.arange(len(right)), leave - 1])


def measured(planner: Node, *more: str, pools: Node | None = None) -> Scenario:
    """BERT-base on V100 with the measured exits of 12 layers, and what the planner searches."""
    return load(
        E3,
        sets=[
            "models.bert.ramps.after=all",
            f"models.bert.exits={{table: {json.dumps(str(MEASURED))}, rule: {{confidence: 0.8}}}}",
            "services.sentiment.deployment=null",
            *([] if pools is None else [f"cluster.pools={json.dumps(pools)}"]),
            f"planner={json.dumps(planner)}",
            *more,
        ],
    )


def limits(scenario: Scenario) -> tuple[PoolLimit, ...]:
    """All devices of all pools."""
    return tuple(PoolLimit(name, p.count, p.price_per_hour or 0.0) for name, p in scenario.cluster.pools.items())
