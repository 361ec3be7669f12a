"""How far past forecasts were from what came: wider or narrower intervals, and errors that belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.workload.forecast.combine import Past, averaged, losses, weights
from simulator.workload.forecast.levels import MIDDLE, NORMAL, TABLE, scores_of
from simulator.workload.process import Floats

JUDGED = np.array([0.8, 0.9, 0.95])
PRIOR_DAYS = 3.0
"""The models' own intervals count as much as so many past origins."""
NARROWEST_BELOW, NARROWEST_ABOVE, WIDEST = 0.5, 1.0, 3.0
"""Bounds of the factors. Above the median intervals are only widened: capacity is planned there, and a week of calm is
no ground for less of it."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Factors on the distance of quantiles from the median, below and above it.

    ``days``: how many independent errors stand behind them. Quantiles take the tails of Student's t with so many
    degrees of freedom, as the next error of a normal law does whose spread was found from a sample; infinity leaves
    the normal law. ``shared`` and ``decay``: the correlation of errors d bins apart is shared + (1 - shared) decay^d.
    """

    below: float = 1.0
    above: float = 1.0
    days: float = math.inf
    shared: float = 0.0
    decay: float = 0.0

    def apply(self, table: Floats) -> Floats:
        """Quantiles (T, L) moved away from or towards their median; ascending, never negative."""
        factor = np.where(np.arange(TABLE.size) < MIDDLE, self.below, self.above) * _tails(self.days)
        middle = table[:, MIDDLE : MIDDLE + 1]
        return np.maximum.accumulate(np.maximum(middle + factor * (table - middle), 0.0), axis=1)


def correction(past: Sequence[Past], names: Sequence[str]) -> Correction:
    """From the errors at past origins, each under weights that were found without it."""
    loss = losses(past, names)
    rows = [
        scores_of(averaged(one.tables, names, weights(np.delete(loss, place, axis=0))), one.actual)
        for place, one in enumerate(past)
        if one.tables
    ]
    rows = [row for row in rows if not np.isnan(row).all()]
    if not rows:
        return Correction(days=PRIOR_DAYS)
    scores = np.vstack(rows)
    days = len(rows) + PRIOR_DAYS  # errors of one day belong together: a day counts as one
    trust = len(rows) / days
    known = scores[~np.isnan(scores)]
    shared, decay = dependence(scores)
    below, above = _factor(-known, trust, NARROWEST_BELOW), _factor(known, trust, NARROWEST_ABOVE)
    return Correction(below, above, days, shared, decay)


def _tails(days: float) -> Floats:
    """Quantiles of Student's t over those of the normal law (L,); 1 at the median."""
    from scipy.special import stdtrit

    if math.isinf(days):
        return np.ones(TABLE.size)
    ratio = np.ones(TABLE.size)
    beside = np.arange(TABLE.size) != MIDDLE
    ratio[beside] = stdtrit(days, TABLE[beside]) / NORMAL[beside]
    return ratio


def _factor(scores: Floats, trust: float, narrowest: float) -> float:
    """Mean ratio of the scores' upper quantiles (of split conformal prediction) to a normal law's, drawn towards 1."""
    ranks = np.minimum((scores.size + 1) * JUDGED, scores.size) / scores.size
    expected = NORMAL[np.searchsorted(TABLE, JUDGED)]
    ratio = float(np.mean(np.quantile(scores, ranks, method="higher") / expected))
    return float(np.clip(max(ratio, narrowest) ** trust, narrowest, WIDEST))


def dependence(scores: Floats) -> tuple[float, float]:
    """Shared part and decay per bin of the correlation of errors within a path, from paths (K, T).

    The shared part is the mean correlation of bins half a horizon or more apart, the decay that of neighbours.
    """
    horizon = scores.shape[1]
    if horizon < 2:
        return 0.0, 0.0
    far = [_correlation(scores, lag) for lag in range(horizon // 2, horizon)] if horizon >= 4 else [0.0]
    shared = float(np.clip(np.mean(far), 0.0, 0.95))
    near = _correlation(scores, 1)
    return shared, float(np.clip((near - shared) / (1.0 - shared), 0.0, 0.999))


def _correlation(scores: Floats, lag: int) -> float:
    """Of scores ``lag`` bins apart, about 0 rather than about their mean: a day that was too high throughout counts."""
    early, late = scores[:, :-lag], scores[:, lag:]
    both = ~np.isnan(early) & ~np.isnan(late)
    power = np.sqrt(np.sum(early[both] ** 2) * np.sum(late[both] ** 2))
    return float(np.sum(early[both] * late[both]) / power) if power > 0 else 0.0
