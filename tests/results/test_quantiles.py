"""Nearest-rank percentiles, exactly."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.results.quantiles import QUANTILES, nearest_rank, percentiles, summary


@given(count=st.integers(1, 10**12), name=st.sampled_from(sorted(QUANTILES)))
def test_rank_is_the_ceiling_of_the_exact_product(count: int, name: str) -> None:
    assert nearest_rank(count, QUANTILES[name]) == ceil(Fraction(*QUANTILES[name]) * count) - 1


@pytest.mark.parametrize(
    ("count", "name", "rank"),
    [(1000, "p999", 998), (1001, "p999", 999), (100, "p99", 98), (1, "p50", 0), (2, "p50", 0), (3, "p50", 1)],
)
def test_ranks_by_hand(count: int, name: str, rank: int) -> None:
    assert nearest_rank(count, QUANTILES[name]) == rank


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_percentiles_are_values_of_the_sample_at_their_rank(values: list[float]) -> None:
    found = percentiles(np.array(values), tuple(QUANTILES))
    for name, value in found.items():
        assert value == sorted(values)[nearest_rank(len(values), QUANTILES[name])]


def test_summary_of_a_thousand() -> None:
    found = summary(np.arange(1000.0, 0.0, -1.0))
    assert found == {"mean": 500.5, "p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999, "max": 1000}


def test_no_data_is_none() -> None:
    assert set(summary(np.array([])).values()) == {None}
