"""A quantile sketch: how many values fall into each of fixed bins, a little wider from each to the next.

A bin holds the floating-point numbers that share their exponent and the leading :data:`BITS` bits of their
mantissa; so each octave is cut into ``2**BITS`` bins of equal width and the middle of a bin is at most
``2**-(BITS + 1)`` of a value away from any value in it. Two sketches are merged by adding their counts, with the
same outcome as one sketch of all values: what Masson, Rim & Lee, "DDSketch: a fast and fully-mergeable quantile
sketch with relative-error guarantees", VLDB 2019, do with bins of equal ratio and a logarithm per value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simulator.results.quantiles import QUANTILES, nearest_rank
from simulator.results.record import Floats, Ints

BITS = 9
"""Bits of the mantissa that are kept."""
LOWEST, HIGHEST = -30, 34
"""Powers of two of a second between which the error bound holds: 0.93 ns to 544 years."""
BINS = (HIGHEST - LOWEST) * 2**BITS + 2
"""Bin 0 is for zero, the last one for all beyond ``2**HIGHEST``; what is below ``2**LOWEST`` goes to bin 1."""
RELATIVE_ERROR = 2.0 ** -(BITS + 1)
"""Largest error of a quantile between ``2**LOWEST`` and ``2**HIGHEST`` seconds, as a share of it."""

_MANTISSA = 52
"""Bits of the mantissa of a double."""
_BIAS = 1023
"""Added to the exponent of a double."""
_FIRST = (_BIAS + LOWEST) << BITS


def bin_of(values: ArrayLike) -> Ints:
    """Bin of each value [s], same shape; zero and below go to bin 0.

    >>> bin_of([0.0, 2.0**-30, 1.0, 2.0**34]).tolist()
    [0, 1, 15361, 32769]
    """
    seconds = np.asarray(values, dtype=np.float64)
    leading = (seconds.view(np.int64) >> (_MANTISSA - BITS)) - (_FIRST - 1)
    return np.where(seconds <= 0, 0, np.clip(leading, 1, BINS - 1))


def value_of(bins: ArrayLike) -> Floats:
    """Value that stands for all values of each bin [s], same shape: the middle of its bounds.

    >>> value_of([0, 15361]).tolist()
    [0.0, 1.0009765625]
    """
    number = np.asarray(bins, dtype=np.int64)
    middle = ((number + (_FIRST - 1)) << (_MANTISSA - BITS)) + (1 << (_MANTISSA - BITS - 1))
    return np.where(number == 0, 0.0, middle.view(np.float64))


def bin_at(counts: Ints, fraction: tuple[int, int]) -> int | None:
    """Bin of the nearest-rank quantile (an exact ``fraction``) of the values counted; None when there is no value."""
    below = counts.cumsum()
    return _bin_at(below, fraction) if below[-1] else None


def quantile(counts: Ints, fraction: tuple[int, int], top: float = np.inf) -> float | None:
    """Nearest-rank quantile of the values counted [s], never above ``top``; None when there is no value.

    ``top`` is the largest of the values, where it is known exactly.

    >>> quantile(np.bincount(bin_of([1.0, 1.5, 9.0])), (1, 2), 9.0)
    1.5009765625
    """
    found = bin_at(counts, fraction)
    return None if found is None else min(float(value_of(found)), top)


def summary(counts: Ints, total: float, top: float) -> dict[str, float | None]:
    """Mean, nearest-rank percentiles and maximum of the values counted, in seconds; None when there is no value.

    ``total`` is their sum and ``top`` the largest; as of :func:`simulator.results.quantiles.summary`.
    """
    below = counts.cumsum()
    if not below[-1]:
        return dict.fromkeys(("mean", *QUANTILES, "max"))
    values = value_of([_bin_at(below, fraction) for fraction in QUANTILES.values()])
    found = {name: min(float(value), top) for name, value in zip(QUANTILES, values)}
    return {"mean": total / int(below[-1]), **found, "max": top}


def _bin_at(below: Ints, fraction: tuple[int, int]) -> int:
    """Bin of a quantile, where ``below`` of the values are in each bin or a lower one."""
    return int(np.searchsorted(below, nearest_rank(int(below[-1]), fraction), side="right"))
