"""Time of batches: expectations against every possible composition, against sampling, and in their limits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.costs.base import Affine, FloorAffine
from simulator.costs.early_exit import (
    binomial,
    compact_batch,
    expected_compact,
    expected_transfer,
    law_times,
    layer_times,
    measured_ramps,
    reach,
    relative_ramps,
    transfer_times,
)
from simulator.errors import ScenarioError
from simulator.streams import stream
from tests.estimates import assert_agrees, interval

LAYERS = np.array([[0, 5, 6, 9], [0, 3, 3.5, 3.6], [0, 4, 7, 7.5], [0, 2, 2.5, 5]])
"""Times of four unlike layers for up to three requests, bent and not affine."""
RAMPS = relative_ramps(LAYERS, 0.25)
GATHER = np.array([[0, 0.3, 0.5, 0.6], [0, 0.2, 0.3, 0.4], [0, 0.5, 0.6, 0.7], [0, 9, 9, 9]])
ROWS = np.array([1, 1, 2, 4, 4])
"""Layer after which each row of a small table leaves."""


@pytest.mark.parametrize("batch", [1, 2, 7, 64, 1000])
def test_binomial(batch: int) -> None:
    shares = np.array([0.0, 1e-9, 0.3, 0.5, 0.999, 1.0])
    wanted = stats.binom.pmf(np.arange(batch + 1), batch, shares[:, None])
    assert binomial(batch, shares) == pytest.approx(wanted, rel=1e-9, abs=1e-15)


def test_a_batch_shrinks_ramp_by_ramp() -> None:
    """Worked by hand: three run layer 1, two run layer 2, one runs layers 3 and 4."""
    batch = compact_batch([1, 4, 2], LAYERS, RAMPS, GATHER)
    assert batch == pytest.approx((9 + 2.25) + 0.5 + (3.5 + 0.875) + 0.2 + (4 + 1) + 2)
    assert compact_batch([1, 1, 1], LAYERS, RAMPS, GATHER) == pytest.approx(9 + 2.25)
    assert compact_batch([4, 4, 4], LAYERS, RAMPS, GATHER) == pytest.approx((9 + 3.6 + 7.5) * 1.25 + 5)


def test_a_portion_sees_its_own_layers() -> None:
    inner = compact_batch([2, 4, 3], LAYERS[1:3], RAMPS[1:3], GATHER[1:3], first=2)
    assert inner == pytest.approx(3.6 * 1.25 + 0.3 + 7 * 1.25)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize(("first", "last"), [(1, 4), (2, 4), (1, 2), (3, 3)])
def test_expectation_is_the_mean_over_all_compositions(batch: int, first: int, last: int) -> None:
    inside = ROWS[first <= ROWS]
    share = reach(ROWS, 4)
    rows = slice(first - 1, last)
    every = np.array(list(product(inside, repeat=batch)))
    mean = compact_batch(every, LAYERS[rows], RAMPS[rows], GATHER[rows], first).mean()
    expected = expected_compact(share[rows] / share[first - 1], batch, LAYERS[rows], RAMPS[rows], GATHER[rows])
    assert expected == pytest.approx(mean, rel=1e-12)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(1, 3))
def test_expectation_is_exact_for_any_table(leaving: list[int], batch: int) -> None:
    every = np.array(list(product(leaving, repeat=batch)))
    mean = compact_batch(every, LAYERS, RAMPS, GATHER).mean()
    assert expected_compact(reach(leaving, 4), batch, LAYERS, RAMPS, GATHER) == pytest.approx(mean, rel=1e-12)


def test_expectation_agrees_with_sampled_batches() -> None:
    """20,000 batches of 16: a wrong formula is seen at 1 %, a right one fails for 1 in 1000 seeds."""
    layers = law_times([FloorAffine(2.0, 1.0, 0.3)] * 12, 16)
    ramps, gather = relative_ramps(layers, 0.19), 0.05 * layers
    rng = stream(2, "compositions")
    rows = rng.integers(1, 13, 300)
    times = compact_batch(rows[rng.integers(0, 300, (20_000, 16))], layers, ramps, gather)
    assert_agrees(interval(times), expected_compact(reach(rows, 12), 16, layers, ramps, gather), sees=0.01)


def test_time_of_the_mean_is_not_the_mean_time() -> None:
    """Two requests, half of them leave: with one in three batches empty the mean batch of one is too dear."""
    layers = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    assert expected_compact([1.0, 0.5], 2, layers) == pytest.approx(1 + 0.75)


def test_nobody_leaves_and_all_leave() -> None:
    assert expected_compact(np.ones(4), 3, LAYERS, RAMPS, GATHER) == pytest.approx(
        LAYERS[:, 3].sum() + RAMPS[:, 3].sum()
    )
    assert expected_compact([1, 0, 0, 0], 3, LAYERS, RAMPS, GATHER) == pytest.approx(9 * 1.25)


def test_gathering_is_paid_where_some_leave_and_some_stay() -> None:
    flat = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    free = expected_compact([1.0, 0.5], 2, flat)
    # Of two requests one leaves and one stays in half of the batches.
    assert expected_compact([1.0, 0.5], 2, flat, gather=0.1 * flat) == pytest.approx(free + 0.5 * 0.1)


def test_transfer_of_random_survivors() -> None:
    transfer = transfer_times(3, item_bytes=6e6, bandwidth=12e9, latency_s=1e-3)
    assert transfer.tolist() == pytest.approx([0, 1.5e-3, 2e-3, 2.5e-3])
    assert expected_transfer(0.5, 3, transfer) == pytest.approx(1e-3 * 7 / 8 + 1.5 * 0.5e-3)
    paid = transfer_times(3, 6e6, 12e9, 1e-3, empty_free=False)
    assert expected_transfer(0.5, 3, paid) == pytest.approx(1e-3 + 1.5 * 0.5e-3)
    assert expected_transfer(0.0, 3, transfer) == 0.0
    assert expected_transfer(1.0, 3, transfer) == pytest.approx(2.5e-3)


def test_times_of_layers_and_ramps() -> None:
    assert layer_times(1.0, 0.5, 2, layers=2).tolist() == [[0, 1.5, 2], [0, 1.5, 2]]
    assert layer_times([1, 2], [0.5, 0], 2).tolist() == [[0, 1.5, 2], [0, 2, 2]]
    assert law_times([Affine(1.0, 0.5)] * 2, 2).tolist() == layer_times(1.0, 0.5, 2, layers=2).tolist()
    layers = layer_times(1.0, 1.0, 2, layers=3)
    assert relative_ramps(layers, 0.5, [2, 3]).tolist() == [[0, 0, 0], [0, 1, 1.5], [0, 0, 0]]
    assert measured_ramps(Affine(0.1, 0.0), 3, 2).tolist() == [[0, 0.1, 0.1], [0, 0.1, 0.1], [0, 0, 0]]
    with pytest.raises(ScenarioError, match="a ramp after layer 4: the model has layers 1 to 3"):
        relative_ramps(layers, 0.5, [4])
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ScenarioError, match="finite and at least 0"):
            layer_times(wrong, 0.0, 2)
