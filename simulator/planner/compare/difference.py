"""How two figures differ, and how well that is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.results.intervals import interval


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two sides: its values, b - a, and the 95 % interval of that (None where it is not known)."""

    a: float | None
    b: float | None
    difference: float | None
    low: float | None = None
    high: float | None = None
    count: int = 0
    """Pairs of replications behind it; 0 when it is not paired."""

    @property
    def relative(self) -> float | None:
        """The difference as a share of the first value."""
        return None if self.difference is None or not self.a else self.difference / abs(self.a)

    @property
    def clear(self) -> bool | None:
        """Whether the interval excludes zero; None without an interval."""
        return None if self.low is None or self.high is None else not self.low <= 0 <= self.high


def paired(a: Sequence[float | None], b: Sequence[float | None]) -> Difference:
    """The mean of b - a over replications that both have met, with its Student-t interval.

    .. math:: \\bar d \\pm t_{n-1,\\,0.975}\\; s_d / \\sqrt n

    What both replications have in common, their arrivals above all, cancels in each difference. A replication in
    which one side has no value is left out.

    >>> found = paired([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    >>> found.difference, found.low, found.high
    (0.5, 0.5, 0.5)
    """
    known = [(one, other) for one, other in zip(a, b) if one is not None and other is not None]
    if not known:
        return Difference(_mean(a), _mean(b), None)
    differences = [other - one for one, other in known]
    low, high = interval(differences) or (None, None)
    mean = _mean(differences)
    return Difference(
        _mean([one for one, _ in known]), _mean([other for _, other in known]), mean, low, high, len(known)
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean as somebody saved it: its value, the ends of its 95 % interval, and from how many replications."""

    value: float | None
    low: float | None
    high: float | None
    count: int


def unpaired(a: Estimate, b: Estimate) -> Difference:
    """The difference of two means that are independent, with Welch's interval.

    Standard errors are recovered from the intervals, :math:`s = h / t_{n-1,\\,0.975}`; then

    .. math:: \\nu = \\frac{(s_a^2 + s_b^2)^2}{s_a^4 / (n_a - 1) + s_b^4 / (n_b - 1)}

    freedoms (Welch 1947, Satterthwaite 1946). Without the intervals of both there is none.
    """
    if a.value is None or b.value is None:
        return Difference(a.value, b.value, None)
    difference = b.value - a.value
    errors = _error(a), _error(b)
    if errors[0] is None or errors[1] is None:
        return Difference(a.value, b.value, difference)
    squares = errors[0] ** 2, errors[1] ** 2
    total = squares[0] + squares[1]
    half = 0.0
    if total > 0:
        freedom = total**2 / (squares[0] ** 2 / (a.count - 1) + squares[1] ** 2 / (b.count - 1))
        half = _quantile(freedom) * math.sqrt(total)
    return Difference(a.value, b.value, difference, difference - half, difference + half)


def _error(one: Estimate) -> float | None:
    """Standard error of a mean [its unit]; None without an interval."""
    if one.low is None or one.high is None or one.count < 2:
        return None
    return (one.high - one.low) / 2 / _quantile(one.count - 1)


def _quantile(freedom: float) -> float:
    """The 0.975 quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
