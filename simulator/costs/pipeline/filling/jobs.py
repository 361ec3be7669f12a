"""Fill jobs: work that comes in pieces."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

from simulator.costs.pipeline.filling.fit import Fit
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Job:
    """Work for idle windows: the same ``steps`` [s] again and again, in order; none of them is ever split.

    A piece is a run of consecutive steps: as many as fit, so that a long job (a model, layer by layer) is cut to the
    windows that there are. One with a single step comes in pieces of that length. ``memory`` is what it needs beside
    the training on a device that it runs on. ``rounds``: how often the steps are to be done in all. ``deadline_s``:
    when that should be done. ``items``: what one round yields. ``splits``: a piece may be cut at the end of a window
    and goes on, on the same device, in a later one; its steps then are of no matter.
    """

    name: str
    steps: tuple[float, ...]
    memory: float = 0.0
    rounds: float = math.inf
    deadline_s: float = math.inf
    items: int = 1
    splits: bool = False
    sums: tuple[float, ...] = field(init=False)
    """Time of the first steps, from none to all [s]."""

    def __post_init__(self) -> None:
        if not self.steps or not all(math.isfinite(step) and step > 0.0 for step in self.steps):
            raise ScenarioError(Problem("a fill job needs steps of finite times above 0", path=self.name))
        object.__setattr__(self, "sums", tuple(accumulate(self.steps, initial=0.0)))

    @property
    def seconds(self) -> float:
        """Time of one round [s]."""
        return self.sums[-1]

    def run(self, at: int, room_s: float, fit: Fit, change: bool) -> int:
        """How many steps from number ``at`` on fit together into so much time: 0 to the end of the round.

        >>> Job("model", (1.0, 2.0, 3.0)).run(0, 4.0, Fit(), True)
        2
        """
        lead = fit.switch_s if change else 0.0
        most = (fit.limit_s(room_s) - lead) / (1.0 + fit.margin)
        count = bisect_right(self.sums, self.sums[at] + most) - 1 - at
        while count > 0 and not fit.fits(room_s, self.length(at, count), change):
            count -= 1
        while at + count < len(self.steps) and fit.fits(room_s, self.length(at, count + 1), change):
            count += 1
        return max(count, 0)

    def length(self, at: int, count: int) -> float:
        """Time of so many steps from number ``at`` on [s]; exactly the step's where it is one."""
        return self.steps[at] if count == 1 else self.sums[at + count] - self.sums[at]
