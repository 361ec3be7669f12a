"""What a set of ramps is worth: accuracy against layers run, over thresholds, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.calibration.ramps.loss import Floats
from simulator.costs.early_exit import Confidence, ExitTable, correct, fires, first_exit
from simulator.streams import stream

SHOWN = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Thresholds that reports list."""
_SURE: list[float] = (1.0 - np.logspace(-1, -5, 41)).round(6).tolist()
GRID: tuple[float, ...] = tuple(sorted({*SHOWN, *np.linspace(0.0, 0.9, 91).round(6).tolist(), *_SURE, 1.0}))
"""Thresholds of a whole curve, dense near 1."""
RESAMPLES = 1000
_MOST_COUNTS = 20_000_000


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """For every threshold of ``GRID`` and every row: is the answer right, and how many layers ran."""

    right: Floats
    depth: Floats

    @property
    def accuracy(self) -> Floats:
        """Share of right answers at every threshold."""
        mean: Floats = self.right.mean(axis=1)
        return mean

    @property
    def layers(self) -> Floats:
        """Mean number of layers run at every threshold, not decreasing."""
        mean: Floats = self.depth.mean(axis=1)
        return mean


def curve(table: ExitTable, layer: Sequence[int]) -> Curve:
    """The curve of a table with labels; ``layer`` is the layer after which each exit stands."""
    stands = np.asarray(layer, dtype=np.float64)
    left = [first_exit(fires(table, Confidence(threshold))) for threshold in GRID]
    return Curve(np.array([correct(table, one) for one in left]), np.array([stands[one] for one in left]))


def at_depth(accuracy: Floats, layers: Floats, depth: Floats) -> Floats:
    """Accuracy where ``depth`` layers run on average: between two thresholds, each is used for a share of requests.

    >>> at_depth(np.array([0.8, 0.9]), np.array([1.0, 2.0]), np.array([1.5])).round(3).tolist()
    [0.85]
    """
    return np.interp(depth, layers, accuracy)


def common_depths(curves: Sequence[Curve], points: int = 21) -> Floats:
    """Mean numbers of layers that every curve reaches, evenly spaced."""
    low = max(float(one.layers[0]) for one in curves)
    high = min(float(one.layers[-1]) for one in curves)
    return np.linspace(low, max(low, high), points)


def cheapest(one: Curve, floor: float) -> int:
    """Index of the lowest threshold at which the accuracy is at least ``floor``; the last one when there is none."""
    good = np.flatnonzero(one.accuracy >= floor - 1e-12)
    return int(good[0]) if len(good) else len(GRID) - 1


def resampled(rows: int, seed: int) -> Floats:
    """How often each row occurs in each bootstrap sample, (samples, rows), the same for every variant."""
    draws = stream(seed, "ramps", "bootstrap")
    samples = min(RESAMPLES, max(200, _MOST_COUNTS // rows))
    return np.array([np.bincount(draws.integers(0, rows, rows), minlength=rows) for _ in range(samples)], dtype=float)


def interval(values: Floats) -> list[float]:
    """The middle 95 % of bootstrap values."""
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]


@dataclass(frozen=True, eq=False, slots=True)
class Bootstrap:
    """Means of curves over bootstrap samples of the rows."""

    counts: Floats

    def at(self, one: Curve, index: int) -> dict[str, Any]:
        """Accuracy and mean layers at one threshold, with intervals."""
        rows = self.counts.shape[1]
        return {
            "threshold": GRID[index],
            "accuracy": float(one.accuracy[index]),
            "accuracy_ci95": interval(self.counts @ one.right[index] / rows),
            "mean_layers": float(one.layers[index]),
            "mean_layers_ci95": interval(self.counts @ one.depth[index] / rows),
        }

    def mean_accuracy(self, one: Curve, depths: Floats) -> Floats:
        """Mean accuracy over ``depths`` of every bootstrap sample."""
        rows = self.counts.shape[1]
        accuracy, layers = self.counts @ one.right.T / rows, self.counts @ one.depth.T / rows
        return np.array([at_depth(*pair, depths).mean() for pair in zip(accuracy, layers)])
