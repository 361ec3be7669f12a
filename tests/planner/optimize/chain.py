"""Small scenarios to be planned, and a rule that judges deployments by what the cluster model says of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from simulator.planner.optimize.problem import Ask, Judgement, PlannedLoad, PlanProblem, Window
from simulator.planner.optimize.space.deploy import deployment_of
from simulator.scenario import Scenario, loads
from simulator.scenario.deployment import Deployment
from tests.planner.optimize.spaces import carried, deployed, exit_rows
from tests.support import Node

HOUR_S = 3600.0
LATENCY_S = 0.05
FULL, LOSS = 0.9, 0.2
"""Right answers of a model without exits, and what 8 bits for all of its layers take away."""


@dataclass(frozen=True)
class Portion:
    """Replicas of one portion as the rule sees them: work of a request, time of a full batch [s], and what they are."""

    work_s: float
    full_s: float
    pool: int
    key: tuple[Any, ...]
    load_s: float = 0.0


def in_time(portions: Sequence[Portion], replicas: Sequence[int], rate: float) -> bool:
    """Waits of a multi-server queue each (Sakasegawa) and the times of full batches keep the latency."""
    total = 0.0
    for one, count in zip(portions, replicas, strict=True):
        busy = rate * one.work_s / count
        if busy >= 1:
            return False
        total += one.full_s * (1 + busy ** (sqrt(2 * (count + 1)) - 1) / (count * (1 - busy)))
    return total <= LATENCY_S


@dataclass(frozen=True)
class Small:
    """What a small scenario is made of: layers by service as (GFLOP, megabytes moved, megabytes of weights)."""

    layers: tuple[tuple[tuple[int, int, int], ...], ...]
    ramps: tuple[tuple[int, ...], ...]
    rates: tuple[tuple[int, ...], ...]
    counts: tuple[int, int]
    prices: tuple[float, float]
    batches: tuple[int, ...]
    precisions: tuple[str, ...]
    max_cuts: int
    switch_cost: float
    start_up_s: int
    hours: tuple[float, ...]
    floor: float | None = None
    attainment: str = "99%"

    def scenario(self, folder: Path) -> Scenario:
        """The scenario, its exit tables beside it."""
        pools: Node = {
            name: {
                "device": {
                    "memory": "16GB",
                    "memory_bandwidth": bandwidth,
                    "peak": {"fp16": fp16, "int8": int8},
                    "overhead": overhead,
                },
                "count": count,
                "price_per_hour": price,
                "start_up": f"{self.start_up_s}s",
                "load_bandwidth": "1MB/s",
            }
            for name, bandwidth, fp16, int8, overhead, count, price in (
                ("a", "900GB/s", "100TFLOPS", "180TFLOPS", "300us", self.counts[0], self.prices[0]),
                ("b", "300GB/s", "60TFLOPS", "130TFLOPS", "150us", self.counts[1], self.prices[1]),
            )
        }
        search = {"batch": self.batches, "precision": self.precisions, "max_cuts": self.max_cuts}
        planner: Node = {"search": search, "survival_quantile": 0.5, "switch_cost": self.switch_cost}
        planner |= {} if self.floor is None else {"accuracy_floor": self.floor}
        slo = {"latency": f"{LATENCY_S * 1e3:g}ms", "attainment": self.attainment}
        names = [f"s{number}" for number in range(len(self.layers))]
        node = {
            "version": 1,
            "name": "small",
            "run": {"duration": "20s"},
            "cluster": {"pools": pools},
            "models": {name: self._model(number, folder) for number, name in enumerate(names)},
            "services": {
                name: {"model": name, "slo": slo, "workload": {"process": "poisson", "rate": "100/s"}} for name in names
            },
            "planner": planner,
        }
        return loads(json.dumps(node))

    def _model(self, number: int, folder: Path) -> Node:
        layers = [
            {
                "name": f"l{at}",
                "work": {"flops": f"{flop}GFLOP", "bytes": f"{moved}MB"},
                "weights": f"{weight}MB",
                "output": "10KB",
            }
            for at, (flop, moved, weight) in enumerate(self.layers[number])
        ]
        accuracy: Node = {"loss": {"int8": LOSS}}
        model: Node = {"layers": layers, "accuracy": accuracy}
        if not self.ramps[number]:
            accuracy["full"] = FULL
        else:
            rows = exit_rows(folder / f"rows-{number}-{len(layers)}.csv", len(layers), 60, number + 1)
            model |= {
                "ramps": {"after": list(self.ramps[number]), "time": {"relative": 0.1}},
                "exits": {"table": str(rows), "rule": {"confidence": 0.8}},
            }
        return model

    def load(self) -> PlannedLoad:
        """Windows of the given lengths, with these rates."""
        ends = np.cumsum(self.hours) * HOUR_S
        windows = tuple(Window(float(end - hours * HOUR_S), float(end)) for end, hours in zip(ends, self.hours))
        return PlannedLoad(windows, {f"s{n}": np.array(row, dtype=np.float64) for n, row in enumerate(self.rates)})


@st.composite
def smalls(draw: st.DrawFn, *, most_layers: int, windows: int, services: int, wide: bool) -> Small:
    """Scenarios of one size; ``wide``: three batch sizes and two cuts, as far as layers allow."""
    floor = draw(st.sampled_from([None, None, 0.78])) if not wide else None
    counts = st.integers(2, 2 if windows * services == 6 else 4)
    layer = st.tuples(st.integers(5, 200), st.integers(10, 900), st.integers(1, 60))
    layers = tuple(
        tuple(draw(st.lists(layer, min_size=2, max_size=most_layers if floor is None else 3))) for _ in range(services)
    )
    ramps = tuple(
        tuple(sorted(draw(st.sets(st.integers(1, len(one) - 1), max_size=5 if wide else 2)))) for one in layers
    )
    rate = st.integers(30, 2000 if windows == 1 else 900)
    return Small(
        layers,
        ramps,
        tuple(tuple(draw(st.lists(rate, min_size=windows, max_size=windows))) for _ in range(services)),
        (draw(counts), draw(counts)),
        (draw(st.sampled_from([2.0, 3.1])), draw(st.sampled_from([1.0, 1.7]))),
        draw(st.sampled_from([(1, 4, 8), (2, 8, 16)] if wide else [(2,), (1, 8), (4, 8)])),
        draw(st.sampled_from([("fp16", "int8")] if wide else [("fp16",), ("fp16", "int8")])),
        2 if wide else 1,
        draw(st.sampled_from([0.0, 0.05, 2.0])),
        draw(st.sampled_from([0, 300, 3000])),
        tuple(draw(st.lists(st.sampled_from([0.25, 1.0]), min_size=windows, max_size=windows))),
        floor,
        draw(st.sampled_from(["90%", "100%"])),
    )


@dataclass
class ByRule:
    """A judge that lowers what a space deploys and asks the rule."""

    scenario: Scenario
    problem: PlanProblem
    asked: int = 0
    _known: dict[tuple[int, int], tuple[Portion, ...]] = field(default_factory=dict)

    def judge(self, asks: Sequence[Ask]) -> list[Judgement]:
        """One answer each."""
        self.asked += len(asks)
        return [Judgement(self._holds(ask)) for ask in asks]

    def _holds(self, ask: Ask) -> bool:
        key = ask.service, ask.shape
        if key not in self._known:
            space = self.problem.spaces[ask.service]
            one = deployment_of(space, ask.shape, [1] * len(space.shapes[ask.shape].groups))
            self._known[key] = portions_of(self.scenario, space.service, one)
        rate = float(self.problem.rates[ask.service][ask.window]) * ask.factor
        return in_time(self._known[key], ask.replicas, rate)


def only(scenario: Scenario, service: str) -> Scenario:
    """The scenario with one of its services, by the name that the helpers for a single service use."""
    return scenario.model_copy(update={"services": {"s": scenario.services[service]}})


def portions_of(scenario: Scenario, service: str, deployment: Deployment) -> tuple[Portion, ...]:
    """A deployment of one replica each, as the cluster model binds it to costs."""
    one = deployed(only(scenario, service), deployment)
    pools = list(scenario.cluster.pools)
    found = []
    for rate, index, written in zip(carried(one), one.deployments[0].stations, deployment.portions, strict=True):
        (phase,) = one.stations[index].kinds[0].phases
        ramps = deployment.ramps if deployment.exit_mode == "compact" else None
        found.append(
            Portion(
                1 / rate,
                float(phase.time_s[phase.batch] + phase.transfer_s[phase.batch]),
                pools.index(written.pool),
                (deployment.exit_mode, ramps, str(written.layers), written.pool, written.precision, written.batch),
                one.stations[index].kinds[0].load_s,
            )
        )
    return tuple(found)
