"""Choosing the law of every batch curve, and scoring that choice on rows that had no part in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.batch_laws import CANDIDATES, fit_all
from simulator.calibration.folds import batch_folds
from simulator.costs.base import BatchLaw, Blend

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ESTIMABLE = 3
"""Different batch sizes that a group needs before rows can be held out."""
BLENDED = 3
"""Laws that a blend may hold; their weights go with the inverse square of their error."""
LEAST_WEIGHT = 0.1
EXACT = 1e-4
"""Error below which laws count as equal: the rounding of measured files."""
KINDRED = 6.0
"""Weight of what the other curves of the file say about a law, in rows of this curve."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Rows of one group: batch sizes ascending [items] and times [any unit]."""

    b: Floats
    t: Floats

    def where(self, chosen: NDArray[np.bool_]) -> Curve:
        """The chosen rows."""
        return Curve(self.b[chosen], self.t[chosen])

    @property
    def sizes(self) -> int:
        """Number of different batch sizes."""
        return len(np.unique(self.b))


@dataclass(frozen=True, slots=True)
class Fitted:
    """The law of a group, and the held-out prediction of each of its rows (NaN where there is none)."""

    law: BatchLaw
    held_out: Floats


def calibrate(curves: Sequence[Curve], folds: int) -> list[Fitted]:
    """Fit every curve; hold out each fold in turn and repeat the WHOLE procedure, choice of law included.

    Fold number f is held out of all curves at once, so that kindred curves cannot give the held-out rows
    away.
    """
    memory: dict[tuple[int, bytes], Scores] = {}
    numbered = list(enumerate(curves))
    parts = [batch_folds(curve.b, folds) if curve.sizes >= ESTIMABLE else np.full(len(curve.b), -1) for curve in curves]
    held_out = [np.full(len(curve.b), np.nan) for curve in curves]
    for fold in range(max((int(part.max()) for part in parts), default=-1) + 1):
        known = [parts[i] != fold for i in range(len(curves))]
        training = [curve.where(known[i]) for i, curve in numbered]
        laws = choose(training, folds, memory)
        for i, curve in numbered:
            asked = ~known[i]
            if asked.any():
                held_out[i][asked] = laws[i].seconds(curve.b[asked])
    return [Fitted(law, held_out[i]) for i, law in enumerate(choose(curves, folds, memory))]


Scores = dict[str, float]


def choose(
    curves: Sequence[Curve], folds: int, memory: dict[tuple[int, bytes], Scores] | None = None
) -> list[BatchLaw]:
    """The law of each curve by its cross-validated error, steadied by its regret on the other curves.

    Laws of about the same error are blended.
    """
    memory = {} if memory is None else memory
    scores = []
    for i, curve in enumerate(curves):
        key = (i, curve.b.tobytes() + curve.t.tobytes())
        if key not in memory:
            memory[key] = cross_validated(curve, folds)
        scores.append(memory[key])
    kin = regrets(scores)
    return [_pick(curve, score, kin) for curve, score in zip(curves, scores, strict=True)]


def cross_validated(curve: Curve, folds: int) -> Scores:
    """Mean relative error of every candidate on held-out rows of this curve; empty when too few rows."""
    if curve.sizes < ESTIMABLE:
        return {}
    part = batch_folds(curve.b, folds)
    errors: dict[str, list[float]] = {}
    for fold in range(int(part.max()) + 1):
        known = part != fold
        for name, law in fit_all(curve.b[known], curve.t[known]).items():
            found = np.abs(law.seconds(curve.b[~known]) / curve.t[~known] - 1)
            errors.setdefault(name, []).extend(np.minimum(found, 1.0))
    return {name: float(np.mean(found)) for name, found in errors.items() if len(found) == len(curve.b)}


def regrets(scores: Sequence[Scores]) -> Scores:
    """Mean over curves of how much worse each law is than the best law of that curve."""
    found: dict[str, list[float]] = {}
    for score in scores:
        best = min(score.values(), default=0.0)
        for name, error in score.items():
            found.setdefault(name, []).append(error - best)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _pick(curve: Curve, score: Scores, kin: Scores) -> BatchLaw:
    laws = fit_all(curve.b, curve.t)
    if "constant" in laws:
        return laws["constant"]
    rows, usual = len(curve.b), max(kin.values(), default=0.0)
    value = {}
    for name in CANDIDATES:
        steady = kin.get(name, usual)
        if name in laws and not score:
            value[name] = steady
        elif name in laws and name in score:
            value[name] = (rows * score[name] + KINDRED * steady) / (rows + KINDRED)
    # Without a score of its own the curve is too short to weigh laws against each other.
    best = sorted(value, key=lambda name: value[name])[: BLENDED if score else 1]
    weights = np.array([(value[name] + EXACT) ** -2 for name in best])
    kept = weights >= LEAST_WEIGHT * weights.sum()
    weights = weights[kept] / weights[kept].sum()
    chosen = [laws[name] for name, keep in zip(best, kept, strict=True) if keep]
    return chosen[0] if len(chosen) == 1 else Blend(tuple(chosen), tuple(float(w) for w in weights))
