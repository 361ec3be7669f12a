"""The most requests served in time for a budget: judged attainment, and a program over several levels of replicas.

What is chosen among: for every service and window the shapes that are cheapest at each of a few levels of capacity,
from half the steady need to four times as much, replicas even over the groups. Within these the choice is the best, to
the gap that is stated; splits of replicas between the levels are not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from simulator.planner.optimize.problem import Ask, Floats, Judge, Judgement, PlanProblem, Space
from simulator.planner.optimize.search.core import INTERRUPTED, OUT_OF_ASKS, OUT_OF_TIME
from simulator.planner.optimize.search.found import Choice, Limit
from simulator.planner.optimize.search.mixed import mixed_integer
from simulator.planner.optimize.search.program import EXACT, cost_of
from simulator.planner.optimize.search.rows import Layout, Offer

Aim = Literal["mean", "worst"]
LEVELS = (0.5, 0.7, 0.85, 1.0, 1.05, 1.1, 1.2, 1.35, 1.6, 2.0, 3.0, 4.0)
"""Capacities as multiples of the steady need."""
SHAPES = 6
"""Shapes that stand for each level: the cheapest there."""
CLOSE = 1e-6
"""Difference of two attainments that are one (the solver's tolerance)."""
THRIFT = 1e-7
"""What the whole budget weighs beside an attainment of 1: of equal plans the cheaper."""
NODES = 20_000
Progress = Callable[[float, float, int], object]


@dataclass(frozen=True)
class Attained:
    """The best attainment found for the money.

    ``attainment``: by ``aim`` the mean over all requests, or the worst of any service in any window; ``bound``: no
    choice among those looked at attains more. ``choices`` None: not even the cheapest fits, for ``reason``.
    """

    attainment: float
    bound: float
    aim: Aim
    cost: float
    choices: tuple[tuple[Choice, ...], ...] | None
    evaluations: int
    seconds: float
    reason: str | None = None
    interrupted: str | None = None

    @property
    def gap(self) -> float:
        """How much more a choice may attain, at most."""
        return max(self.bound - self.attainment, 0.0)


class _Solution(NamedTuple):
    rows: list[int]
    bound: float


def attainment(
    problem: PlanProblem,
    judge: Judge,
    *,
    aim: Aim = "mean",
    limit: Limit | None = None,
    progress: Progress | None = None,
) -> Attained:
    """The largest attainment for ``problem.budget`` and the pools.

    A node that was not judged counts with the share of its load that it has capacity for, and with no more than what
    was judged of the same shape with more replicas: so the program over all is a bound, and what it picks is judged
    until nothing new is picked. ``progress`` gets the attainment found, its bound and the number of judgements.
    """
    return _Run(problem, judge, aim, limit or Limit(), progress).result()


class _Run:
    """One search for the best attainment."""

    def __init__(self, problem: PlanProblem, judge: Judge, aim: Aim, limit: Limit, progress: Progress | None) -> None:
        self.problem, self.judge, self.aim, self.limit, self.progress = problem, judge, aim, limit, progress
        self.started = time.monotonic()
        self.offers = [[_levels(problem, space, float(rate)) for rate in line] for space, line in _lines(problem)]
        self.layout = Layout(problem, self.offers)
        self.weights = self._weights()
        self.upper = [
            _most_attained(problem.spaces[s], float(problem.rates[s][w]), self.offers[s][w])
            for s, w in self.layout.cells
        ]
        self.answers: list[dict[int, Judgement]] = [{} for _ in self.layout.cells]
        self.best: tuple[list[int], float] | None = None
        self.bound, self.asked = 1.0, 0
        self.stopped: str | None = None
        self.reason: str | None = None

    def _weights(self) -> Floats:
        """(cells,): share of all requests."""
        requests = np.array([self.problem.rates[s][w] * self.layout.hours[w] for s, w in self.layout.cells])
        total = float(requests.sum())
        found: Floats = requests / total if total > 0 else np.full(len(requests), 1.0 / max(len(requests), 1))
        return found

    def result(self) -> Attained:
        """Judge what the program picks until it picks nothing new."""
        try:
            self._go()
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED
        if self.best is None:
            reason = self.reason or f"no plan was judged before the {self.stopped}"
            return Attained(0.0, self.bound, self.aim, np.inf, None, self.asked, self._spent(), reason, self.stopped)
        rows, value = self.best
        nodes = [[self._node(cell) for cell in self._line(s)] for s in range(len(self.offers))]
        choices = tuple(
            tuple(Choice(*node, self.answers[cell][rows[cell]]) for node, cell in zip(line, self._line(s)))
            for s, line in enumerate(nodes)
        )
        cost, _ = cost_of(self.problem, nodes)
        bound = max(self.bound, value)
        return Attained(value, bound, self.aim, cost, choices, self.asked, self._spent(), self.reason, self.stopped)

    def _line(self, service: int) -> range:
        return range(service * self.layout.windows, (service + 1) * self.layout.windows)

    def _node(self, cell: int, row: int | None = None) -> tuple[int, tuple[int, ...]]:
        service, window = self.layout.cells[cell]
        offer = self.offers[service][window]
        if row is None:
            assert self.best is not None
            row = self.best[0][cell]
        shape = int(offer.shape[row])
        groups = len(self.problem.spaces[service].shapes[shape].groups)
        return shape, tuple(int(n) for n in offer.replicas[row][:groups])

    def _spent(self) -> float:
        return time.monotonic() - self.started

    def _go(self) -> None:
        while True:
            found = self._solve(self.upper)
            if found is None:
                self.reason = self._why_none()
                return
            self.bound = min(self.bound, found.bound)
            fresh = [(cell, row) for cell, row in enumerate(found.rows) if row not in self.answers[cell]]
            if fresh and not self._judge(fresh):
                return
            self._keep(found.rows)
            if self.progress is not None:
                self.progress(0.0 if self.best is None else self.best[1], self.bound, self.asked)
            if not fresh or (self.best is not None and self.bound - self.best[1] <= CLOSE):
                return
            if self.limit.seconds is not None and self._spent() >= self.limit.seconds:
                self.stopped = OUT_OF_TIME
                return

    def _why_none(self) -> str:
        for cell, (service, window) in enumerate(self.layout.cells):
            if not len(self.upper[cell]):
                name = self.problem.spaces[service].service
                return f"service {name}, window {window}: no node fits the pools"
        return (
            f"no plan fits the pools and the budget of {self.problem.budget:g}"
            if self.problem.budget
            else ("no plan fits the pools")
        )

    def _judge(self, fresh: list[tuple[int, int]]) -> bool:
        """Ask; False: the judgements are used up."""
        part = fresh[: max(self.limit.evaluations - self.asked, 0)]
        asks = []
        for cell, row in part:
            service, window = self.layout.cells[cell]
            asks.append(Ask(service, window, *self._node(cell, row)))
        for (cell, row), answer in zip(part, self.judge.judge(asks) if asks else []):
            self._learn(cell, row, answer)
            self.asked += 1
        if len(part) < len(fresh):
            self.stopped = OUT_OF_ASKS
        return len(part) == len(fresh)

    def _learn(self, cell: int, row: int, answer: Judgement) -> None:
        """What no more replicas of a shape attain is no more than what these do."""
        self.answers[cell][row] = answer
        attained = 0.0 if answer.attainment is None else float(answer.attainment)
        service, window = self.layout.cells[cell]
        offer = self.offers[service][window]
        below = (offer.shape == offer.shape[row]) & (offer.replicas <= offer.replicas[row]).all(axis=1)
        self.upper[cell][below] = np.minimum(self.upper[cell][below], attained)
        self.upper[cell][row] = attained

    def _keep(self, rows: list[int]) -> None:
        got = np.array([self.upper[cell][row] for cell, row in enumerate(rows)])
        value = float(self.weights @ got) if self.aim == "mean" else float(got.min())
        if self.best is None or value > self.best[1]:
            self.best = rows, value

    def _solve(self, attained: list[Floats]) -> _Solution | None:
        """The program: least loss, the mean by requests or the worst, and a trifle for the money."""
        from scipy.optimize import Bounds, LinearConstraint
        from scipy.sparse import csr_matrix, hstack

        layout, cells = self.layout, len(self.layout.cells)
        if any(not len(one) for one in attained):
            return None
        lost = 1.0 - np.concatenate(attained)
        owner = np.repeat(np.arange(cells), [len(one) for one in attained])
        cost = np.zeros(layout.variables + 1)
        money = layout.costs / max(self.problem.budget or float(layout.costs.sum()), 1e-12)
        cost[:-1] = THRIFT * money
        if self.aim == "mean":
            cost[: layout.xs] += lost * self.weights[owner]
        else:
            cost[-1] = 1.0
        matrix, upper = layout.rows
        none = csr_matrix((matrix.shape[0], 1))
        one = hstack([layout.one_each(), csr_matrix((cells, 1))])
        worst = csr_matrix((lost, (owner, np.arange(layout.xs))), shape=(cells, layout.variables))
        rows = [
            LinearConstraint(hstack([matrix, none]), -np.inf, upper),
            LinearConstraint(one, 1.0, 1.0),
            LinearConstraint(hstack([worst, csr_matrix(-np.ones((cells, 1)))]), -np.inf, 0.0),
        ]
        high, whole = np.full(len(cost), np.inf), np.zeros(len(cost))
        high[: layout.xs], high[layout.xs : layout.first_add], whole[: layout.xs] = 1.0, 0.0, 1.0
        options: Any = {"mip_rel_gap": EXACT, "node_limit": NODES}
        if self.limit.seconds is not None:
            options["time_limit"] = max(self.limit.seconds - self._spent(), 1.0)
        found = mixed_integer(cost, whole.astype(np.int64), Bounds(0.0, high), rows, **options)
        if found.x is None:
            return None
        picks = [int(np.argmax(found.x[layout.column(cell)])) for cell in range(cells)]
        dual = 0.0 if found.mip_dual_bound is None else float(found.mip_dual_bound)
        # no plan's money weighs more than THRIFT in what the solver bounds
        return _Solution(picks, min(1.0, 1.0 - dual + THRIFT))


def _lines(problem: PlanProblem) -> list[tuple[Space, Floats]]:
    return list(zip(problem.spaces, problem.rates))


def _levels(problem: PlanProblem, space: Space, rate: float) -> Offer:
    """The cheapest shapes of every level, each with that many replicas."""
    limits = np.array([pool.devices for pool in problem.pools])
    nodes: set[tuple[int, tuple[int, ...]]] = set()
    for level in LEVELS:
        need = space.least(rate * level)
        fits = np.ones(len(need), dtype=np.bool_)
        for pool, limit in enumerate(limits):
            fits &= np.where(space.pool == pool, need * space.devices, 0).sum(axis=1) <= limit
        price = np.where(fits, (need * space.price).sum(axis=1), np.inf)
        cheapest = np.argsort(price, kind="stable")[:SHAPES]
        nodes |= {(int(row), tuple(need[row].tolist())) for row in cheapest if np.isfinite(price[row])}
    ordered = sorted(nodes)
    shape = np.array([shape for shape, _ in ordered], dtype=np.int64)
    replicas = np.array([one for _, one in ordered], dtype=np.int64).reshape(len(ordered), space.pool.shape[1])
    return Offer(shape, replicas)


def _most_attained(space: Space, rate: float, offer: Offer) -> Floats:
    """(n,): the most that a node can serve in steady state: what a group has no capacity for is lost.

    Of the arrivals only those that get to the group (its survival) can be lost there.
    """
    found = np.ones(len(offer.shape))
    for row, (shape, replicas) in enumerate(zip(offer.shape, offer.replicas)):
        for group, count, work in zip(space.shapes[int(shape)].groups, replicas, space.work_s[shape]):
            if work * rate > count:
                found[row] = min(found[row], 1.0 - group.survival * (1.0 - count / (work * rate)))
    return found
