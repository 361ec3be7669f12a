"""Room above the planned load: the factor on it at which the plan first misses its objective, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from simulator.planner.optimize.problem import Ask, Judge, PlannedLoad, Space

RESOLUTION = 0.01
"""Relative width at which the search for a factor ends."""
LEAST_FACTOR, MOST_FACTOR = 2.0**-6, 2.0**6
Pick = tuple[int, tuple[int, ...]]
"""Number of a shape, and replicas by group."""


@dataclass(frozen=True, slots=True)
class ServiceHeadroom:
    """``factor``: highest multiple of the planned load that every window carries, ``misses_at`` the next that one does
    not (None: none was found), ``window`` the one that breaks first, ``reason`` how."""

    factor: float
    misses_at: float | None
    window: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Headroom:
    """The answer for every service, and the service that breaks first."""

    services: dict[str, ServiceHeadroom]

    @property
    def service(self) -> str:
        """The service that breaks first."""
        return min(self.services, key=lambda name: self.services[name].factor)

    @property
    def factor(self) -> float:
        """Highest multiple of the whole planned load that the plan carries."""
        return self.services[self.service].factor

    @property
    def window(self) -> int:
        """The window that breaks first."""
        return self.services[self.service].window

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        found = {name: asdict(one) for name, one in self.services.items()}
        return {"factor": self.factor, "service": self.service, "window": self.window, "services": found}


def headroom(judge: Judge, spaces: Sequence[Space], load: PlannedLoad, picks: Sequence[Sequence[Pick]]) -> Headroom:
    """The load factor of a plan, by bisection with the judge; ``picks[service][window]`` is what is deployed.

    The tightest window is searched first; the others only have to hold where it does, and each that does not is
    searched from there down.
    """
    return Headroom({space.service: _of_service(judge, space, n, load, picks[n]) for n, space in enumerate(spaces)})


def _of_service(judge: Judge, space: Space, number: int, load: PlannedLoad, picks: Sequence[Pick]) -> ServiceHeadroom:
    rates = load.rates[space.service]
    taken = np.array([_taken(space, *pick, float(rate)) for pick, rate in zip(picks, rates)])
    order = [int(window) for window in np.argsort(-taken, kind="stable") if rates[window] > 0]
    best = ServiceHeadroom(MOST_FACTOR, None, order[0] if order else 0, None)
    left, first = order, True
    while left:
        if not first:
            asks = [Ask(number, window, *picks[window], best.factor) for window in left]
            left = [window for window, found in zip(left, judge.judge(asks)) if not found.holds]
        if left:
            best = _searched(judge, number, left[0], picks[left[0]], float(taken[left[0]]), best)
            left = left[1:]
        first = False
        if best.factor <= LEAST_FACTOR:
            break
    return best


def _taken(space: Space, shape: int, replicas: Sequence[int], rate: float) -> float:
    """Share of its replicas that the load keeps busy, of the busiest group."""
    work = space.work_s[shape, : len(replicas)] * rate
    return float(np.max(work / np.maximum(replicas, 1)))


def _searched(
    judge: Judge, number: int, window: int, pick: Pick, taken: float, best: ServiceHeadroom
) -> ServiceHeadroom:
    """The highest factor that one window carries, not above the best so far."""
    reasons: list[str | None] = [None]

    def holds(factor: float) -> bool:
        (found,) = judge.judge([Ask(number, window, *pick, factor)])
        if not found.holds:
            reasons[0] = found.reason
        return found.holds

    low, high = _bracket(holds, 1.0 / taken if taken > 0 else 1.0, best.factor)
    while low and high is not None and high - low > RESOLUTION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return ServiceHeadroom(low, high, window, reasons[0])


def _bracket(holds: Any, guess: float, most: float) -> tuple[float, float | None]:
    """A factor that holds (0: none does) and a higher one that does not; None where even ``most`` holds."""
    low, high = 0.0, min(max(guess, LEAST_FACTOR), most)
    while holds(high):
        if high >= most:
            return high, None
        low, high = high, min(high * 2, most)
    if not low:
        low = 1.0 if high > 1.0 else high / 2
        while not holds(low):
            low, high = low / 2, low
            if low < LEAST_FACTOR:
                return 0.0, high
    return low, high
