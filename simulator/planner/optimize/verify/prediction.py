"""What one more run will reach at least: a one-sided 95 % prediction bound from the runs seen so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95


def prediction_bound(in_time: Sequence[int], seen: Sequence[int]) -> float | None:
    """Attainment that one further run reaches with 95 % confidence; None below two runs with requests.

    The least of four, each right where the others are not:

    - :func:`student_bound`, for runs that differ by more than counting;
    - :func:`skewed_bound`, for shares near 1, where a bad run is further from the mean than a good one can be;
    - :func:`ranked_bound`, whatever the distribution is;
    - :func:`counting_bound`, where so few requests are missed that runs happen to look alike.

    >>> prediction_bound([20] * 3, [20] * 3), prediction_bound([20] * 10, [20] * 10)
    (0.95, 1.0)
    """
    pairs = [(good, count) for good, count in zip(in_time, seen) if count]
    if len(pairs) < 2:
        return None
    shares = [good / count for good, count in pairs]
    least = round(sum(count for _, count in pairs) / len(pairs))
    missed = sum(count - good for good, count in pairs)
    counted = counting_bound(missed, sum(count for _, count in pairs), least)
    bounds = [student_bound(shares), ranked_bound(shares), counted]
    if missed:
        bounds.append(skewed_bound([(count - good + 0.5) / (count + 1) for good, count in pairs]))
    return max(min(bounds), 0.0)


def student_bound(values: Sequence[float]) -> float:
    """``mean - t(n-1, 0.95) s sqrt(1 + 1/n)``: a further value of a normal distribution is above with 95 %.

    >>> round(student_bound([0.99, 0.98, 0.97]), 4)
    0.9463
    """
    from scipy.special import stdtrit

    count = len(values)
    mean = math.fsum(values) / count
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return mean - float(stdtrit(count - 1, CONFIDENCE)) * spread * math.sqrt(1.0 + 1.0 / count)


def skewed_bound(missed: Sequence[float]) -> float:
    """:func:`student_bound` of the logarithm of the share that misses: for times as likely to double as to halve.

    >>> round(skewed_bound([0.01, 0.02, 0.04]), 3)
    0.793
    """
    return 1.0 - math.exp(-student_bound([-math.log(share) for share in missed]))


def ranked_bound(values: Sequence[float]) -> float:
    """A further value of any distribution is above the k-th smallest of n with ``1 - k / (n + 1)``, or more.

    k is the largest that gives 95 %; below 19 values even the smallest gives less, and is taken.

    >>> ranked_bound([0.3, 0.1, 0.2])
    0.1
    """
    rank = max(math.floor((1.0 - CONFIDENCE) * (len(values) + 1) + 1e-9), 1)
    return sorted(values)[rank - 1]


def counting_bound(missed: int, seen: int, count: int) -> float:
    """Share in time of ``count`` requests when ``missed`` of ``seen`` others were not, each by chance alone.

    The 95 % quantile of the misses of a further run: beta-binomial, from Jeffreys' prior of the share that misses.
    Where misses are many their normal approximation serves.
    """
    from scipy.special import gammaln, ndtri

    a, b = missed + 0.5, seen - missed + 0.5
    share = a / (a + b)
    mean = count * share
    sigma = math.sqrt(mean * (1.0 - share) * (a + b + count) / (a + b + 1.0))
    if mean > 1e4:
        return 1.0 - min(mean + float(ndtri(CONFIDENCE)) * sigma, count) / count
    k = np.arange(min(count, math.ceil(mean + 20 * sigma + 20)) + 1)
    log = gammaln(count + 1) - gammaln(k + 1) - gammaln(count - k + 1)
    log = log + gammaln(k + a) + gammaln(count - k + b) - gammaln(count + a + b)
    log = log + gammaln(a + b) - gammaln(a) - gammaln(b)
    below = np.cumsum(np.exp(log))
    return 1.0 - int(np.searchsorted(below, CONFIDENCE)) / count
