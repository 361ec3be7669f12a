"""Three objectives behind one face: an attempt at the best choice, and what to do when its verification misses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

import numpy as np

from simulator.planner.optimize.certificate import Bounds, finite, gap
from simulator.planner.optimize.objectives.budget import attainment
from simulator.planner.optimize.objectives.goodput import Goodput, goodput
from simulator.planner.optimize.optimized import Choices, Progress
from simulator.planner.optimize.problem import Ask, Floats, Judge, Judgement, PlannedLoad
from simulator.planner.optimize.ready import Ready
from simulator.planner.optimize.search.core import Search
from simulator.planner.optimize.search.found import Limit, Rejected
from simulator.planner.optimize.search.rejected import rejected
from simulator.planner.optimize.verify.plan import Verification

Tell = Callable[[Progress], object] | None
CLOSE = 8
"""Verifications that miss before the next attempts are further from them: what misses is then no matter of chance."""
STEP_DOWN, STRIDE_DOWN = 0.99, 0.9
"""Factor on the load of a fixed cluster after a verification that misses, and after ``CLOSE`` of them."""
MORE_ROOM = 1.15
"""Factor on the load of a window that went on missing, for each miss after ``CLOSE``."""
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Attempt:
    """The best choice so far. ``value`` is that of the objective: money, requests/s in time, or attainment.

    ``load``: what the choice is made for, and verified at. ``stopped``: what ended the search early.
    """

    choices: Choices | None
    value: float
    bounds: Bounds
    load: PlannedLoad
    evaluations: int
    rejected: Sequence[Rejected] = ()
    reason: str | None = None
    stopped: str | None = None
    unit: float = 1.0
    """Factor on the value under which it is told: money per hour."""

    @property
    def interrupted(self) -> bool:
        """Whether somebody pressed Ctrl-C."""
        return self.stopped == INTERRUPTED


class Solver(Protocol):
    """Who makes attempts."""

    def attempt(self, limit: Limit, tell: Tell) -> Attempt:
        """The best choice that nothing refutes yet."""
        ...

    def miss(self, last: Attempt, checked: Verification) -> bool:
        """Learn that the verification missed; whether another attempt makes sense."""
        ...


@dataclass(frozen=True, eq=False)
class _Roomy:
    """A judge who asks for more than the load: ``room`` (services, windows) times as much."""

    asked: Judge
    room: Floats

    @property
    def by_rate(self) -> bool:
        """As the judge that is asked."""
        return bool(getattr(self.asked, "by_rate", True))

    def judge(self, asks: Sequence[Ask]) -> list[Judgement]:
        """See ``Judge``."""
        more = [replace(ask, factor=ask.factor * float(self.room[ask.service, ask.window])) for ask in asks]
        return self.asked.judge(more)


class CostSolver:
    """The least cost; what missed in a window is chosen there no more.

    One replica more, or another way to deploy as many, may miss for the same reason, such as devices that fail. So a
    window that goes on missing has to carry more than its load, as long as the pools allow that.
    """

    def __init__(self, here: Ready, judge: Judge) -> None:
        self.here, self.judge, self.misses = here, judge, 0
        self.search = self.all = Search(here.problem, judge)
        self.room = np.ones_like(here.problem.rates)
        self.refuted: list[tuple[int, int, int, tuple[int, ...]]] = []

    def attempt(self, limit: Limit, tell: Tell) -> Attempt:
        """Search on with all that is known."""
        unit = 1.0 / self.here.hours
        found = self.search.run(limit, _telling(tell, unit))
        if found.choices is None and self.search is not self.all:  # so much room there is not
            self.search = self.all
            found = self.search.run(limit, _telling(tell, unit))
        lost, bounds = found.rejected, Bounds(self.here.any_plan, found.bound, found.program_bound)
        if found.infeasible:
            bounds = Bounds(self.here.any_plan, None, None)
        elif self.search is not self.all:  # prices and bounds are those without more room
            lost = tuple(rejected(self.here.problem, self.all.frontiers, found.choices))
            bounds = Bounds(self.here.any_plan, self.all.bound, self.all.program_bound)
        return Attempt(
            found.choices, found.cost, bounds, self.here.load, found.evaluations, lost, found.reason,
            found.interrupted, unit,
        )  # fmt: skip

    def miss(self, last: Attempt, checked: Verification) -> bool:
        """Refute the choices of the windows that missed."""
        assert last.choices is not None
        self.misses += 1
        for service, space in enumerate(self.here.spaces):
            for window in checked.missed.get(space.service, ()):
                choice = last.choices[service][window]
                self.all.refute(service, window, choice.shape, choice.replicas)
                self.refuted.append((service, window, choice.shape, choice.replicas))
                self.room[service, window] *= MORE_ROOM if self.misses >= CLOSE else 1.0
        if self.misses >= CLOSE:
            self.search = self._roomy()
        return any(checked.missed.values())

    def _roomy(self) -> Search:
        """A search for a plan with more room, in which what was refuted stays so."""
        problem = replace(self.here.problem, rates=self.here.problem.rates * self.room)
        found = Search(problem, _Roomy(self.judge, self.room.copy()))
        for one in self.refuted:
            found.refute(*one)
        return found


class GoodputSolver:
    """The most load that the pools carry; after a miss the same choice at a little less."""

    def __init__(self, here: Ready, judge: Judge) -> None:
        self.here, self.judge, self.factor, self.misses = here, judge, 0.0, 0
        self.found: Goodput | None = None

    def attempt(self, limit: Limit, tell: Tell) -> Attempt:
        """Search once; then step down."""
        if self.found is None:
            self.found = goodput(self.here.problem, self.judge, limit=limit, progress=_telling(tell, self._rate()))
            self.factor = self.found.factor
        found, rate = self.found, self._rate()
        bounds = Bounds(_times(self.here.any_factor, rate), found.bound * rate, found.steady.bound * rate)
        return Attempt(
            found.choices, self.factor * rate, bounds, at_factor(self.here.load, self.factor), found.evaluations,
            found.rejected, found.reason, found.interrupted,
        )  # fmt: skip

    def miss(self, last: Attempt, checked: Verification) -> bool:
        """A little less."""
        self.misses += 1
        self.factor *= STEP_DOWN if self.misses < CLOSE else STRIDE_DOWN
        return True

    def _rate(self) -> float:
        """Mean rate of all planned services together at factor 1 [1/s]."""
        problem = self.here.problem
        hours = [window.hours for window in problem.windows]
        return float((problem.rates * hours).sum() / sum(hours))


class AttainmentSolver:
    """The most requests in time for a budget. There is no objective that a verification could miss."""

    def __init__(self, here: Ready, judge: Judge) -> None:
        self.here, self.judge = here, judge

    def attempt(self, limit: Limit, tell: Tell) -> Attempt:
        """Search."""
        found = attainment(self.here.problem, self.judge, limit=limit, progress=_telling(tell))
        bounds = Bounds(None, found.bound, found.bound)
        return Attempt(
            found.choices, min(found.attainment, 1.0), bounds, self.here.load, found.evaluations, (), found.reason,
            found.interrupted,
        )  # fmt: skip

    def miss(self, last: Attempt, checked: Verification) -> bool:
        """Nothing is to be done."""
        del last, checked
        return False


SOLVERS: dict[str, Callable[[Ready, Judge], Solver]] = {
    "cost": CostSolver,
    "goodput": GoodputSolver,
    "attainment": AttainmentSolver,
}
"""By objective."""


def at_factor(load: PlannedLoad, factor: float) -> PlannedLoad:
    """The load so many times; it is then no longer the scenario's own, nor the forecast's."""
    rates = {name: rates * factor for name, rates in load.rates.items()}
    return replace(load, rates=rates, samples={}, own=frozenset())


def _times(factor: float | None, rate: float) -> float | None:
    return None if factor is None else factor * rate


def _telling(tell: Tell, unit: float = 1.0) -> Callable[[float, float, int], object] | None:
    if tell is None:
        return None

    def heard(incumbent: float, bound: float, evaluations: int) -> None:
        best, limit = finite(incumbent * unit), finite(bound * unit)
        apart = None if best is None or limit is None else gap(max(best, limit), min(best, limit))
        assert tell is not None
        tell(Progress("searching", None, best, limit, apart, evaluations))

    return heard


def share_of(tell: Tell, attempt: Attempt) -> Callable[[float], None] | None:
    """Tells how far a verification is."""
    if tell is None:
        return None
    value, bound = finite(attempt.value * attempt.unit), finite((attempt.bounds.search or inf) * attempt.unit)
    apart = None if value is None or bound is None else gap(max(value, bound), min(value, bound))

    def heard(share: float) -> None:
        assert tell is not None
        tell(Progress("verifying", share, value, bound, apart, attempt.evaluations))

    return heard
