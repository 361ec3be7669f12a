"""Three objectives behind one face: an attempt at the best choice, and what to do when its verification misses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from simulator.planner.optimize.budget import attainment
from simulator.planner.optimize.certificate import Bounds, finite, gap
from simulator.planner.optimize.goodput import Goodput, goodput
from simulator.planner.optimize.optimized import Choices, Progress
from simulator.planner.optimize.problem import Judge, PlannedLoad
from simulator.planner.optimize.ready import Ready
from simulator.planner.optimize.search import Search
from simulator.planner.optimize.search_found import Limit, Rejected
from simulator.planner.optimize.verify import Verification

Tell = Callable[[Progress], object] | None
STEP_DOWN = 0.99
"""Factor on the load of a fixed cluster after a verification that misses."""
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


class CostSolver:
    """The least cost; what missed in a window is chosen there no more."""

    def __init__(self, here: Ready, judge: Judge) -> None:
        self.here, self.search = here, Search(here.problem, judge)

    def attempt(self, limit: Limit, tell: Tell) -> Attempt:
        """Search on with all that is known."""
        unit = 1.0 / self.here.hours
        found = self.search.run(limit, _telling(tell, unit))
        none = found.infeasible
        bounds = Bounds(self.here.any_plan, None if none else found.bound, None if none else found.program_bound)
        return Attempt(
            found.choices, found.cost, bounds, self.here.load, found.evaluations, found.rejected,
            found.reason, found.interrupted, unit,
        )  # fmt: skip

    def miss(self, last: Attempt, checked: Verification) -> bool:
        """Refute the choices of the windows that missed."""
        assert last.choices is not None
        for service, space in enumerate(self.here.spaces):
            for window in checked.missed.get(space.service, ()):
                choice = last.choices[service][window]
                self.search.refute(service, window, choice.shape, choice.replicas)
        return any(checked.missed.values())


class GoodputSolver:
    """The most load that the pools carry; after a miss the same choice at a little less."""

    def __init__(self, here: Ready, judge: Judge) -> None:
        self.here, self.judge, self.factor = here, judge, 0.0
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
        self.factor *= STEP_DOWN
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
            found.choices, found.attainment, bounds, self.here.load, found.evaluations, (), found.reason,
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
