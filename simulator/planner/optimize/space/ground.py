"""What a service asks of every shape: its model on every kind of replica, exits, objective, and the ways between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from simulator.cluster.lower.exits import ModelExits
from simulator.cluster.lower.hardware import Hardware, Route, pools_of, routes_of
from simulator.cluster.lower.layers import ModelCosts
from simulator.cluster.lower.precision import is_lossy
from simulator.errors import ScenarioError
from simulator.planner.optimize.problem import Floats, PoolLimit
from simulator.planner.optimize.space.survival import RuledExits, ruled_exits
from simulator.planner.optimize.space.timing import Bench, Kind, Refusal, benches
from simulator.scenario import Scenario
from simulator.scenario.exits import ExitRule, ProfileExits
from simulator.scenario.planning import Planner, Search, SurvivePool
from simulator.scenario.service import Service

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Target:
    """The objective of a service: the share of its requests that must be answered within ``latency_s``."""

    served: float
    latency_s: float


@dataclass(frozen=True, eq=False)
class Ground:
    """One service, ready for enumeration."""

    scenario: Scenario
    service: str
    pools: tuple[PoolLimit, ...]
    planner: Planner
    target: Target
    costs: ModelCosts
    exits: ModelExits
    benches: tuple[Bench, ...]
    refused: tuple[tuple[Kind, Refusal, str], ...]
    rules: tuple[RuledExits, ...]
    """Exits under every rule that is tried; empty without exits."""

    @property
    def spec(self) -> Service:
        """The service as it is written."""
        return self.scenario.services[self.service]

    @property
    def search(self) -> Search:
        """What is tried."""
        return self.planner.search

    @property
    def layers(self) -> int:
        """Layers of the model."""
        return self.exits.layers

    @property
    def floor(self) -> float | None:
        """Least accuracy."""
        return self.planner.accuracy_floor

    @property
    def overlap(self) -> bool:
        """Whether a sender computes while it sends."""
        network = self.scenario.cluster.network
        return network is not None and network.overlap

    @property
    def twofold(self) -> bool:
        """Whether every portion stands in two pools."""
        return isinstance(self.planner.survive, SurvivePool)

    @cached_property
    def routes(self) -> tuple[dict[tuple[str, str], Route], Route]:
        """Ways between pools."""
        return routes_of(self.scenario.cluster.network)

    def route(self, sender: int, receiver: int) -> Route:
        """Way from a pool to another, by their numbers."""
        pairs, base = self.routes
        return pairs.get((self.pools[sender].name, self.pools[receiver].name), base)

    @cached_property
    def lost(self) -> Floats:
        """(benches, layers + 1): accuracy that the first layers lose on each kind of replica.

        NaN from the first layer on of which nobody says what a lossy format costs, where a floor must hold.
        """
        loss = self.exits.loss
        found = np.zeros((len(self.benches), self.layers + 1))
        for number, bench in enumerate(self.benches):
            precision = bench.kind.precision
            for layer in range(self.layers):
                known = loss is not None and loss.tells(layer, precision)
                assumed = np.nan if is_lossy(precision) and self.floor is not None else 0.0
                lost = loss.at(layer, precision) if known and loss is not None else assumed
                found[number, layer + 1] = found[number, layer] + lost
        return found

    def keeps(self, lost: Floats) -> Floats:
        """Share of the right answers that stay right when layers have lost so much accuracy."""
        full = self.exits.full
        if not full:
            return np.where(np.isnan(lost), np.nan, 1.0)
        return np.maximum(1.0 - lost / full, 0.0)

    def accepts(self, accuracy: Floats) -> Bools:
        """Whether accuracies meet the floor."""
        if self.floor is None:
            return np.ones(np.shape(accuracy), dtype=np.bool_)
        with np.errstate(invalid="ignore"):
            return np.asarray(accuracy >= self.floor * (1 - 1e-12))

    def in_time(self, service_s: Floats) -> Bools:
        """Whether full batches meet the deadline."""
        return np.asarray(service_s <= self.target.latency_s * (1 + 1e-9))


def ground_of(
    scenario: Scenario,
    service: str,
    pools: Sequence[PoolLimit],
    planner: Planner | None = None,
    *,
    every: bool = False,
) -> Ground:
    """Everything that enumeration reads of a service; ``pools`` are those of the plan, in its order.

    ``every``: with the kinds of replica that another one in their pool beats in everything.
    """
    planner = planner or scenario.planner or Planner()
    costs = ModelCosts(scenario, scenario.services[service].model, scenario.models[scenario.services[service].model])
    exits = ModelExits(costs)
    search = planner.search
    hardware = pools_of(scenario)
    usable = _usable(scenario, hardware, pools, search)
    made, refused = benches(costs, usable, search.precision, search.weights, exits.ramps, search.batch)
    if not made:
        message = f"service {service} runs nowhere: {'; '.join(f'{kind}: {why}' for kind, _, why in refused)}"
        raise ScenarioError(scenario.source.problem(("planner", "search"), message))
    target = target_of(scenario, service, planner)
    ruled = _ruled(exits, planner)
    ground = Ground(scenario, service, tuple(pools), planner, target, costs, exits, tuple(made), tuple(refused), ruled)
    if every:
        return ground
    slower = {number: other for number in range(len(made)) if (other := _slower(ground, number)) is not None}
    kept = tuple(bench for number, bench in enumerate(made) if number not in slower)
    told: list[tuple[Kind, Refusal, str]] = []
    for number, other in slower.items():
        told.append((made[number].kind, "slower", f"slower than {made[other].kind} in everything"))
    return replace(ground, benches=kept, refused=(*refused, *told))


def _slower(ground: Ground, number: int) -> int | None:
    """A kind of replica in the same pool that is as fast, as small and as right in everything; of equals the first."""
    mine = ground.benches[number]
    for other, bench in enumerate(ground.benches):
        if other == number or bench.kind.pool != mine.kind.pool:
            continue
        never = [
            (bench.load_s(), mine.load_s()),
            (bench.output_bytes, mine.output_bytes),
            (np.diff(ground.lost[other]), np.diff(ground.lost[number])),
            (bench.layer_s, mine.layer_s),
            (bench.ramp_s, mine.ramp_s),
        ]
        for ramps in ({}, {"last_ramp": True}, {"every_ramp": True}):
            rival, own = bench.spans(**ramps), mine.spans(**ramps)
            never += [(rival.full_s, own.full_s), (rival.item_s, own.item_s)]
        better = any((low < high).any() for low, high in never)
        if all((low <= high).all() for low, high in never) and (better or other < number):
            return other
    return None


def _usable(
    scenario: Scenario, hardware: dict[str, Hardware], pools: Sequence[PoolLimit], search: Search
) -> list[tuple[int, Hardware]]:
    """Pools that may be used and have devices for a replica."""
    found = []
    for number, pool in enumerate(pools):
        mine = hardware[pool.name]
        named = search.pools is None or pool.name in search.pools
        if named and pool.devices >= mine.pool.devices_per_replica:
            found.append((number, mine))
    if not found:
        wanted = ", ".join(search.pools or [pool.name for pool in pools])
        message = f"no device is left for the planned services in {wanted}: trainings, streams and others hold them"
        raise ScenarioError(scenario.source.problem(("planner", "search"), message))
    return found


def _ruled(exits: ModelExits, planner: Planner) -> tuple[RuledExits, ...]:
    written, search = exits.costs.model.exits, planner.search
    if written is None or exits.source is None or not exits.source.ramps:
        return ()
    rules: tuple[ExitRule | None, ...] = (None,)
    if search.exit_rules is not None and not isinstance(written, ProfileExits) and written.router is None:
        rules = search.exit_rules
    return tuple(ruled_exits(exits, rule, planner.survival_quantile) for rule in rules)


def target_of(scenario: Scenario, service: str, planner: Planner) -> Target:
    """Objective of a service over its classes: the share that all of them ask for, and the shortest latency.

    Where no share is demanded, the plan of least cost would be to serve nobody: that is refused.
    """
    spec = scenario.services[service]
    slos = [(kind.share, kind.slo or spec.slo) for kind in spec.classes or ()] or [(1.0, spec.slo)]
    latency_s = min((slo.latency for _, slo in slos if slo is not None), default=inf)
    asked = [share * (slo.attainment if slo.attainment is not None else 0.0) for share, slo in slos if slo is not None]
    if sum(asked) > 0:
        return Target(min(sum(asked), 1.0), latency_s)
    if planner.objective == "cost":
        message = "needs `slo: {latency: .., attainment: ..}` for a plan: which share must be in time"
        raise ScenarioError(scenario.source.problem(("services", service), message))
    return Target(1.0, latency_s)
