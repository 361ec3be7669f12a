"""One service alone on one shape: bound to costs once, run at any number of replicas and any load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulator.cluster import lowered as low
from simulator.cluster.lower import lower
from simulator.cluster.lower.capacity import capacities
from simulator.costs.early_exit import RowSource
from simulator.errors import InternalError
from simulator.planner.optimize.load import workload_at
from simulator.planner.optimize.problem import Floats, Ints, Shape, Window
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment


@dataclass(frozen=True, slots=True)
class InWindow:
    """Exit rows as a window has them: a run of ``run_s`` passes through the whole window, however short it is [s]."""

    rows: RowSource
    window: Window
    run_s: float

    def _at(self, instant_s: Any) -> Any:
        share = np.clip(np.asarray(instant_s, dtype=np.float64) / self.run_s, 0.0, 1.0)
        return self.window.start_s + share * (self.window.end_s - self.window.start_s)

    def draw(self, uniform: Floats, arrival_s: Floats, number: Ints) -> Ints:
        """See ``RowSource``."""
        return self.rows.draw(uniform, self._at(arrival_s), number)

    def seeded(self, seed: int, *name: str | int) -> InWindow:
        """See ``RowSource``."""
        return replace(self, rows=self.rows.seeded(seed, *name))

    def weights(self, arrival_s: float) -> Floats:
        """See ``RowSource``."""
        return self.rows.weights(float(self._at(arrival_s)))


@dataclass(frozen=True, eq=False)
class Bench:
    """A service on a shape, alone with its devices and without their failures.

    ``places``: station and kind of each group; ``carries``: requests of the service per second that one replica of the
    group can take at most.
    """

    scenario: Scenario
    lowered: low.Lowered
    places: tuple[tuple[int, int], ...]
    carries: tuple[float, ...]

    def with_replicas(self, replicas: Sequence[int]) -> low.Service:
        """The service with so many replicas by group."""
        service = self.lowered.services[0]
        counts = [list(row) for row in service.deployments[0].replicas]
        for (station, kind), count in zip(self.places, replicas):
            counts[station][kind] = count
        deployment = replace(service.deployments[0], replicas=tuple(tuple(row) for row in counts))
        return replace(service, deployments=(deployment,))

    def carried(self, replicas: Sequence[int]) -> float:
        """Most requests per second that so many replicas can take in the long run."""
        by_station: dict[int, float] = {}
        for (station, _), count, each in zip(self.places, replicas, self.carries):
            by_station[station] = by_station.get(station, 0.0) + (count * each if count else 0.0)
        return min(by_station.values())

    @property
    def drifts(self) -> bool:
        """Whether exits depend on when a request comes."""
        exits = self.lowered.services[0].exits
        mix = None if exits is None else getattr(exits.rows, "mix", None)
        return mix is not None and len(mix.at_s) > 1


def marks_of(shape: Shape) -> tuple[int, ...]:
    """Replicas by group that tell the groups of a shape apart in its deployment."""
    return tuple(range(1, len(shape.groups) + 1))


def bench_of(scenario: Scenario, service: str, shape: Shape, deployment: Deployment) -> Bench:
    """The service alone on the shape, ``deployment`` with its marks; raises ScenarioError for what cannot work."""
    marks = marks_of(shape)
    written = scenario.services[service]
    change = {
        "deployment": deployment,
        "deployments": None,
        "workload": workload_at(written.workload, 1e-6),
    }
    alone = {"services": {service: written.model_copy(update=change)}, "trainings": {}, "streams": {}}
    lowered = lower(scenario.model_copy(update=alone))
    lowered = replace(lowered, services=(_without_faults(lowered.services[0]),), warnings=())
    counts = lowered.services[0].deployments[0].replicas
    found = {n: (at, kind) for at, row in enumerate(counts) for kind, n in enumerate(row)}
    if sorted(found) != list(marks):
        raise InternalError(f"the deployment of {shape.name} of {service} has other replicas than its groups")
    places = tuple(found[mark] for mark in marks)
    bench = Bench(scenario, lowered, places, (0.0,) * len(places))
    return replace(bench, carries=tuple(_carries(bench, group) for group in range(len(places))))


def _without_faults(service: low.Service) -> low.Service:
    """Failures are rare and runs short: whether they can be borne is seen over the whole horizon."""
    stations = tuple(
        replace(station, kinds=tuple(replace(kind, mtbf_s=float("inf")) for kind in station.kinds))
        for station in service.stations
    )
    return replace(service, stations=stations)


def _carries(bench: Bench, group: int) -> float:
    """Requests of the service per second that one replica of a group can take."""
    alone = tuple(int(number == group) for number in range(len(bench.places)))
    service = bench.with_replicas(alone)
    found = capacities(service, service.deployments[0], bench.lowered.overlap)
    return found[bench.places[group][0]].rate
