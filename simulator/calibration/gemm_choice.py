"""What calibration is worth: choices of precision by data sheet and by fitted law, judged on layers never measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.folds import shape_families, shape_folds
from simulator.calibration.gemm import choose
from simulator.calibration.gemm_laws import Products
from simulator.costs.base import GemmLaw
from simulator.costs.quantized.choice import TIE, Judgement, judge
from simulator.errors import ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FOLDS = 4
"""A quarter of the (n, k) pairs is held out at a time."""
_INNER = 5


@dataclass(frozen=True, slots=True)
class Case:
    """Two ways to compute the same shapes: measured rows and the law of the data sheet for each.

    The shapes need not be the same; those that were measured both ways are judged, all of them teach.
    """

    name: str
    plain: Products
    quantized: Products
    plain_sheet: GemmLaw
    quantized_sheet: GemmLaw


@dataclass(frozen=True, slots=True)
class ValueOfCalibration:
    """One line of the table: all figures on (n, k) pairs that the fitted laws have not seen.

    ``quantized_faster``: share of the judged shapes where quantizing is truly faster; ``sheet`` and ``fitted``: how
    good the choices of the two models are; ``plain_mape`` and ``quantized_mape``: errors of the fitted laws.
    """

    case: str
    quantized_faster: float
    sheet: Judgement
    fitted: Judgement
    plain_mape: float
    quantized_mape: float


def value_of_calibration(cases: Sequence[Case], *, held_out: int = FOLDS, tie: float = TIE) -> list[ValueOfCalibration]:
    """Choose between plain and quantized by data sheet and by fitted law, and judge both choices.

    The (n, k) pairs are dealt into four parts by a fixed shuffle. Of these, ``held_out`` take their turn as the
    part that is predicted by laws chosen and fitted on the other three: 4 judges every shape, 1 is four times
    faster. Both precisions hold out the same pairs.
    """
    return [_value(case, held_out, tie) for case in cases]


def _value(case: Case, held_out: int, tie: float) -> ValueOfCalibration:
    plain, quantized = _merged(case.plain), _merged(case.quantized)
    parts = _parts(plain, quantized)
    first, second = (_predicted(rows, part, held_out) for rows, part in zip((plain, quantized), parts, strict=True))
    one, other = _shared(plain, quantized)
    asked = np.isfinite(first[one])
    one, other = one[asked], other[asked]
    if not len(one):
        raise ScenarioError(f"{case.name}: no shape was measured both ways")
    a, b = plain.where(one), quantized.where(other)
    measured = np.stack([a.t, b.t])
    counted = measured.max(axis=0) >= measured.min(axis=0) * (1 + tie)
    sheet = np.stack([a.predicted(case.plain_sheet), b.predicted(case.quantized_sheet)])
    return ValueOfCalibration(
        case=case.name,
        quantized_faster=float((b.t < a.t)[counted].mean()) if counted.any() else float("nan"),
        sheet=judge(measured, sheet, tie),
        fitted=judge(measured, np.stack([first[one], second[other]]), tie),
        plain_mape=_mape(first, plain.t),
        quantized_mape=_mape(second, quantized.t),
    )


def _merged(rows: Products) -> Products:
    """One row per shape, the median of its repeats, in the order of n, k, m."""
    shape, where = np.unique(np.column_stack([rows.n, rows.k, rows.m]), axis=0, return_inverse=True)
    order = np.lexsort((rows.t, where.ravel()))
    groups = np.split(rows.t[order], np.cumsum(np.bincount(where.ravel()))[:-1])
    return Products(shape[:, 2], shape[:, 0], shape[:, 1], np.array([np.median(times) for times in groups]))


def _parts(*tables: Products) -> list[Ints]:
    """The part of every row: an (n, k) pair is in the same part in every table."""
    n, k = (np.concatenate([getattr(rows, side) for rows in tables]) for side in ("n", "k"))
    part = shape_folds(shape_families(np.ones(len(n)), n, k, layers=True), FOLDS)
    return list(np.split(part, np.cumsum([len(rows) for rows in tables])[:-1]))


def _predicted(rows: Products, part: Ints, held_out: int) -> Floats:
    """Held-out predictions; NaN in parts that were not asked."""
    found = np.full(len(rows), np.nan)
    for fold in range(held_out):
        out = part == fold
        if out.any():
            found[out] = rows.where(out).predicted(choose(rows.where(~out), _INNER, layers=True))
    return found


def _shared(one: Products, other: Products) -> tuple[Ints, Ints]:
    """Positions of the shapes that both tables have."""
    place = {shape: i for i, shape in enumerate(zip(other.m, other.n, other.k, strict=True))}
    pairs = [(i, place[s]) for i, s in enumerate(zip(one.m, one.n, one.k, strict=True)) if s in place]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _mape(predicted: Floats, measured: Floats) -> float:
    return float(np.nanmean(np.abs(predicted / measured - 1)))
