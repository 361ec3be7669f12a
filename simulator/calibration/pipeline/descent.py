"""Least robust relative errors over the logarithms of positive parameters with weak priors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SOFT = 0.05
"""Relative error from which the loss grows linearly: the mean absolute relative error is what is judged."""
PRIOR = 0.05
"""Weight of a prior deviation: about one row with an error of 5 %."""
WIDTH = 2.0
"""One prior deviation: a factor of e^2."""
REACH = 8.0
"""No parameter moves further than a factor of e^8 from its start."""
_ROUNDS = 120
_STEP = 1e-6
_ENOUGH = 1e-5
_PATIENCE = 3


def least_robust(residuals: Callable[[Floats], Floats], start: Floats) -> Floats:
    """The x of least ``sum rho(r(x)) + sum (PRIOR (x - start) / WIDTH)^2`` near ``start``, rho the soft L1 loss.

    Levenberg and Marquardt's method on reweighted squares. The normal equations are as small as x, so thousands of
    rows cost no more than their residuals (a general solver factorises all rows in every step).

    >>> least_robust(lambda x: np.repeat(x, 1000) - 0.5, np.array([0.0])).round(3)
    array([0.5])
    """
    prior = (PRIOR / WIDTH) ** 2
    x, left = start.copy(), residuals(start)
    cost, damping, settled = _cost(left, x - start, prior), 1e-2, 0
    slopes = _slopes(residuals, x, left)
    for _ in range(_ROUNDS):
        weight = 1.0 / np.sqrt(1.0 + (left / SOFT) ** 2)
        square = np.einsum("in,n,jn->ij", slopes, weight, slopes, optimize=False) + prior * np.eye(len(x))
        gradient = slopes @ (weight * left) + prior * (x - start)
        step = np.linalg.solve(square + damping * np.diag(np.diag(square)), -gradient)
        tried = np.clip(x + np.clip(step, -1.0, 1.0), start - REACH, start + REACH)
        there = residuals(tried)
        lower = _cost(there, tried - start, prior)
        if not lower < cost:
            damping *= 4.0
            if damping > 1e8:
                break
            continue
        settled = settled + 1 if cost - lower < _ENOUGH * cost else 0
        x, left, cost, damping = tried, there, lower, max(damping / 3.0, 1e-9)
        if settled == _PATIENCE:
            break
        slopes = _slopes(residuals, x, left)
    return x


def _cost(left: Floats, moved: Floats, prior: float) -> float:
    robust = 2.0 * SOFT**2 * (np.sqrt(1.0 + (left / SOFT) ** 2) - 1.0)
    return float(robust.sum() + prior * (moved**2).sum())


def _slopes(residuals: Callable[[Floats], Floats], x: Floats, left: Floats) -> Floats:
    """Forward differences, (parameters, rows)."""
    return np.array([(residuals(x + _STEP * axis) - left) / _STEP for axis in np.eye(len(x))])
