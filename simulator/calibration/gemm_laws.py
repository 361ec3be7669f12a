"""Fitting the laws of matrix products: closed forms by robust least squares, the rows law by search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from simulator.calibration.folds import sample
from simulator.costs.base import Distance, GemmLaw, GemmRoofline, GemmRows, GemmSmooth
from simulator.costs.base.gemm_rows import krige, spelled

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_ENOUGH = 3000
"""Rows that settle the nine parameters of a closed form; more only cost time."""
_PRIOR = 0.03
"""Weight of the start values: a parameter that the rows do not determine stays near them."""
_SPREAD = np.array([1.0, 1.0, 1.5, 1.5, 1.5, 0.7, 1.5, 1.5, 1.5])
_UNITS = (16, 24, 30, 40, 48, 58, 66, 72, 80, 84, 92, 100, 108, 114, 120, 128, 132, 142, 148, 160)
_TILES = ((128.0, 256.0), (128.0, 128.0), (256.0, 128.0), (64.0, 128.0))
_GAIN = 0.997
"""A change of the distance must better the error by this factor: less is noise of the held-out rows."""


@dataclass(frozen=True, slots=True)
class Products:
    """Measured products: sizes, time [any unit] and the layout of the operands (may be empty)."""

    m: Floats
    n: Floats
    k: Floats
    t: Floats
    layout: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.t)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Products:
        """The chosen rows."""
        picked = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        layout = tuple(self.layout[i] for i in picked) if self.layout else ()
        return Products(self.m[picked], self.n[picked], self.k[picked], self.t[picked], layout)

    def letters(self) -> Floats:
        """The layout as numbers, one column per character."""
        width = max((len(text) for text in self.layout), default=0)
        return spelled(self.layout if width else ("",) * len(self), width)

    def predicted(self, law: GemmLaw) -> Floats:
        """Times that ``law`` gives for these rows."""
        return law.seconds(self.m, self.n, self.k, np.array(self.layout) if self.layout else None)


def starts(rows: Products) -> tuple[float, float, float]:
    """Logarithms of the launch, the time per FLOP and the time per element that the fastest rows suggest."""
    moved = rows.m * rows.k + rows.n * rows.k + rows.m * rows.n
    flops = np.percentile(2 * rows.m * rows.n * rows.k / rows.t, 98)
    return (
        float(np.log(rows.t.min())),
        -float(np.log(flops)),
        -float(np.log(np.percentile(moved / rows.t, 98))),
    )


def fit_roofline(rows: Products) -> GemmRoofline:
    """Launch, speed and time per element, by robust least squares of log times."""
    rows = rows.where(sample(len(rows), _ENOUGH))
    y, start = np.log(rows.t), np.array(starts(rows))

    def law(x: Floats) -> GemmRoofline:
        launch, flop_s, element_s = np.exp(np.clip(x, -300, 300))
        return GemmRoofline(float(launch), float(1 / flop_s), float(element_s))

    def errors(x: Floats) -> Floats:
        return np.asarray(np.log(rows.predicted(law(x))) - y)

    found = least_squares(errors, start, loss="soft_l1", f_scale=0.1, max_nfev=60)
    return law(found.x)


def fit_smooth(rows: Products) -> GemmSmooth:
    """Nine parameters by robust least squares of log times, held near their start values by a weak prior."""
    rows = rows.where(sample(len(rows), _ENOUGH))
    y = np.log(rows.t)
    launch, flop_s, element_s = starts(rows)
    half = np.log(16.0)
    start = np.array([launch, flop_s, element_s, element_s, element_s, np.log(1.5), half, half, half])
    weight = _PRIOR * np.sqrt(len(y)) / 3 / _SPREAD

    def errors(x: Floats) -> Floats:
        return np.concatenate([np.log(rows.predicted(_smooth(x))) - y, weight * (x - start)])

    return _smooth(least_squares(errors, start, loss="soft_l1", f_scale=0.1, max_nfev=60).x)


def _smooth(x: Floats) -> GemmSmooth:
    launch, flop_s, input_s, weight_s, output_s, sharp, m, n, k = (
        float(value) for value in np.exp(np.clip(x, -300, 12))
    )
    return GemmSmooth(
        launch_s=launch,
        peak_flops=1 / flop_s,
        m_half=m,
        n_half=n,
        k_half=k,
        input_s=input_s,
        weight_s=weight_s,
        output_s=output_s,
        sharpness=1 + min(sharp, 60.0),
    )


def fit_rows(rows: Products, trend: GemmLaw, distance: Distance) -> GemmRows:
    """The trend with the residual of every row."""
    residuals = np.round(np.log(rows.t / rows.predicted(trend)), 6)
    return GemmRows(trend, distance, tuple(rows.m), tuple(rows.n), tuple(rows.k), tuple(residuals), rows.layout)


@dataclass(frozen=True, slots=True)
class Split:
    """One inner split: rows that are known, with their residual, and some rows that are asked."""

    known: Products
    residuals: Floats
    asked: Products
    trend: Floats

    def errors(self, distance: Distance) -> Floats:
        """Relative errors at the asked rows when the residual is kriged with ``distance``."""
        known, asked = (
            distance.coordinates(rows.m, rows.n, rows.k, rows.letters()) for rows in (self.known, self.asked)
        )
        residual = krige(known, self.residuals, asked, norm=distance.norm, noise=distance.noise)
        return np.asarray(np.minimum(np.abs(self.trend * np.exp(residual) / self.asked.t - 1), 1.0))


def split(rows: Products, known: Bools, trend: GemmLaw, asked: int) -> Split:
    """The inner split with these ``known`` rows; at most ``asked`` of the others are asked."""
    learnt, others = rows.where(known), np.flatnonzero(~known)
    test = rows.where(others[sample(len(others), asked)])
    return Split(learnt, np.log(learnt.t / learnt.predicted(trend)), test, test.predicted(trend))


def search_distance(splits: Sequence[Split], *, waves: bool) -> tuple[Distance, float]:
    """The distance of least held-out error: norm, processors and tile of the waves, then the weights."""
    best = Distance(wave=0.0)
    score = _score(splits, best)

    def keep(candidates: Iterable[Distance]) -> None:
        nonlocal best, score
        for candidate in candidates:
            found = _score(splits, candidate)
            if found < score * _GAIN:
                best, score = candidate, found

    keep([replace(best, norm=1.0)])
    if waves:
        start = best
        keep(replace(start, wave=0.5, units=float(units)) for units in _UNITS)
        if best.wave > 0:
            start = best
            keep(replace(start, tile_m=m, tile_n=n) for m, n in _TILES)
    keep([replace(best, norm=3.0 - best.norm)])
    weights = ["noise", "align", "m", "n", "k", "wave"] + ["layout"] * bool(splits[0].known.layout)
    for key in [*weights, "noise"]:
        value = getattr(best, key)
        if value > 0:
            start = best
            keep(replace(start, **{key: value * factor}) for factor in (0.4, 2.5))
    return best, score


def _score(splits: Sequence[Split], distance: Distance) -> float:
    return float(np.concatenate([one.errors(distance) for one in splits]).mean())
