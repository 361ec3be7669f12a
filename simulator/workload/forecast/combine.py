"""Quantiles averaged over models, with weights from how well each did at past origins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.workload.forecast.levels import TABLE
from simulator.workload.process import Floats

SHARPNESS = 3.0
"""Weights fall with this power of the loss: twice the loss, an eighth of the weight."""
JUDGED = np.array([0.1, 0.5, 0.9, 0.95, 0.99])
_PLACES = np.searchsorted(TABLE, JUDGED)


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What the models said at one past origin (tables (T, L) by name) and what came (T,), NaN where not known."""

    tables: Mapping[str, Floats]
    actual: Floats


def pinball(quantiles: Floats, levels: Floats, actual: Floats) -> Floats:
    """Pinball losses (T, Q) of quantiles (T, Q), NaN where ``actual`` (T,) is: the mean over levels is the score.

    >>> pinball(np.array([[8.0]]), np.array([0.9]), np.array([10.0])).round(3)
    array([[1.8]])
    """
    error = actual[:, None] - quantiles
    return np.maximum(levels * error, (levels - 1) * error)


def losses(past: Sequence[Past], names: Sequence[str]) -> Floats:
    """Mean pinball loss (K, M) of every member at every past origin; NaN where it had too little history."""
    table = np.full((len(past), len(names)), np.nan)
    for row, one in enumerate(past):
        known = ~np.isnan(one.actual)
        if not known.any():
            continue
        for column, name in enumerate(names):
            if name in one.tables:
                quantiles = one.tables[name][:, _PLACES]
                table[row, column] = pinball(quantiles[known], JUDGED, one.actual[known]).mean()
    return table


def weights(loss: Floats) -> Floats:
    """Weights (M,) from losses (K, M): the loss over that of the median model at the same origins, to the power -3.

    A model without a past counts as the worst one; without any past all count the same.
    """
    if not loss.size or np.isnan(loss).all():
        return np.full(loss.shape[1], 1.0 / loss.shape[1])
    rows = ~np.isnan(loss).all(axis=1)
    loss = loss[rows]
    seen = ~np.isnan(loss)
    usual = np.nanmedian(loss, axis=1)[:, None]
    usual = np.where(usual > 0, usual, np.nanmean(loss, axis=1)[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(seen, loss, 0.0).sum(axis=0) / np.where(seen, usual, 0.0).sum(axis=0)
    usable = np.isfinite(relative)
    if not usable.any():
        return np.full(loss.shape[1], 1.0 / loss.shape[1])
    relative = np.where(usable, relative, relative[usable].max())
    least = max(float(relative.min()), 1e-6)
    raw = (np.maximum(relative, least) / least) ** -SHARPNESS
    return np.asarray(raw / raw.sum())


def averaged(tables: Mapping[str, Floats], names: Sequence[str], share: Floats) -> Floats:
    """Weighted mean of the members' quantiles (T, L); members that are absent leave their weight to the others."""
    present = [(tables[name], weight) for name, weight in zip(names, share) if name in tables]
    total = sum(weight for _, weight in present)
    return np.asarray(sum(table * (weight / total) for table, weight in present))
