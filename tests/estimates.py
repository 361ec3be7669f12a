"""Intervals from replications: what a correct simulator fails once in a thousand seed sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

TAIL = 0.0005
"""Half of 1 in 1000: every interval of the theory tests is two-sided at 99.9 %."""


def interval(samples: ArrayLike) -> tuple[float, float]:
    """Mean and half width of the 99.9 % Student-t interval of independent, equally distributed ``samples``."""
    values = np.asarray(samples, dtype=np.float64)
    half = stats.t.ppf(1.0 - TAIL, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def controlled(
    samples: ArrayLike, controls: Sequence[ArrayLike], known: Sequence[float]
) -> tuple[float, float]:
    """The same interval with control variates: what luck in the ``controls``, whose means are ``known``, explains is
    taken out by regression (Lavenberg & Welch 1981); the intercept is the estimate.
    """
    values = np.asarray(samples, dtype=np.float64)
    design = np.column_stack(
        [np.ones(len(values)), *(np.asarray(c) - mean for c, mean in zip(controls, known))]
    )
    weights, _, _, _ = np.linalg.lstsq(design, values, rcond=None)
    freedom = len(values) - design.shape[1]
    residual = values - design @ weights
    spread = float(residual @ residual) / freedom
    error = np.sqrt(spread * np.linalg.inv(design.T @ design)[0, 0])
    return float(weights[0]), float(stats.t.ppf(1.0 - TAIL, freedom) * error)


def assert_agrees(estimate: tuple[float, float], theory: float, sees: float = 0.05) -> None:
    """The interval covers ``theory`` and is narrow enough to see a relative error of ``sees``."""
    mean, half = estimate
    assert half < sees * abs(theory), f"half width {half:.4g} cannot see {sees:.0%} of {theory:.6g}"
    assert abs(mean - theory) <= half, f"{mean:.6g} +- {half:.2g} is not {theory:.6g}"


def assert_same_mean(one: NDArray[np.float64], other: NDArray[np.float64], sees: float = 0.05) -> None:
    """Two programs agree: the Welch 99.9 % interval of the difference covers 0 and is narrow enough."""
    errors = np.array([one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)])
    freedom = errors.sum() ** 2 / (errors**2 / np.array([len(one) - 1, len(other) - 1])).sum()
    half = float(stats.t.ppf(1.0 - TAIL, freedom) * np.sqrt(errors.sum()))
    middle = abs(float(one.mean() + other.mean()) / 2.0)
    assert half < sees * middle, f"half width {half:.4g} cannot see {sees:.0%} of {middle:.6g}"
    difference = float(one.mean() - other.mean())
    assert abs(difference) <= half, f"{one.mean():.6g} and {other.mean():.6g} differ by more than {half:.2g}"
