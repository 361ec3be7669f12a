"""Fitting each law of batch time to rows: relative errors, robust to outliers, parameters bounded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

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
_STEPS = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0, 192.0, 256.0, 512.0)
"""Items that a kernel takes at once: powers of two, and what registers hold in rows of products on CPUs (3, 6, 12)."""
_POWERS = np.arange(0.3, 1.51, 0.1)
_FINE = np.arange(-0.08, 0.09, 0.02)
_SOFT = 0.03
"""Relative error from which the loss of the round corner grows linearly, not with the square."""
_LENGTH = 2.0
"""Length over which residuals of neighbouring batch sizes are alike [octaves]."""


def robust_linear(columns: Floats, t: Floats, rounds: int = 4) -> tuple[Floats, float]:
    """Coefficients >= 0 of ``t = columns @ x`` with the least Huber loss of relative errors, and that loss.

    Iteratively reweighted non-negative least squares (Lawson and Hanson 1974) of ``columns / t`` against 1.
    """
    scaled = columns / t[:, None]
    weight = np.ones(len(t))
    found, loss = np.zeros(columns.shape[1]), np.inf
    for _ in range(rounds):
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
    corners = _corners(b, left=1, right=2)
    if not len(corners):
        return None
    floors = np.array([np.median(t[b < corner]) for corner in corners])
    slope, start = _lines(b, t, corners, right=True)
    found = np.maximum(floors[:, None], start[:, None] + slope[:, None] * b)
    i = int(np.argmin(np.abs(found / t - 1).mean(axis=1)))
    return FloorAffine(float(floors[i]), float(start[i]), float(slope[i]))


def _lines(b: Floats, t: Floats, corners: Floats, *, right: bool) -> tuple[Floats, Floats]:
    """Slope (not negative) and start of the least relative squares line on one side of each corner."""
    side = (b >= corners[:, None]) if right else (b < corners[:, None])
    weight = side / t**2
    total = weight.sum(axis=1)
    mean_b, mean_t = (weight @ b) / total, (weight @ t) / total
    away = b - mean_b[:, None]
    spread = (weight * away**2).sum(axis=1)
    slope = (weight * away * (t - mean_t[:, None])).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    slope = np.maximum(slope, 0.0)
    return slope, mean_t - slope * mean_b


def fit_roofline(b: Floats, t: Floats) -> BatchLaw | None:
    """Two lines: a flat one (moving bytes) up to a corner and a steep one (computing) beyond it."""
    corners = _corners(b, left=2, right=2)
    if not len(corners):
        return None
    slow, high = _lines(b, t, corners, right=False)
    fast, low = _lines(b, t, corners, right=True)
    start = np.maximum(low, 0.0)
    fixed = np.maximum(high - start, 0.0)
    steep, flat = fast[:, None] * b, fixed[:, None] + slow[:, None] * b
    i = int(np.argmin(np.abs((start[:, None] + np.maximum(steep, flat)) / t - 1).mean(axis=1)))
    return RooflineLaw(float(start[i]), float(fast[i]), 1.0, float(fixed[i]), float(slow[i]), 1.0)


def fit_power(b: Floats, t: Floats) -> BatchLaw | None:
    """Exponent from a coarse and then a fine grid by least squares, the rest robust."""
    power = _best_power(b, t, _POWERS)
    power = _best_power(b, t, power + _FINE)
    (a, c), _ = robust_linear(np.column_stack([np.ones_like(b), b**power]), t)
    return PowerLaw(float(a), float(c), power)


def _best_power(b: Floats, t: Floats, powers: Floats) -> float:
    """The exponent whose ``a + c b^p`` (a, c >= 0) has the least squared relative error."""
    one, up = 1 / t, (b / b.max()) ** powers[:, None] / t
    xx, xy, yy = (one**2).sum(), up @ one, (up**2).sum(axis=1)
    x1, y1 = one.sum(), up.sum(axis=1)
    determinant = np.maximum(xx * yy - xy**2, 1e-300)
    a, c = (x1 * yy - y1 * xy) / determinant, (xx * y1 - xy * x1) / determinant
    c = np.where(a < 0, y1 / yy, np.maximum(c, 0.0))
    a = np.where(c <= 0, x1 / xx, np.maximum(a, 0.0))
    error = ((a[:, None] * one + c[:, None] * up - 1) ** 2).sum(axis=1)
    return float(round(powers[int(np.argmin(error))], 3))


def fit_stairs(b: Floats, t: Floats) -> BatchLaw | None:
    """Width of a step from a list by least squares, the rest robust; at least three steps must be seen."""
    shapes = {step: np.column_stack([np.ones_like(b), b, np.ceil(b / step)]) for step in _STEPS if step * 2 < b.max()}
    if not shapes:
        return None
    best = min(shapes, key=lambda step: robust_linear(shapes[step], t, rounds=1)[1])
    (a, c, d), _ = robust_linear(shapes[best], t)
    return Stairs(float(a), float(c), float(d), best)


def fit_smooth_floor(b: Floats, t: Floats) -> BatchLaw | None:
    """Round corner, starting from the sharp one; searched as logarithms, so parameters stay positive."""
    sharp = fit_floor_affine(b, t)
    if not isinstance(sharp, FloorAffine) or sharp.c <= 0:
        return None
    unit, far = float(np.median(t)), float(b.max())
    share, y = b / far, np.log(t / unit)
    first = np.log([sharp.f / unit, max(sharp.a / unit, 1e-3), sharp.c * far / unit, 3.0])

    def errors(x: Floats) -> Floats:
        """Log errors, and the prior, of several parameter vectors at once: one row each."""
        f, a, c = (x[:, i : i + 1] for i in range(3))
        q = 1 + np.exp(np.minimum(x[:, 3:], 4.0))
        line = np.logaddexp(a, c + np.log(share))
        model = np.logaddexp(q * f, q * line) / q
        return np.concatenate([model - y, 0.003 * (x - first)], axis=1)

    f, a, c, q = np.exp(np.clip(levenberg_marquardt(errors, first), -30, 4))
    return SmoothFloor(float(f * unit), float(a * unit), float(c * unit / far), float(1 + q))


def levenberg_marquardt(errors: Callable[[Floats], Floats], x: Floats, rounds: int = 25) -> Floats:
    """Least soft-L1 loss of ``errors`` (many parameter vectors at once), starting at ``x``.

    Small problems by the thousand: scipy's general driver spends most of its time outside the problem.
    """
    step, damping = 1e-6, 1e-2
    count = len(x)
    nudges = np.vstack([np.zeros(count), step * np.eye(count)])
    every = errors(x + nudges)
    loss = _soft(every[0])
    for _ in range(rounds):
        weight = 1 / np.sqrt(1 + (every[0] / _SOFT) ** 2)
        slope = (every[1:] - every[0]) / step
        hessian, gradient = (slope * weight) @ slope.T, (slope * weight) @ every[0]
        move = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian) + 1e-9), gradient)
        asked = x - np.clip(move, -1.0, 1.0)
        tried = errors(asked + nudges)
        new = _soft(tried[0])
        if new < loss:
            done = loss - new < 1e-7 * loss
            x, every, loss, damping = asked, tried, new, damping / 5
            if done:
                break
        else:
            damping *= 6
            if damping > 1e6:
                break
    return x


def _soft(error: Floats) -> float:
    return float((np.sqrt(1 + (error / _SOFT) ** 2) - 1).sum())


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

    >>> sorted(fit_all(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    ['affine', 'corrected affine', 'table']
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
