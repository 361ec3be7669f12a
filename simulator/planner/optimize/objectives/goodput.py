"""The most load that a fixed cluster carries: the largest factor on all services' rates, proved and judged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.planner.optimize.problem import Ask, Judge, Judgement, PlanProblem
from simulator.planner.optimize.search.core import INTERRUPTED, OUT_OF_ASKS, OUT_OF_TIME, Progress, Search
from simulator.planner.optimize.search.found import Choice, Found, Limit, Rejected
from simulator.planner.optimize.search.program import cost_of, decide, relax
from simulator.planner.optimize.search.rows import Offer

Node = tuple[int, tuple[int, ...]]
Fact = tuple[int, int, float, int, tuple[int, ...], Judgement]
"""Service, window, rate [1/s], shape, replicas, and what was judged."""
CLOSE = 1e-9
"""Relative difference of two factors that are one."""
HAIR = 4 * CLOSE
"""Relative step beyond what a choice carries: more than the rounding of replicas forgives."""
TOLERANCE = 0.002
"""Relative width at which the search by judgement stops."""
ANY = 1.0
"""Gap of a program of which any choice will do."""
SHARE = 4
"""No factor gets more than this part of all judgements that are allowed."""


@dataclass(frozen=True)
class Steady:
    """The largest factor that a steady state carries, and nodes that do; no plan carries more than ``bound``."""

    factor: float
    bound: float
    nodes: tuple[tuple[Node, ...], ...] | None


@dataclass(frozen=True)
class Goodput:
    """The largest common ``factor`` on the planned rates at which a choice meets all objectives.

    ``bound``: no choice carries more; ``steady``: what the steady state alone allows. ``choices`` by service and
    window, judged at the factor; None: not even the smallest factor that was tried holds, for ``reason``.
    """

    factor: float
    bound: float
    steady: Steady
    choices: tuple[tuple[Choice, ...], ...] | None
    cost: float
    evaluations: int
    seconds: float
    reason: str | None = None
    interrupted: str | None = None
    rejected: tuple[Rejected, ...] = ()

    @property
    def gap(self) -> float:
        """By which share a choice may carry more, at most."""
        return self.bound / self.factor - 1.0 if self.factor > 0 else float("inf")


def scaled(problem: PlanProblem, factor: float) -> PlanProblem:
    """The problem with all rates multiplied."""
    return replace(problem, rates=problem.rates * factor)


def steady_factor(problem: PlanProblem) -> Steady:
    """The largest factor for which the program has a choice of steady-state nodes, windows and changes in: exact.

    A choice carries up to ``min n / (work rate served)`` over its groups, which is where the next program begins: so
    the answer is the factor of a choice, not of a bisection. If a program could not be settled, ``bound`` exceeds it.
    """
    best, nodes = 0.0, None
    high, settled = _most(problem), True
    bound = high
    tried = min(1.0, high)
    while high > best * (1 + HAIR) and tried > CLOSE * max(bound, 1.0):
        found, complete = _steady_nodes(problem, tried)
        if found is not None:
            best, nodes = _carried(problem, found), found
        else:
            high = tried
            settled &= complete
            bound = tried if settled else bound
        tried = _next(best, high)
    return Steady(best, max(bound, best) if bound > best * (1 + 2 * HAIR) else best, nodes)


def _next(best: float, high: float) -> float:
    """Halve while the range is wide; then ask for more than the best choice carries, by a hair, whether that is all."""
    if best == 0.0:
        return high / 2
    return (best * high) ** 0.5 if high > best * (1 + 1e-3) else best * (1 + HAIR)


def _most(problem: PlanProblem) -> float:
    """No shape of some service in some window carries more with all pools to itself."""
    limits = np.array([pool.devices for pool in problem.pools], dtype=np.float64)
    found = np.inf
    for space, rates in zip(problem.spaces, problem.rates):
        if not len(space.shapes) or not rates.max(initial=0.0) > 0:
            continue
        asked = space.work_s * space.devices * float(rates.max()) * space.served  # devices for factor 1
        pools = [np.where(space.pool == pool, asked, 0.0).sum(axis=1) for pool in range(len(limits))]
        share = np.stack(pools, axis=1) / np.maximum(limits, 1e-12)
        found = min(found, float((1.0 / np.maximum(share.max(axis=1), 1e-300)).max()))
    return found * (1 + CLOSE) if np.isfinite(found) else 0.0


def _steady_nodes(problem: PlanProblem, factor: float) -> tuple[tuple[tuple[Node, ...], ...] | None, bool]:
    """A choice of the fewest replicas at a factor, if there is one; whether that there is none is certain."""
    asked = scaled(problem, factor)
    limits = np.array([pool.devices for pool in asked.pools])
    offers: list[list[Offer]] = []
    for space, rates in zip(asked.spaces, asked.rates):
        offers.append([])
        for rate in rates:
            need = space.least(float(rate))
            used = np.stack(
                [np.where(space.pool == pool, need * space.devices, 0).sum(axis=1) for pool in range(len(limits))], 1
            )
            fits = np.flatnonzero((used <= limits).all(axis=1))
            offers[-1].append(Offer(fits, need[fits]))
    if any(not len(offer.shape) for line in offers for offer in line):
        return None, True
    decided = decide(asked, offers, relax(asked, offers), gap=ANY)
    if decided.picks is None:
        return None, decided.complete
    found = tuple(
        tuple((int(offers[s][w].shape[row]), replicas) for w, (row, replicas) in enumerate(line))
        for s, line in enumerate(decided.picks)
    )
    return found, True


def _carried(problem: PlanProblem, nodes: Sequence[Sequence[Node]]) -> float:
    """The factor up to which the steady state of a choice is stable."""
    found = np.inf
    for space, rates, line in zip(problem.spaces, problem.rates, nodes):
        for rate, (shape, replicas) in zip(rates, line):
            need = space.work_s[shape] * float(rate) * space.served
            there = (space.pool[shape] >= 0) & (need > 0)
            found = min(found, float((np.asarray(replicas)[there] / need[there]).min(initial=np.inf)))
    return found


def goodput(
    problem: PlanProblem,
    judge: Judge,
    *,
    limit: Limit | None = None,
    progress: Progress | None = None,
    tolerance: float = TOLERANCE,
) -> Goodput:
    """The largest factor at which the judge accepts a choice within the pools, to a relative ``tolerance``.

    Bisection from the steady optimum downwards: at each factor nodes are judged until a choice holds, or none is
    left. Answers serve all factors: what holds does so for less load, what does not does not for more. A factor at
    which the judgements ran out counts as too much, but does not lower the bound. ``progress`` gets the factor
    instead of the cost.
    """
    run = _Run(problem, judge, limit or Limit(), progress)
    return run.result(tolerance)


class _Run:
    """One search for the largest factor."""

    def __init__(self, problem: PlanProblem, judge: Judge, limit: Limit, progress: Progress | None) -> None:
        self.problem, self.limit, self.progress = problem, limit, progress
        self.judge, self.facts, self.asked = judge, list[Fact](), 0
        self.started = time.monotonic()
        self.best: tuple[float, Found] | None = None
        self.last: Found | None = None
        self.stopped: str | None = None

    def result(self, tolerance: float) -> Goodput:
        """Bisect between what holds and what is too much."""
        steady = Steady(0.0, _most(self.problem), None)
        bound = steady.bound
        try:
            steady = steady_factor(self.problem)
            bound = self._bisect(steady, tolerance)
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED
            bound = min(bound, steady.bound)
        found = None if self.best is None else self.best[1]
        factor = 0.0 if self.best is None else self.best[0]
        cost = np.inf
        if found is not None and found.choices is not None:
            cost, _ = cost_of(self.problem, [[(c.shape, c.replicas) for c in line] for line in found.choices])
        reason = None if found is not None else (self.last.reason if self.last is not None else "nothing was tried")
        return Goodput(
            factor,
            max(bound, factor),
            steady,
            None if found is None else found.choices,
            cost,
            self.asked,
            time.monotonic() - self.started,
            reason,
            self.stopped,
            () if self.last is None else self.last.rejected,
        )

    def _bisect(self, steady: Steady, tolerance: float) -> float:
        """The bound; ``best`` is what holds at most."""
        low, high, bound = 0.0, steady.factor, steady.bound
        tried = high * (1 - CLOSE)
        while high > 0 and (low == 0.0 or high > low * (1 + tolerance)) and tried > 1e-4 * steady.factor:
            found = self._at(tried)
            if found.choices is not None:
                low, self.best = tried, (tried, found)
            elif found.interrupted == OUT_OF_TIME or self.stopped:
                self.stopped = self.stopped or found.interrupted
                break
            else:
                high = tried
                bound = min(bound, tried) if found.infeasible else bound
            if self.progress is not None:
                self.progress(low, bound, self.asked)
            if self.asked >= self.limit.evaluations:
                self.stopped = OUT_OF_ASKS
                break
            tried = (low + high) / 2 if low else high * (0.8 if high > 0.9 * steady.factor else 0.5)
        return bound

    def _at(self, factor: float) -> Found:
        """A search at a factor for anything that holds."""
        left = None
        if self.limit.seconds is not None:
            left = max(self.limit.seconds - (time.monotonic() - self.started), 0.0)
        asks = min(self.limit.evaluations - self.asked, max(self.limit.evaluations // SHARE, 1))
        problem = scaled(self.problem, factor)
        judge = _Scaled(self.judge, factor)
        search = Search(problem, judge)
        for service, window, rate, shape, replicas, judged in self.facts:
            search.know(service, window, rate, shape, replicas, judged)
        found = search.run(Limit(asks, left, np.inf))
        for ask, judged in search.answers.items():
            rate = float(problem.rates[ask.service][ask.window])
            self.facts.append((ask.service, ask.window, rate, ask.shape, ask.replicas, judged))
        self.asked += found.evaluations
        if found.interrupted == INTERRUPTED:
            self.stopped = INTERRUPTED
        self.last = found
        return found


class _Scaled:
    """A judge of all windows at so many times their load."""

    def __init__(self, judge: Judge, factor: float) -> None:
        self._judge, self._factor = judge, factor
        self.by_rate = bool(getattr(judge, "by_rate", True))

    def judge(self, asks: Sequence[Ask]) -> list[Judgement]:
        """Answers in the order of the asks."""
        return self._judge.judge([replace(ask, factor=ask.factor * self._factor) for ask in asks])
