"""A histogram that grows with its data and does not depend on the order or the batches that it came in."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.int8.affine import Floats, Ints

BINS = 8192
"""Bins on either side of 0 at most; the value that is farthest from 0 lies in one of the farther half."""
_FINEST = -1000
"""Widths below 2^-1000 would overflow as divisors."""


class Histogram:
    """Counts over bins ``[i w, (i + 1) w)`` whose width w is a power of two; 0 is always an edge.

    Where data leaves the bins, w doubles and pairs of bins join: nothing is interpolated, so the counts are those
    of one pass over all data at the final width, which follows from the value farthest from 0 alone.
    """

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf
        self._exponent = _FINEST
        self._first = 0
        self._counts: Ints = np.zeros(0, dtype=np.int64)

    @property
    def width(self) -> float:
        """Of one bin [real units]."""
        return math.ldexp(1.0, self._exponent)

    @property
    def counts(self) -> Ints:
        """Of the bins from the one of the smallest value to the one of the largest."""
        return self._counts

    @property
    def edges(self) -> Floats:
        """Bounds of these bins, one more than counts."""
        return np.arange(self._first, self._first + len(self._counts) + 1, dtype=np.float64) * self.width

    def add(self, values: NDArray[np.floating]) -> None:
        """Count finite values, of any shape."""
        flat = values.astype(np.float64).ravel()
        self.low, self.high = min(self.low, float(flat.min())), max(self.high, float(flat.max()))
        self._widen(_exponent(max(abs(self.low), abs(self.high))))
        index = np.floor(flat * math.ldexp(1.0, -self._exponent)).astype(np.int64)
        start, end = int(index.min()), int(index.max()) + 1
        self._cover(start, end)
        self._counts[start - self._first : end - self._first] += np.bincount(index - start, minlength=end - start)

    def _widen(self, exponent: int) -> None:
        shift = exponent - self._exponent
        self._exponent = exponent
        if not len(self._counts) or not shift:
            return
        where = (self._first + np.arange(len(self._counts))) >> min(shift, 62)
        self._first = int(where[0])
        self._counts = np.bincount(where - where[0], weights=self._counts).astype(np.int64)

    def _cover(self, start: int, end: int) -> None:
        if not len(self._counts):
            self._first = start
        before, after = max(self._first - start, 0), max(end - self._first - len(self._counts), 0)
        self._counts = np.pad(self._counts, (before, after))
        self._first -= before


def _exponent(largest: float) -> int:
    """Of the width that puts values up to ``largest`` into BINS bins; half as many at least are then in use."""
    return max(math.frexp(largest)[1] - BINS.bit_length() + 1, _FINEST) if largest > 0 else _FINEST
