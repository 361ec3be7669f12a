"""When a piece of work fits into a window."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.costs.pipeline.windows import ROUNDING
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Fit:
    """The rule: a piece of t seconds fits iff ``t (1 + margin) + switch`` is at most what is left of the window.

    ``switch_s``: to change from the training to a job and back, together; or from one job to another. Pieces of one
    job that follow each other in a window pay it once. ``margin``: safety, relative to the time of the piece.

    Sums of the same times in another order differ in their last bits: a piece that is too long by that alone fits, and
    ends with the window.

    >>> Fit(switch_s=0.5, margin=0.1).fits(10.0, 4.0), Fit(switch_s=0.5, margin=0.1).fits(10.0, 9.0)
    (True, False)
    """

    switch_s: float = 0.0
    margin: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("switch", self.switch_s), ("margin", self.margin)):
            if not (math.isfinite(value) and value >= 0.0):
                raise ScenarioError(Problem(f"must be finite and not negative, got {value}", path=name))

    def end_s(self, start_s: float, seconds: float, change: bool = True) -> float:
        """When a piece has to be expected to be through at the latest [s]."""
        lead = self.switch_s if change else 0.0
        return start_s + lead + seconds * (1.0 + self.margin)

    def limit_s(self, end_s: float) -> float:
        """The end of a window, with room for rounding [s]."""
        return end_s + ROUNDING * abs(end_s)

    def fits(self, window_s: float, seconds: float, change: bool = True) -> bool:
        """Whether the piece fits into a window of this length [s]."""
        return self.end_s(0.0, seconds, change) <= self.limit_s(window_s)
