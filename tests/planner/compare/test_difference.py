"""Differences and their intervals, against an independent implementation of the two tests."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from simulator.planner.compare import Difference, Estimate, paired, unpaired
from simulator.results.intervals import interval

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
SAMPLES = st.lists(NUMBERS, min_size=2, max_size=12)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=12)


def spread_of(values: list[float]) -> float:
    return max(values) - min(values)


@given(PAIRS)
def test_paired_is_students_interval_of_the_differences(pairs: list[tuple[float, float]]) -> None:
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assume(spread_of([other - one for one, other in pairs]) > 1e-2)
    found = paired(a, b)
    low, high = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert found.low == pytest.approx(low, rel=1e-9, abs=1e-6)
    assert found.high == pytest.approx(high, rel=1e-9, abs=1e-6)
    assert found.difference == pytest.approx(math.fsum(b) / len(b) - math.fsum(a) / len(a), abs=1e-6)
    assert found.count == len(pairs)


def estimate(values: list[float]) -> Estimate:
    low, high = interval(values) or (None, None)
    return Estimate(math.fsum(values) / len(values), low, high, len(values))


@given(SAMPLES, SAMPLES)
def test_unpaired_is_welchs_interval(a: list[float], b: list[float]) -> None:
    assume(spread_of(a) > 1e-2)
    assume(spread_of(b) > 1e-2)
    found = unpaired(estimate(a), estimate(b))
    low, high = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert found.low == pytest.approx(low, rel=1e-6, abs=1e-5)
    assert found.high == pytest.approx(high, rel=1e-6, abs=1e-5)
    assert found.count == 0


@given(SAMPLES, NUMBERS)
def test_what_both_have_in_common_cancels(values: list[float], shift: float) -> None:
    found = paired(values, [value + shift for value in values])
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(shift, abs=1e-6)
    assert found.high == pytest.approx(shift, abs=1e-6)


@given(PAIRS)
def test_the_other_way_round_is_the_negative(pairs: list[tuple[float, float]]) -> None:
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    one, other = paired(a, b), paired(b, a)
    assert (one.a, one.b) == (other.b, other.a)
    assert one.difference == pytest.approx(-other.difference)  # type: ignore[operator]
    assert one.low == pytest.approx(-other.high, rel=1e-9, abs=1e-9)  # type: ignore[operator]
    assert one.clear == other.clear


def test_replications_without_a_value_are_left_out() -> None:
    found = paired([1.0, None, 3.0, 9.0], [2.0, 5.0, 4.5, None])
    assert (found.a, found.b, found.difference, found.count) == (2.0, 3.25, 1.25, 2)
    assert paired([None], [1.0]) == Difference(None, 1.0, None)
    assert paired([], []) == Difference(None, None, None)


def test_one_replication_has_no_interval() -> None:
    found = paired([2.0], [1.0])
    assert (found.difference, found.low, found.clear, found.relative) == (-1.0, None, None, -0.5)
    found = unpaired(Estimate(1.0, None, None, 1), Estimate(2.0, 1.5, 2.5, 4))
    assert (found.difference, found.low) == (1.0, None)
    assert unpaired(Estimate(None, None, None, 3), Estimate(2.0, 1.0, 3.0, 3)).difference is None


def test_means_that_are_known_exactly_differ_exactly() -> None:
    found = unpaired(Estimate(1.0, 1.0, 1.0, 3), Estimate(3.0, 3.0, 3.0, 5))
    assert (found.difference, found.low, found.high, found.clear) == (2.0, 2.0, 2.0, True)


def test_clear_is_an_interval_without_zero() -> None:
    assert Difference(1.0, 2.0, 1.0, 0.5, 1.5).clear
    assert Difference(1.0, 2.0, 1.0, -0.5, 2.5).clear is False
    assert Difference(1.0, 1.0, 0.0, 0.0, 0.0).clear is False
    assert Difference(0.0, 1.0, 1.0).relative is None
