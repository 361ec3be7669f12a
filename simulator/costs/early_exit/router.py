"""A router: the exit of a request is chosen before it runs, rightly or not, and the request leaves there.

What the router looks at is not modelled, what comes of it is: a confusion matrix P(chosen exit | true exit), or the
choice that was recorded for each row. The true exit is the one at which the rule would let a row go; nobody but the
router's own errors depends on it. See claim 2 of EP4356304A1 / US12217172B2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROUNDING = 1e-9
WRITTEN = 1e-6
"""How far the rows of a matrix may be from 1, for digits that were not written."""


@dataclass(frozen=True, eq=False)
class Router:
    """Pairs (row of the exit table, chosen exit): what a request replays in place of a row.

    ``state`` (rows,) is what the choice depends on, the true exit of the row from 0; ``shares`` (states, exits) is
    P(chosen | state); ``layer`` are the layers that the exits stand after, ascending, the last one the model's end.
    Pairs are sorted by row, then by exit; only those that can happen are there.

    >>> router = Router(np.array([0, 1]), np.array([[1.0, 0.0], [0.25, 0.75]]), (2, 6))
    >>> router.row.tolist(), router.leaves.tolist()
    ([0, 1, 1], [2, 2, 6])
    >>> router.pair(np.array([0, 1, 1]), np.array([0.9, 0.2, 0.3])).tolist()
    [0, 1, 2]
    """

    state: Ints
    shares: Floats
    layer: tuple[int, ...]

    def __post_init__(self) -> None:
        shares = self.shares
        if shares.ndim != 2 or shares.shape[1] != len(self.layer) or not len(self.state):
            raise ScenarioError(Problem(f"router: needs one share for each of the {len(self.layer)} exits"))
        if any(low >= high for low, high in pairwise(self.layer)):
            raise ScenarioError(Problem("router: exits must follow ascending layers"))
        if self.state.min() < 0 or self.state.max() >= len(shares):
            raise ScenarioError(Problem(f"router: a true exit is not within 1..{len(shares)}"))
        checked_confusion(shares, square=False)

    @classmethod
    def fixed(cls, chosen: Ints, layer: Sequence[int]) -> Router:
        """The choice of every row as it was recorded (exits from 0)."""
        return cls(np.asarray(chosen, dtype=np.int64), np.eye(len(layer)), tuple(layer))

    @cached_property
    def _bounds(self) -> Floats:
        """(states, exits): the uniform numbers below entry k, and not below k - 1, choose exit k."""
        sums = np.cumsum(self.shares, axis=1)
        sums[sums >= sums[:, -1:] - ROUNDING] = 1.0
        return sums

    @cached_property
    def _possible(self) -> NDArray[np.bool_]:
        return np.diff(self._bounds, axis=1, prepend=0.0) > 0.0

    @cached_property
    def _first(self) -> Ints:
        """(rows,): the first pair of each row."""
        count = self._possible.sum(axis=1)[self.state]
        return np.concatenate([[0], np.cumsum(count)[:-1]])

    @cached_property
    def _place(self) -> Ints:
        """(states, exits): place of an exit among the possible ones of a true exit."""
        return np.cumsum(self._possible, axis=1) - 1

    @cached_property
    def row(self) -> Ints:
        """(pairs,): row of the table."""
        return np.repeat(np.arange(len(self.state)), self._possible.sum(axis=1)[self.state])

    @cached_property
    def exit(self) -> Ints:
        """(pairs,): chosen exit, from 0."""
        return np.nonzero(self._possible[self.state])[1]

    @property
    def leaves(self) -> Ints:
        """(pairs,): layer of the chosen exit."""
        return np.asarray(self.layer, dtype=np.int64)[self.exit]

    def pair(self, row: Ints, uniform: Floats) -> Ints:
        """Pair of each request, from its row and one uniform number in [0, 1)."""
        state = self.state[row]
        chosen = np.zeros(len(state), dtype=np.int64)
        for bound in self._bounds.T[:-1]:
            chosen += uniform >= bound[state]
        found: Ints = self._first[row] + self._place[state, chosen]
        return found

    def weights(self, weights: Floats) -> Floats:
        """(pairs,): share of every pair among the requests, from the shares of the rows."""
        among = np.diff(self._bounds, axis=1, prepend=0.0)
        found: Floats = weights[self.row] * among[self.state[self.row], self.exit]
        return found


def checked_confusion(shares: ArrayLike, *, square: bool = True) -> Floats:
    """P(chosen | true) as an array with rows that add up to 1; refused where it is none.

    Rows may be off by a millionth, for the digits that were not written.

    >>> checked_confusion([[0.9, 0.1], [0.2, 0.8]]).tolist()
    [[0.9, 0.1], [0.2, 0.8]]
    """
    matrix = np.array(shares, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape or (square and matrix.shape[0] != matrix.shape[1]):
        raise ScenarioError(Problem("confusion: needs as many rows (true exits) as columns (chosen exits)"))
    for number, row in enumerate(matrix, start=1):
        if not bool(((row >= 0.0) & (row <= 1.0)).all()):
            raise ScenarioError(Problem(f"confusion: row {number} has a share that is not within 0..1"))
        if abs(float(row.sum()) - 1.0) > WRITTEN:
            raise ScenarioError(Problem(f"confusion: row {number} must sum to 1, sums to {row.sum():g}"))
    return matrix
