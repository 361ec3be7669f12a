"""Small plan problems, judges that answer by formula, and the exhaustive search beside which the search is judged."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulator.planner.optimize.problem import (
    Ask,
    Group,
    Judgement,
    PlanProblem,
    PoolLimit,
    Shape,
    Space,
    Window,
)

HOUR = 3600.0


@dataclass
class Queues:
    """Waits of every group by Sakasegawa's formula, a multi-server queue each; their sum has to keep the limit.

    More replicas and less load shorten every wait, so the answers are monotone.
    """

    problem: PlanProblem
    limit_s: float
    asked: list[Ask] = field(default_factory=list)
    stop_after: int | None = None
    by_rate: bool = True

    def judge(self, asks: Sequence[Ask]) -> list[Judgement]:
        """One answer each; Ctrl-C after so many."""
        if self.stop_after is not None and len(self.asked) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked += asks
        return [self.one(ask) for ask in asks]

    def one(self, ask: Ask) -> Judgement:
        """Holds when every queue is stable and waits and service together stay within the limit."""
        shape = self.problem.spaces[ask.service].shapes[ask.shape]
        rate = self.problem.rates[ask.service][ask.window] * ask.factor
        total = shape.service_s
        for group, count in zip(shape.groups, ask.replicas, strict=True):
            load = rate * group.survival * group.busy_s / shape.batch / count
            if load >= 1:
                return Judgement(False, 0.0, reason="more load than replicas can serve")
            total += group.busy_s * load ** (np.sqrt(2 * (count + 1)) - 1) / (count * (1 - load))
        holds = bool(total <= self.limit_s)
        return Judgement(holds, float(np.exp(-total)), total, reason=None if holds else f"{total:.3f} s")


@dataclass
class Sums(Queues):
    """A shape holds when its replicas, weighted, add up to enough: many least choices of replicas for one shape."""

    def one(self, ask: Ask) -> Judgement:
        """Each group must be stable too."""
        shape = self.problem.spaces[ask.service].shapes[ask.shape]
        rate = self.problem.rates[ask.service][ask.window] * ask.factor
        works = [group.survival * group.busy_s / shape.batch for group in shape.groups]
        stable = all(count >= work * rate for work, count in zip(works, ask.replicas, strict=True))
        spare = sum(count / max(work * rate, 0.1) for work, count in zip(works, ask.replicas))
        holds = bool(stable and spare >= self.limit_s * len(works))
        return Judgement(holds, reason=None if holds else "too little to spare")


def random_problem(rng: np.random.Generator, **sizes: Any) -> PlanProblem:
    """Shapes of 1 to 3 groups on one or two pools; layers, precisions and batch sizes as in a real space."""
    windows, services = sizes.get("windows", 3), sizes.get("services", 2)
    devices, count = sizes.get("devices", (2, 5)), sizes.get("shapes", 6)
    pools = tuple(
        PoolLimit(f"pool{number}", int(rng.integers(*devices)), float(np.round(rng.uniform(0.5, 4.0), 2)))
        for number in range(sizes.get("pools", 2))
    )
    spaces = tuple(
        Space.of(
            f"service{number}",
            [one for one in _shapes(rng, pools, count) if one.service_s <= sizes.get("limit_s", np.inf)],
            float(rng.choice([0.95, 1.0])),
            pools,
        )
        for number in range(services)
    )
    rates = rng.uniform(*sizes.get("rates", (0.2, 2.5)), size=(services, windows)).round(2)
    lengths = rng.choice([0.25, 1.0], size=windows) if sizes.get("uneven", True) else np.ones(windows)
    ends = np.cumsum(lengths) * HOUR
    spans = tuple(Window(float(end - hours * HOUR), float(end)) for end, hours in zip(ends, lengths))
    switch = float(rng.choice(sizes.get("switch", (0.0, 0.05, 3.0))))
    return PlanProblem(spans, pools, spaces, rates, switch)


def _shapes(rng: np.random.Generator, pools: Sequence[PoolLimit], count: int) -> list[Shape]:
    found = []
    speed = {pool: float(rng.uniform(0.5, 1.5)) for pool in range(len(pools))}
    for number in range(count):
        batch = int(rng.choice([1, 4, 8]))
        precision = str(rng.choice(["fp16", "int8"]))
        cuts = sorted(rng.choice(np.arange(1, 6), size=int(rng.integers(0, 3)), replace=False).tolist())
        ends = [0, *cuts, 6]
        groups = []
        for first, last in itertools.pairwise(ends):
            pool = int(rng.integers(len(pools)))
            busy = (last - first) * speed[pool] * (0.1 + 0.05 * batch) * (0.7 if precision == "int8" else 1.0)
            survival = 1.0 - 0.1 * first
            load = 60.0 * (last - first)
            key = ((first + 1, last), pool, precision, batch)
            devices = 2 if pool == 1 and precision == "fp16" and last == 6 and first == 0 else 1
            groups.append(Group((first + 1, last), pool, devices, busy, survival, load, key))
        mode = "at_cut" if cuts else str(rng.choice(["none", "compact"]))
        name = f"shape{number}"
        found.append(Shape(name, mode, "parallel", batch, tuple(groups), sum(group.busy_s for group in groups)))
    return found


def exhaustive(problem: PlanProblem, judge: Queues) -> float:
    """The least cost of all plans: every node up to the pools, every path of them through the windows.

    Infinite: no plan is feasible.
    """
    limits = np.array([pool.devices for pool in problem.pools])
    states = [_states(problem, judge, window, limits) for window in range(len(problem.windows))]
    if any(not len(cost) for _, cost in states):
        return float("inf")
    best = states[0][1]
    for (before, _), (after, cost) in itertools.pairwise(states):
        change = np.zeros((len(before), len(after)))
        devices = np.zeros((len(before), len(after), len(limits)))
        for service, space in enumerate(problem.spaces):
            olds = sorted({state[service] for state in before})
            news = sorted({state[service] for state in after})
            money, added = _changes(problem, space, olds, news, len(limits))
            rows = [olds.index(state[service]) for state in before]
            columns = [news.index(state[service]) for state in after]
            change += money[np.ix_(rows, columns)]
            devices += added[np.ix_(rows, columns)]
        used = np.array([_held(problem, state, len(limits)) for state in before])
        fits = (used[:, None, :] + devices <= limits).all(axis=2)
        best = np.where(fits, best[:, None] + change, np.inf).min(axis=0) + cost
    total = float(best.min())
    return total if problem.budget is None or total <= problem.budget else float("inf")


Node = tuple[int, tuple[int, ...]]


def _states(problem: PlanProblem, judge: Queues, window: int, limits: Any) -> tuple[list[tuple[Node, ...]], Any]:
    nodes = [_nodes(problem, judge, service, window, limits) for service in range(len(problem.spaces))]
    found = [state for state in itertools.product(*nodes) if (_held(problem, state, len(limits)) <= limits).all()]
    hours = problem.windows[window].hours
    cost = [hours * sum(space.price_per_hour(*node) for space, node in zip(problem.spaces, state)) for state in found]
    return found, np.array(cost)


def _nodes(problem: PlanProblem, judge: Queues, service: int, window: int, limits: Any) -> list[Node]:
    space = problem.spaces[service]
    found = []
    for number, shape in enumerate(space.shapes):
        most = [range(1, int(limits[group.pool]) // group.devices + 1) for group in shape.groups]
        for replicas in itertools.product(*most):
            fits = (space.held(number, replicas, len(limits)) <= limits).all()
            if fits and judge.one(Ask(service, window, number, replicas)).holds:
                found.append((number, replicas))
    return found


def _held(problem: PlanProblem, state: tuple[Node, ...], pools: int) -> Any:
    return sum(space.held(*node, pools) for space, node in zip(problem.spaces, state))


def _changes(problem: PlanProblem, space: Space, olds: list[Node], news: list[Node], pools: int) -> tuple[Any, Any]:
    """Money and devices of the replicas added between any two nodes."""
    money, devices = np.zeros((len(olds), len(news))), np.zeros((len(olds), len(news), pools))
    dearest: dict[Any, float] = {}
    for shape in space.shapes:
        for group in shape.groups:
            price = problem.pools[group.pool].price_per_hour * group.devices
            dearest[group.key] = max(dearest.get(group.key, 0.0), price * group.load_s / HOUR + problem.switch_cost)
    for (i, old), (j, new) in itertools.product(enumerate(olds), enumerate(news)):
        had: dict[Any, int] = {}
        for group, count in zip(space.shapes[old[0]].groups, old[1]):
            had[group.key] = had.get(group.key, 0) + count
        for group, count in zip(space.shapes[new[0]].groups, new[1]):
            added = max(count - had.pop(group.key, 0), 0)
            money[i, j] += added * dearest[group.key]
            devices[i, j, group.pool] += added * group.devices
    return money, devices
