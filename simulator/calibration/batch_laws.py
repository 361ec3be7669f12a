"""Fitting each law of batch time to rows: relative errors, robust to outliers, parameters bounded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls

from simulator.costs.base import (
    Affine,
    BatchLaw,
    Constant,
    Corrected,
    FloorAffine,
    PowerLaw,
    RooflineLaw,
    SmoothFloor,
    Stairs,
    Table,
)

Floats = NDArray[np.float64]
Fit = Callable[[Floats, Floats], BatchLaw | None]
_SPLITS = 24
_STEPS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 192.0, 256.0, 512.0)
_POWERS = np.arange(0.3, 1.51, 0.1)
_LENGTH = 2.0
"""Length over which residuals of neighbouring batch sizes are alike [octaves]."""


def robust_linear(columns: Floats, t: Floats) -> tuple[Floats, float]:
    """Coefficients >= 0 of ``t = columns @ x`` with the least Huber loss of relative errors, and that loss.

    Iteratively reweighted non-negative least squares (Lawson and Hanson 1974) of ``columns / t`` against 1.
    """
    scaled = columns / t[:, None]
    weight = np.ones(len(t))
    found, loss = np.zeros(columns.shape[1]), np.inf
    for _ in range(4):
        found, _ = nnls(scaled * weight[:, None], weight)
        error = np.abs(scaled @ found - 1)
        loss = float(error.mean())
        corner = max(1.5 * float(np.median(error)), 1e-4)
        weight = np.sqrt(corner / np.maximum(error, corner))
    return found, loss


def fit_constant(b: Floats, t: Floats) -> BatchLaw:
    """The median: the constant of least absolute error."""
    return Constant(float(np.median(t)))


def fit_affine(b: Floats, t: Floats) -> BatchLaw:
    """A start cost and a cost per item, neither negative."""
    (a, c), _ = robust_linear(np.column_stack([np.ones_like(b), b]), t)
    return Affine(float(a), float(c))


def fit_floor_affine(b: Floats, t: Floats) -> BatchLaw | None:
    """Tries every corner: rows left of it give the floor, rows right of it the line."""
    best: tuple[float, BatchLaw] | None = None
    for corner in _corners(b, left=1, right=2):
        left, right = b < corner, b >= corner
        floor = float(np.median(t[left]))
        slope, start = _line(b[right], t[right])
        law = FloorAffine(floor, start, slope)
        best = _better(best, law, b, t)
    return best[1] if best else None


def _line(b: Floats, t: Floats) -> tuple[float, float]:
    """Slope (not negative) and start of the least relative squares line through some rows."""
    weight = 1 / t**2
    total = weight.sum()
    mean_b, mean_t = (weight * b).sum() / total, (weight * t).sum() / total
    spread = (weight * (b - mean_b) ** 2).sum()
    slope = 0.0 if spread <= 0 else max(float((weight * (b - mean_b) * (t - mean_t)).sum() / spread), 0.0)
    return slope, float(mean_t - slope * mean_b)


def fit_roofline(b: Floats, t: Floats) -> BatchLaw | None:
    """Two lines: a flat one (moving bytes) up to a corner and a steep one (computing) beyond it."""
    best: tuple[float, BatchLaw] | None = None
    for corner in _corners(b, left=2, right=2):
        left, right = b < corner, b >= corner
        slow, high = _line(b[left], t[left])
        fast, low = _line(b[right], t[right])
        start = max(low, 0.0)
        law = RooflineLaw(start, fast, 1.0, max(high - start, 0.0), slow, 1.0)
        best = _better(best, law, b, t)
    return best[1] if best else None


def fit_power(b: Floats, t: Floats) -> BatchLaw | None:
    """Exponent from a grid, the rest linear."""
    best: tuple[float, BatchLaw] | None = None
    for power in _POWERS:
        (a, c), loss = robust_linear(np.column_stack([np.ones_like(b), b**power]), t)
        if best is None or loss < best[0]:
            best = (loss, PowerLaw(float(a), float(c), float(round(power, 3))))
    return best[1] if best else None


def fit_stairs(b: Floats, t: Floats) -> BatchLaw | None:
    """Width of a step from a list, the rest linear; the best of those that leave at least three steps."""
    best: tuple[float, BatchLaw] | None = None
    for step in _STEPS:
        if step * 2 >= b.max():
            continue
        (a, c, d), loss = robust_linear(np.column_stack([np.ones_like(b), b, np.ceil(b / step)]), t)
        if best is None or loss < best[0]:
            best = (loss, Stairs(float(a), float(c), float(d), step))
    return best[1] if best else None


def fit_smooth_floor(b: Floats, t: Floats) -> BatchLaw | None:
    """Round corner, starting from the sharp one; parameters are searched as logarithms, so they stay positive."""
    sharp = fit_floor_affine(b, t)
    if not isinstance(sharp, FloorAffine) or sharp.c <= 0:
        return None
    unit = float(np.median(t))
    first = np.log([sharp.f / unit, max(sharp.a / unit, 1e-3), sharp.c * b.max() / unit, 3.0])

    def law(x: Floats) -> SmoothFloor:
        f, a, c, q = np.exp(np.clip(x, -14, 14))
        return SmoothFloor(f * unit, a * unit, c * unit / b.max(), 1 + min(q, 60.0))

    def errors(x: Floats) -> Floats:
        return np.asarray(np.concatenate([np.log(law(x).seconds(b) / t), 0.003 * (x - first)]))

    found = least_squares(errors, first, loss="soft_l1", f_scale=0.03, max_nfev=30)
    return law(found.x)


def fit_table(b: Floats, t: Floats) -> BatchLaw:
    """The rows themselves; repeats of one batch size give their median."""
    sizes, times = medians(b, t)
    return Table(tuple(sizes), tuple(times))


def medians(b: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Different batch sizes, ascending, and the median time of each."""
    sizes, rank = np.unique(b, return_inverse=True)
    if len(sizes) == len(b):
        return sizes, t[np.argsort(b, kind="stable")]
    return sizes, np.array([np.median(t[rank.ravel() == i]) for i in range(len(sizes))])


def correct(trend: BatchLaw, b: Floats, t: Floats, smoothing: float) -> BatchLaw:
    """``trend`` with its residuals kept, smoothed by kriging with this nugget; 0 passes through every row."""
    sizes, times = medians(b, t)
    expected = np.maximum(trend.seconds(sizes), 1e-9 * times)
    residual = np.log(times / expected)
    if smoothing:
        far = np.abs(np.subtract.outer(np.log2(sizes), np.log2(sizes))) / _LENGTH
        alike = np.exp(-far)
        residual = alike @ np.linalg.solve(alike + smoothing * np.eye(len(sizes)), residual)
    return Corrected(trend, tuple(sizes), tuple(np.round(residual, 9)))


def _corners(b: Floats, *, left: int, right: int) -> Floats:
    """Batch sizes where the right part may begin, with that many different sizes on either side."""
    sizes = np.unique(b)
    found = sizes[left : len(sizes) - right + 1]
    if len(found) > _SPLITS:
        found = found[np.unique(np.linspace(0, len(found) - 1, _SPLITS).astype(int))]
    return np.asarray(found)


def _better(
    best: tuple[float, BatchLaw] | None, law: BatchLaw, b: Floats, t: Floats
) -> tuple[float, BatchLaw]:
    loss = float(np.mean(np.abs(law.seconds(b) / t - 1)))
    return (loss, law) if best is None or loss < best[0] else best


TRENDS: dict[str, tuple[int, Fit]] = {
    "affine": (2, fit_affine),
    "floor-affine": (3, fit_floor_affine),
    "roofline": (4, fit_roofline),
    "power": (3, fit_power),
    "stairs": (6, fit_stairs),
    "smooth-floor": (4, fit_smooth_floor),
    "table": (2, fit_table),
}
"""Laws in closed form and the table, with the number of different batch sizes that a fit needs."""

CORRECTIONS: dict[str, tuple[int, str, float]] = {
    "corrected affine": (2, "affine", 0.0),
    "corrected power": (3, "power", 0.0),
    "corrected floor-affine": (3, "floor-affine", 0.0),
    "corrected smooth-floor": (4, "smooth-floor", 0.0),
    "smoothed affine": (6, "affine", 0.1),
    "smoothed stairs": (6, "stairs", 0.02),
}
"""Trends that keep their residuals: batch sizes needed, trend, smoothing."""

CANDIDATES = (*TRENDS, *CORRECTIONS)
"""Every way to fit. The order breaks ties: simple laws first."""


def fit_all(b: Floats, t: Floats) -> dict[str, BatchLaw]:
    """The law of every candidate for which there are enough different batch sizes.

    >>> fit_all(np.array([1.0, 2.0, 8.0]), np.array([3.0, 4.0, 10.0]))["affine"]
    Affine(a=2.0, c=1.0)
    """
    sizes = len(np.unique(b))
    if sizes == 1:
        return {"constant": fit_constant(b, t)}
    found: dict[str, BatchLaw] = {}
    for name, (needed, fit) in TRENDS.items():
        law = fit(b, t) if sizes >= needed else None
        if law is not None:
            found[name] = law
    for name, (needed, trend, smoothing) in CORRECTIONS.items():
        if sizes >= needed and trend in found:
            found[name] = correct(found[trend], b, t, smoothing)
    return found
