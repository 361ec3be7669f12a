"""Choosing the law of matrix products, and scoring that choice on shapes that had no part in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.folds import shape_families, shape_folds
from simulator.calibration.gemm_laws import (
    Products,
    Split,
    fit_roofline,
    fit_rows,
    fit_smooth,
    search_distance,
    split,
)
from simulator.calibration.gemm_tiles import fit_tiles, fit_utilization
from simulator.costs.base import Distance, GemmLaw

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
ESTIMABLE = 6
"""Families of shapes that a group needs before some can be held out."""
_SEARCH_ROWS = 1200
"""Held-out rows that judge a distance: their mean error is then known to a few per cent of itself."""
_LARGE = 4000
"""Rows from which one inner split (instead of all of them) is enough to choose."""
_WAVES = 100
"""Rows from which the tail of the last wave can be told from noise."""

CLOSED: dict[str, tuple[int, Callable[[Products], GemmLaw]]] = {
    "gemm-roofline": (4, fit_roofline),
    "gemm-smooth": (8, fit_smooth),
    "gemm-tiles": (8, fit_tiles),
}
"""Laws in closed form, with the number of families of shapes that a fit needs."""


@dataclass(frozen=True, slots=True)
class FittedGemm:
    """The law of a group, and the held-out prediction of each of its rows (NaN where there is none)."""

    law: GemmLaw
    held_out: Floats


def calibrate(rows: Products, folds: int, *, layers: bool = False) -> FittedGemm:
    """Fit one group; hold out each fold and repeat the WHOLE procedure, choice and search included.

    ``layers`` holds out whole (n, k) pairs: the error for layers that were never measured.
    """
    family = shape_families(rows.m, rows.n, rows.k, layers=layers)
    held_out = np.full(len(rows), np.nan)
    families = int(family.max()) + 1
    if families >= ESTIMABLE:
        part = shape_folds(family, min(folds, families))
        for fold in range(int(part.max()) + 1):
            known = part != fold
            law = choose(rows.where(known), folds, layers=layers)
            held_out[~known] = rows.where(~known).predicted(law)
    return FittedGemm(choose(rows, folds, layers=layers), held_out)


def choose(rows: Products, folds: int, *, layers: bool = False) -> GemmLaw:
    """The law of least error on inner folds of these rows, refitted on all of them."""
    family = shape_families(rows.m, rows.n, rows.k, layers=layers)
    families = int(family.max()) + 1
    possible = {name: fit for name, (needed, fit) in CLOSED.items() if families >= needed}
    if families < ESTIMABLE or not possible:
        return fit_roofline(rows)
    # Another salt than the outer folds: the inner folds cut across them.
    part = shape_folds(family, min(folds, families), salt=1)
    count = 1 if len(rows) >= _LARGE else int(part.max()) + 1
    known = [part != fold for fold in range(count)]
    laws = {name: [fit(rows.where(k)) for k in known] for name, fit in possible.items()}
    scores = {name: _score(rows, known, found) for name, found in laws.items()}
    closed = min(scores, key=lambda name: (scores[name], name))
    trend, splits = _best_trend(rows, known, laws)
    distance, score = search_distance(splits, waves=len(rows) >= _WAVES)
    nearest = np.inf if rows.layout else _score(rows, known, [fit_utilization(rows.where(k)) for k in known])
    if nearest < min(score, scores[closed]):
        return fit_utilization(rows)
    if score < scores[closed]:
        return fit_rows(rows, possible[trend](rows), distance)
    return possible[closed](rows)


def _best_trend(
    rows: Products, known: Sequence[Bools], laws: Mapping[str, Sequence[GemmLaw]]
) -> tuple[str, list[Split]]:
    """The closed form whose residuals are kriged best, by the usual distance, and its inner splits.

    It need not be the best one alone: what neighbours tell anyway, the trend need not know.
    """
    asked = max(_SEARCH_ROWS // len(known), 1)
    splits = {
        name: [split(rows, k, law, asked) for k, law in zip(known, found, strict=True)] for name, found in laws.items()
    }
    usual = Distance(wave=0.0)
    scores = {
        name: float(np.concatenate([one.errors(usual) for one in found]).mean()) for name, found in splits.items()
    }
    best = min(scores, key=lambda name: (scores[name], name))
    return best, splits[best]


def _score(rows: Products, known: Sequence[Bools], laws: Sequence[GemmLaw]) -> float:
    return float(np.mean(np.concatenate([_errors(rows.where(~k), law) for k, law in zip(known, laws, strict=True)])))


def _errors(rows: Products, law: GemmLaw) -> Floats:
    return np.asarray(np.minimum(np.abs(rows.predicted(law) / rows.t - 1), 1.0))
