"""The quantile sketch: its bound, its order and its merging, whatever the values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.results.quantiles import QUANTILES, nearest_rank
from simulator.results.quantiles import summary as exact_summary
from simulator.results.record import Ints
from simulator.results.sketch import BINS, HIGHEST, LOWEST, RELATIVE_ERROR, bin_at, bin_of, quantile, summary, value_of

IN_RANGE = st.floats(2.0**LOWEST, 2.0**HIGHEST, exclude_max=True)
SECONDS = st.one_of(st.just(0.0), IN_RANGE)
FRACTIONS = st.integers(1, 1000).flatmap(lambda below: st.tuples(st.integers(0, below), st.just(below)))


def counted(values: list[float]) -> Ints:
    return np.bincount(bin_of(np.array(values)), minlength=BINS)


def test_the_bound_is_below_a_thousandth() -> None:
    assert RELATIVE_ERROR <= 1e-3


@given(IN_RANGE)
def test_the_middle_of_a_bin_is_close_to_all_its_values(value: float) -> None:
    assert abs(float(value_of(bin_of(value))) - value) <= RELATIVE_ERROR * value


@pytest.mark.parametrize("octave", [LOWEST, -1, 0, 10, HIGHEST - 1])
def test_the_bound_holds_at_the_edges_of_bins(octave: int) -> None:
    edges = 2.0**octave * np.linspace(1.0, 2.0, 513)[:-1]
    for values in (edges, np.nextafter(edges[1:], 0.0)):
        error = np.abs(value_of(bin_of(values)) - values) / values
        assert error.max() <= RELATIVE_ERROR
    assert len(np.unique(bin_of(edges))) == 512
    np.testing.assert_array_equal(bin_of(np.nextafter(edges[1:], 0.0)), bin_of(edges[:-1]))
    np.testing.assert_array_equal(np.diff(bin_of(edges)), 1)


def test_every_bin_holds_its_middle() -> None:
    bins = np.arange(BINS)
    np.testing.assert_array_equal(bin_of(value_of(bins)), bins)
    assert (np.diff(value_of(bins)) > 0).all()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.0, 0), (-0.0, 0), (-1.0, 0), (5e-324, 1), (2.0**LOWEST / 3, 1), (2.0**LOWEST, 1),
        (np.nextafter(2.0**HIGHEST, 0.0), BINS - 2), (2.0**HIGHEST, BINS - 1), (1e300, BINS - 1), (np.inf, BINS - 1),
    ],
)  # fmt: skip
def test_ends_of_the_range(value: float, number: int) -> None:
    assert int(bin_of(value)) == number


@given(st.lists(st.floats(-1.0, 1e12), min_size=2))
def test_bins_keep_the_order_of_values(values: list[float]) -> None:
    assert (np.diff(bin_of(np.sort(values))) >= 0).all()


@given(st.lists(SECONDS, min_size=1, max_size=80), FRACTIONS)
def test_quantiles_are_close_to_the_value_of_the_same_rank(values: list[float], fraction: tuple[int, int]) -> None:
    exact = sorted(values)[nearest_rank(len(values), fraction)]
    found = quantile(counted(values), fraction, max(values))
    assert found is not None
    assert abs(found - exact) <= RELATIVE_ERROR * exact
    assert found <= max(values)
    without_top = quantile(counted(values), fraction)
    assert without_top is not None
    assert abs(without_top - exact) <= RELATIVE_ERROR * exact


@given(st.lists(st.lists(SECONDS, max_size=30), max_size=4))
def test_merging_is_sketching_everything(parts: list[list[float]]) -> None:
    together = counted([value for part in parts for value in part])
    np.testing.assert_array_equal(sum((counted(part) for part in parts), np.zeros(BINS, dtype=np.int64)), together)


@given(st.lists(SECONDS, min_size=1, max_size=60), st.lists(FRACTIONS, min_size=2, max_size=6))
def test_higher_quantiles_are_no_smaller(values: list[float], fractions: list[tuple[int, int]]) -> None:
    counts = counted(values)
    ascending = sorted(fractions, key=lambda pair: pair[0] / pair[1])
    found = [quantile(counts, fraction, max(values)) for fraction in ascending]
    assert found == sorted(found)  # type: ignore[type-var]


@given(st.lists(SECONDS, min_size=1, max_size=60), st.integers(0, 59), st.floats(1.0, 2.0))
def test_slower_requests_have_no_smaller_quantiles(values: list[float], row: int, factor: float) -> None:
    slower = list(values)
    slower[row % len(values)] *= factor
    for fraction in QUANTILES.values():
        before, after = (quantile(counted(item), fraction) for item in (values, slower))
        assert before is not None
        assert after is not None
        assert before <= after


@given(st.lists(SECONDS, max_size=60))
def test_a_summary_has_the_keys_of_the_exact_one(values: list[float]) -> None:
    found = summary(counted(values), sum(values), max(values, default=0.0))
    exact = exact_summary(np.array(values))
    assert list(found) == list(exact)
    for name, value in exact.items():
        assert found[name] == (None if value is None else pytest.approx(value, rel=RELATIVE_ERROR))
    if values:
        assert found["max"] == exact["max"]


def test_no_data_is_none() -> None:
    assert bin_at(counted([]), (1, 2)) is None
    assert quantile(counted([]), (1, 2)) is None


def test_ranks_are_exact_beyond_the_doubles() -> None:
    counts = np.zeros(BINS, dtype=np.int64)
    counts[100], counts[200] = 999 * 10**14, 10**14  # the p99.9 is the last value of the lower bin
    assert bin_at(counts, (999, 1000)) == 100
    counts[100] -= 1
    assert bin_at(counts, (999, 1000)) == 200
