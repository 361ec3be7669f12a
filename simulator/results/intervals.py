"""Student-t confidence intervals over replications."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

MIN_REPLICATIONS = 3
"""Fewest replications whose spread is trusted when their number is chosen automatically."""


def half_width(values: Sequence[float], confidence: float = 0.95) -> float | None:
    """Half the width of the confidence interval of the mean, in the values' unit; None below two values.

    .. math:: h = t_{n-1, (1 + c) / 2} \\; s / \\sqrt{n}

    with ``s`` the sample standard deviation (n - 1 below the line).
    """
    count = len(values)
    if count < 2:
        return None
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return _student_t(count - 1, (1 + confidence) / 2) * math.sqrt(variance / count)


def interval(values: Sequence[float], confidence: float = 0.95) -> list[float] | None:
    """``[low, high]`` of the mean of ``values``; None below two values."""
    half = half_width(values, confidence)
    if half is None:
        return None
    mean = math.fsum(values) / len(values)
    return [mean - half, mean + half]


def reached(values: Iterable[float | None], share: float) -> bool:
    """Whether the 95 % half-width of the mean is at most ``share`` of it (at least three values).

    A figure without a value in some replication (None) has not been reached.
    """
    asked = list(values)
    known = [value for value in asked if value is not None]
    if len(known) < MIN_REPLICATIONS or len(known) < len(asked):
        return False
    half = half_width(known)
    return half is not None and half <= share * abs(math.fsum(known) / len(known))


def _student_t(freedom: int, probability: float) -> float:
    from scipy.special import (
        stdtrit,
    )  # scipy.stats costs a second to import, and one replication needs neither

    return float(stdtrit(freedom, probability))
