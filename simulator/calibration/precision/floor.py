"""How much accuracy must remain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Floor:
    """The least accuracy that passes: ``absolute``, or the reference's less ``loss`` of it (0.01 is 1 %).

    >>> Floor(absolute=0.9).at(0.95), round(Floor(loss=0.01).at(0.95), 6)
    (0.9, 0.9405)
    """

    absolute: float | None = None
    loss: float | None = None

    def __post_init__(self) -> None:
        if (self.absolute is None) == (self.loss is None):
            raise ScenarioError(Problem("needs an absolute accuracy or a relative loss, one of them", path="floor"))
        if self.absolute is not None and not math.isfinite(self.absolute):
            raise ScenarioError(Problem(f"must be a finite number, got {self.absolute}", path="floor"))
        if self.loss is not None and not 0 <= self.loss < 1:
            raise ScenarioError(Problem(f"must be a share from 0 to below 1, got {self.loss}", path="loss"))

    def at(self, reference: float) -> float:
        """The least accuracy that passes, given that of the reference configuration."""
        if self.absolute is not None:
            return self.absolute
        assert self.loss is not None
        if reference <= 0:
            message = f"a loss relative to an accuracy of {reference:g} means nothing: give an absolute floor"
            raise ScenarioError(Problem(message, path="loss"))
        return reference * (1.0 - self.loss)
