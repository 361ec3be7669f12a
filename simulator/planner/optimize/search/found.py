"""What a search returns: the choice, the bounds, and what lost against it."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.planner.optimize.problem import Judgement

PROVEN = 1e-6
"""Relative gap up to which a cost equals its bound (the solver's tolerances)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """When a search ends at the latest: judgements, time [s], and the relative gap that is small enough."""

    evaluations: int = 2000
    seconds: float | None = None
    gap: float = PROVEN


@dataclass(frozen=True, slots=True)
class Choice:
    """A shape of a service's space with replicas by group, and what the judge said of it."""

    shape: int
    replicas: tuple[int, ...]
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Rejected:
    """The best of a family that was not chosen, in the window of the service's highest rate.

    ``family``: exit mode, execution and pools; ``reason``: price, slo (refuted by the judge), pool (not enough
    devices), program (dearer only for the plan as a whole), unknown (not judged before the search ended). ``dearer``:
    by which share its price per hour exceeds that of the choice, at least; of a family that holds, exactly.
    """

    service: int
    window: int
    family: tuple[str, str, tuple[str, ...]]
    reason: str
    shape: int
    replicas: tuple[int, ...]
    price_per_hour: float
    dearer: float | None = None
    judgement: Judgement | None = None


@dataclass(frozen=True)
class Found:
    """The best choice found, by service and window.

    ``cost``: money over the horizon, changes between windows in; ``bound``: no choice in the whole search space costs
    less (where nothing was judged, its steady-state need counts); ``program_bound``: no choice among the priced
    columns costs less than this, by the solver's own proof. ``choices`` None: nothing was found, for ``reason``;
    ``infeasible``: there is nothing. ``interrupted`` says what ended the search early.
    """

    choices: tuple[tuple[Choice, ...], ...] | None
    cost: float
    bound: float
    program_bound: float
    evaluations: int
    seconds: float
    rejected: tuple[Rejected, ...] = field(default=(), repr=False)
    reason: str | None = None
    infeasible: bool = False
    interrupted: str | None = None

    @property
    def gap(self) -> float:
        """By which share the cost may exceed the least possible one."""
        return _gap(self.cost, self.bound)

    @property
    def program_gap(self) -> float:
        """By which share the cost exceeds the program's own bound."""
        return _gap(self.cost, self.program_bound)

    @property
    def proven(self) -> bool:
        """Whether nothing in the search space is cheaper, or nothing is there."""
        return self.infeasible or (self.choices is not None and self.gap <= PROVEN)


def _gap(cost: float, bound: float) -> float:
    if cost <= bound:
        return 0.0
    return cost / bound - 1.0 if bound > 0 else float("inf")
