"""Marginal exit profiles: only the share that leaves at each ramp is known, not which inputs do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError

ROUNDING = 1e-9


@dataclass(frozen=True)
class ProfileTable:
    """Rows 0..K for a profile of K ramps: row k leaves at ramp k, row K stays to the end of the model.

    ``profile[k]`` is the share of all requests that leaves at ramp k [0..1]; what is missing to 1 stays to
    the end. A row fires at its exit and at every later one, so that a request passes a ramp that is switched
    off and leaves at the next. Nothing is known of answers: accuracy is not a number.
    """

    profile: tuple[float, ...]

    def __init__(self, profile: Sequence[float]) -> None:
        shares = tuple(float(share) for share in profile)
        if not shares:
            raise ScenarioError(Problem("profile: needs at least one share"))
        for number, share in enumerate(shares, start=1):
            if not (math.isfinite(share) and 0.0 <= share <= 1.0):
                raise ScenarioError(Problem(f"profile: share {number} must be within 0..1, got {share}"))
        if math.fsum(shares) > 1.0 + ROUNDING:
            raise ScenarioError(Problem(f"profile: the shares add up to {math.fsum(shares):.6g}, more than 1"))
        object.__setattr__(self, "profile", shares)

    @property
    def rows(self) -> int:
        """K + 1."""
        return len(self.profile) + 1

    @property
    def exits(self) -> int:
        """K + 1: the ramps and the end of the model."""
        return len(self.profile) + 1

    @cached_property
    def fires(self) -> NDArray[np.bool_]:
        """(rows, exits): lower row, earlier exit."""
        return profile_fires(self.profile, np.arange(self.rows, dtype=np.int64))

    @cached_property
    def correct(self) -> NDArray[np.float64]:
        """(rows, exits), all NaN: a profile says nothing of answers."""
        return np.full((self.rows, self.exits), np.nan)

    def seeded(self, seed: int, *name: str | int) -> ProfileTable:
        """Nothing is chosen beyond the uniform numbers."""
        return self

    def weights(self, arrival_s: float = 0.0) -> NDArray[np.float64]:
        """(rows,): the share of each row among the requests, at all times; they add up to 1."""
        return np.diff(np.append(np.concatenate([[0.0], self._bounds]), 1.0))

    def draw(
        self,
        uniform: NDArray[np.float64],
        arrival_s: NDArray[np.float64] | None = None,
        number: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Row of each request by inverse transform of one uniform number in [0, 1) each.

        Row k is drawn where ``p_1 + .. + p_(k-1) <= u < p_1 + .. + p_k`` (exits from 1), row K where u is
        beyond. A profile has no order and no drift: instant and number do not matter.

        >>> ProfileTable([0.5, 0.25]).draw(np.array([0.0, 0.5, 0.74, 0.75])).tolist()
        [0, 1, 1, 2]
        """
        row = np.zeros(len(uniform), dtype=np.int64)
        for bound in self._bounds:  # a search in a few entries takes longer than comparing with all of them
            row += uniform >= bound
        return row

    @cached_property
    def _bounds(self) -> NDArray[np.float64]:
        """Cumulative shares; when they reach 1 within rounding they end exactly there: nobody stays."""
        sums = np.cumsum(self.profile)
        sums[sums >= 1.0 - ROUNDING] = 1.0
        return sums


def profile_fires(profile: Sequence[float], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(len(rows), K + 1): whether an exit answers a request that drew that row; see ``ProfileTable``."""
    exits = np.arange(len(profile) + 1)
    fired: NDArray[np.bool_] = exits[None, :] >= np.asarray(rows)[:, None]
    return fired
