"""Observers: batches of activations in, the range to quantize out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.calibration.int8.affine import Affine, Floats, from_range
from simulator.calibration.int8.entropy import entropy_range
from simulator.calibration.int8.histogram import Histogram
from simulator.calibration.int8.smoothing import input_peaks, smoothed, smoothing_factors
from simulator.errors import Problem, ScenarioError

METHODS = ("minmax", "percentile", "entropy", "channel")


class Observer(Protocol):
    """Learns a range from batches."""

    def observe(self, batch: ArrayLike) -> None:
        """Take one batch into account."""

    def range(self) -> tuple[Floats, Floats]:
        """Lowest and highest value to represent: numbers, or one per channel."""


class MinMax:
    """Smallest and largest value seen: of everything, or (``per_channel``) of every channel, axis 1.

    >>> seen = MinMax()
    >>> seen.observe([[1.0, 2.0]]); seen.observe([[-3.0, 0.5]])
    >>> seen.range()
    (array(-3.), array(2.))
    """

    def __init__(self, *, per_channel: bool = False) -> None:
        self.per_channel = per_channel
        self._seen: tuple[Floats, Floats] | None = None

    def observe(self, batch: ArrayLike) -> None:
        """(rows, channels, ...) or, without channels, any shape."""
        values = _checked(batch)
        axes = tuple(k for k in range(values.ndim) if k != 1) if self.per_channel else None
        low, high = np.asarray(values.min(axis=axes), np.float64), np.asarray(values.max(axis=axes), np.float64)
        if self._seen is not None:
            low, high = np.minimum(low, self._seen[0]), np.maximum(high, self._seen[1])
        self._seen = np.asarray(low), np.asarray(high)

    def range(self) -> tuple[Floats, Floats]:
        """(low, high), shapes () or (channels,)."""
        if self._seen is None:
            raise _nothing()
        return self._seen


class Percentile:
    """The range that holds the middle ``percent`` % of all values, equal shares cut off at both ends.

    From a histogram (:class:`Histogram`), linear within a bin: within one bin's width of the exact quantile wherever
    values lie that close, never beyond the smallest and largest value.
    """

    def __init__(self, percent: float = 99.99) -> None:
        if not 0 < percent <= 100:
            raise ScenarioError(Problem(f"a percentile lies above 0 and up to 100, got {percent}"))
        self.percent = percent
        self.histogram = Histogram()

    def observe(self, batch: ArrayLike) -> None:
        """Any shape."""
        self.histogram.add(_checked(batch))

    def range(self) -> tuple[Floats, Floats]:
        """(low, high) as arrays of shape ()."""
        seen = self.histogram
        if not len(seen.counts):
            raise _nothing()
        tail = (1 - self.percent / 100) / 2
        below = np.concatenate([[0.0], seen.counts.cumsum() / seen.counts.sum()])
        # Bins without values are flat stretches: low takes their right end, high their left, so neither reaches
        # into a gap for a rounding error's worth of samples
        first, last = np.searchsorted(below, tail, "right") - 1, np.searchsorted(below, 1 - tail, "left")
        low = _within(tail, below, seen.edges, min(int(first), len(below) - 2))
        high = _within(1 - tail, below, seen.edges, max(int(last) - 1, 0))
        return np.array(max(low, seen.low)), np.array(min(high, seen.high))


def _within(share: float, below: Floats, edges: Floats, bin_: int) -> float:
    part = below[bin_ + 1] - below[bin_]
    return float(edges[bin_] + (edges[bin_ + 1] - edges[bin_]) * ((share - below[bin_]) / part if part else 0.0))


class Entropy:
    """The range whose codes lose least information: Kullback-Leibler divergence, see :func:`entropy_range`."""

    def __init__(self, bits: int = 8) -> None:
        self.bits = bits
        self.histogram = Histogram()

    def observe(self, batch: ArrayLike) -> None:
        """Any shape."""
        self.histogram.add(_checked(batch))

    def range(self) -> tuple[Floats, Floats]:
        """(low, high) as arrays of shape ()."""
        if not len(self.histogram.counts):
            raise _nothing()
        low, high = entropy_range(self.histogram, 2**self.bits)
        return np.array(low), np.array(high)


class InputObserver:
    """What one layer of a network learns of its inputs: a range by ``method``, or smoothed scales per channel."""

    def __init__(self, method: str = "minmax", smoothing: float | None = None) -> None:
        if method not in METHODS:
            raise ScenarioError(Problem(f"no calibration is called {method!r} (known: {', '.join(METHODS)})"))
        if smoothing is not None and method != "minmax":
            raise ScenarioError(Problem(f"smoothing goes with minmax, not with {method}"))
        self.smoothing = smoothing
        per_channel = method == "channel" or smoothing is not None
        simple: dict[str, type[Percentile] | type[Entropy]] = {"percentile": Percentile, "entropy": Entropy}
        self._observer: Observer = simple[method]() if method in simple else MinMax(per_channel=per_channel)

    def observe(self, batch: ArrayLike) -> None:
        """(rows, channels, ...)."""
        self._observer.observe(batch)

    def codes(self, weight: ArrayLike, axis: int, groups: int = 1) -> Affine:
        """The codes of the inputs; ``weight`` with output channels on ``axis`` has a say where they are smoothed."""
        low, high = self._observer.range()
        if self.smoothing is None:
            return from_range(low, high)
        peaks = np.maximum(np.abs(low), np.abs(high))
        return smoothed(low, high, smoothing_factors(peaks, input_peaks(weight, axis, groups), self.smoothing))


def _checked(batch: ArrayLike) -> NDArray[np.floating]:
    values = np.asarray(batch)
    if values.dtype.kind not in "fiub" or not values.size:
        raise ScenarioError(
            Problem(f"a batch to calibrate with is an array of numbers, got {values.dtype} {values.shape}")
        )
    real = values if values.dtype.kind == "f" else values.astype(np.float64)
    if not np.isfinite(real).all():
        raise ScenarioError(Problem("a batch to calibrate with holds values that are not finite numbers"))
    return real


def _nothing() -> ScenarioError:
    return ScenarioError(Problem("no batch was observed: calibrate with at least one"))
