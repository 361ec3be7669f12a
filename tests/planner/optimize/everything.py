"""The cheapest plan of a small scenario, by writing down and lowering every deployment that is allowed.

Nothing here knows of shapes, spaces or programs: deployments are written in the scenario's form, their steady state is
what the cluster model says of them, and a formula for waits decides. Costs are those of the scenario's text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, pairwise, product
from math import inf
from typing import Any

import numpy as np

from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment
from tests.planner.optimize.chain import FULL, HOUR_S, LOSS, Portion, Small, in_time, only, portions_of
from tests.planner.optimize.spaces import answered_right, deployed


def every_deployment(case: Small, scenario: Scenario, service: int) -> Iterator[tuple[Portion, ...]]:
    """All that ``planner.search`` allows: whole, whole with any ramps, and cut at any ramps, each portion anywhere."""
    count, ramps = len(case.layers[service]), case.ramps[service]
    kinds = list(product(("a", "b"), case.precisions))
    some = list(chain.from_iterable(combinations(ramps, size) for size in range(1, len(ramps) + 1)))
    for batch in case.batches:
        for kind in kinds:
            yield from _written(case, scenario, service, "none", (), [kind], batch, count, None)
            for running in some:
                yield from _written(case, scenario, service, "compact", (), [kind], batch, count, running)
        for cuts in (cuts for cuts in some if len(cuts) <= case.max_cuts):
            yield from _cut(case, scenario, service, cuts, kinds, batch, count)


def _cut(
    case: Small, scenario: Scenario, service: int, cuts: tuple[int, ...], kinds: list[Any], batch: int, count: int
) -> Iterator[tuple[Portion, ...]]:
    """Times of a portion do not depend on where the others are, so portions of uniform deployments can be combined."""
    if case.floor is None:
        uniform = [
            next(_written(case, scenario, service, "at_cut", cuts, [kind] * (len(cuts) + 1), batch, count, None))
            for kind in kinds
        ]
        for chosen in product(range(len(kinds)), repeat=len(cuts) + 1):
            yield tuple(uniform[kind][at] for at, kind in enumerate(chosen))
    else:
        for places in product(kinds, repeat=len(cuts) + 1):
            yield from _written(case, scenario, service, "at_cut", cuts, list(places), batch, count, None)


def _written(
    case: Small,
    scenario: Scenario,
    service: int,
    mode: str,
    cuts: tuple[int, ...],
    places: Sequence[tuple[str, str]],
    batch: int,
    count: int,
    ramps: tuple[int, ...] | None,
) -> Iterator[tuple[Portion, ...]]:
    """One deployment, if it is right often enough and its full batches keep the latency."""
    portions = [
        {"layers": f"{a + 1}-{b}", "pool": pool, "replicas": 1, "batch": batch, "precision": precision}
        for (a, b), (pool, precision) in zip(pairwise((0, *cuts, count)), places, strict=True)
    ]
    body = {"exit_mode": mode, "portions": portions} | ({} if ramps is None else {"ramps": list(ramps)})
    deployment = Deployment.model_validate(body)
    name = f"s{service}"
    if case.floor is not None:
        lossy = sum(
            (b - a) * LOSS / count for (a, b), (_, form) in zip(pairwise((0, *cuts, count)), places) if form == "int8"
        )
        one = deployed(only(scenario, name), deployment)
        right = answered_right(one) if case.ramps[service] else FULL - lossy
        if right < case.floor - 1e-12:
            return
    yield portions_of(scenario, name, deployment)


@dataclass(frozen=True)
class Choice:
    """A deployment with replicas: what it costs per hour, and its replicas and devices by key."""

    price: float
    held: dict[tuple[Any, ...], tuple[int, int, float]]
    """By key: replicas, pool, time to load one [s]."""
    used: tuple[int, int]


def nodes_of(case: Small, every: Sequence[tuple[Portion, ...]], rate: float, most_price: float = inf) -> list[Choice]:
    """All choices of replicas that the pools have room for, and that the rule accepts."""
    found = []
    for portions in every:
        for replicas in product(*(range(1, case.counts[one.pool] + 1) for one in portions)):
            used = [sum(n for n, one in zip(replicas, portions) if one.pool == pool) for pool in (0, 1)]
            price = used[0] * case.prices[0] + used[1] * case.prices[1]
            if used[0] > case.counts[0] or used[1] > case.counts[1] or price > most_price:
                continue
            if in_time(portions, replicas, rate):
                held = {one.key: (n, one.pool, one.load_s) for one, n in zip(portions, replicas)}
                found.append(Choice(price, held, (used[0], used[1])))
    return found


def cheapest(case: Small, scenario: Scenario, at_most: float = inf) -> float:
    """The least cost of all plans, changes in; infinite where none costs ``at_most`` or less.

    A node whose window costs more than ``at_most`` leaves beside the cheapest nodes of all other windows is in no such
    plan.
    """
    services, windows = len(case.layers), len(case.hours)
    every = [list(every_deployment(case, scenario, service)) for service in range(services)]
    cells = [[nodes_of(case, every[s], case.rates[s][w]) for w in range(windows)] for s in range(services)]
    if any(not cell for line in cells for cell in line):
        return inf
    least = [[min(node.price for node in cell) * case.hours[w] for w, cell in enumerate(line)] for line in cells]
    spare = at_most * (1 + 1e-6) - sum(map(sum, least))
    if spare < 0:
        return inf
    for s, line in enumerate(cells):
        for w, cell in enumerate(line):
            line[w] = [node for node in cell if node.price * case.hours[w] - least[s][w] <= spare]
            if windows == 1:
                line[w] = list({node.used: node for node in line[w]}.values())  # equal devices cost the same
    return _path(case, cells)


def _path(case: Small, cells: list[list[list[Choice]]]) -> float:
    """The cheapest path of joint states through the windows."""
    best: Any = None
    before: list[tuple[int, ...]] = []
    for window, hours in enumerate(case.hours):
        line = [own[window] for own in cells]
        states = [
            state
            for state in product(*(range(len(cell)) for cell in line))
            if all(sum(cell[n].used[p] for cell, n in zip(line, state)) <= case.counts[p] for p in (0, 1))
        ]
        if not states:
            return inf
        cost = np.array([hours * sum(cell[n].price for cell, n in zip(line, state)) for state in states])
        if best is None:
            best = cost
        else:
            old = [own[window - 1] for own in cells]
            change, devices = _changes(case, old, line, np.array(before), np.array(states))
            used = np.array([[sum(c[n].used[p] for c, n in zip(old, state)) for p in (0, 1)] for state in before])
            fits = (used[:, None, :] + devices <= np.array(case.counts)).all(axis=2)
            best = np.where(fits, best[:, None] + change, np.inf).min(axis=0) + cost
        before = states
    return float(best.min())


def _changes(case: Small, old: list[list[Choice]], new: list[list[Choice]], before: Any, after: Any) -> tuple[Any, Any]:
    """Money and devices of the replicas that are added between any two joint states."""
    money = np.zeros((len(before), len(after)))
    devices = np.zeros((len(before), len(after), 2))
    for service, (mine, its) in enumerate(zip(old, new)):
        cost, more = np.zeros((len(mine), len(its))), np.zeros((len(mine), len(its), 2))
        for (i, a), (j, b) in product(enumerate(mine), enumerate(its)):
            for key, (count, pool, load_s) in b.held.items():
                added = max(count - a.held.get(key, (0, 0, 0.0))[0], 0)
                cost[i, j] += added * (case.prices[pool] * load_s / HOUR_S + case.switch_cost)
                more[i, j, pool] += added
        place = np.ix_(before[:, service], after[:, service])
        money += cost[place]
        devices += more[place]
    return money, devices
