"""Batch service against special cases with closed forms and a second method."""

import math

import numpy as np
import pytest

from tests.oracles import bulk, general


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_batches_of_one_are_md1(load: float) -> None:
    wait_s, mean_batch = bulk.bulk_wait(load, lambda _: 1.0, 1)
    assert wait_s == pytest.approx(general.mg1_wait(load, 1.0, 0.0))
    assert mean_batch == pytest.approx(1.0)


@pytest.mark.parametrize("load", [0.5, 2.0, 6.0])
def test_unlimited_batches_by_hand(load: float) -> None:
    """Every batch leaves Poisson(a) behind and takes all: L_q = (a T / 2) / (T + exp(-a) / rate)."""
    by_hand = (load * 1.0 / 2) / (1.0 + math.exp(-load) / load) / load
    wait_s, mean_batch = bulk.bulk_wait(load, lambda _: 1.0, 300)
    assert wait_s == pytest.approx(by_hand)
    assert mean_batch == pytest.approx(load + math.exp(-load))


@pytest.mark.parametrize(("load", "limit"), [(0.7, 1), (1.5, 2), (3.2, 4), (6.0, 8), (3.8, 4)])
def test_constant_times_by_two_methods(load: float, limit: int) -> None:
    by_roots = bulk.constant_bulk_wait(load / 0.1, 0.1, limit)
    assert by_roots == pytest.approx(bulk.bulk_wait(load / 0.1, lambda _: 0.1, limit)[0], rel=1e-8)


def test_time_in_proportion_to_the_batch_by_hand() -> None:
    """b = 2, T(n) = n: at light load only the residual time of a single is waited for, rate T^2 / 2 = rate /
    2.
    """
    rate = 1e-4
    assert bulk.bulk_wait(rate, lambda n: float(n), 2)[0] == pytest.approx(rate / 2, rel=1e-3)


@pytest.mark.parametrize("limit", [3, 50])
def test_linear_times_by_a_plain_loop(limit: int) -> None:
    """One loop over Poisson arrivals, no chain: mean wait and mean batch within 4 standard errors."""
    rate, runs, count = 1.2, 20, 20_000
    rng = np.random.default_rng(5)
    waits, batches = np.empty(runs), np.empty(runs)
    for run in range(runs):
        arrivals = np.cumsum(rng.exponential(1 / rate, count))
        free, first, starts, total = 0.0, 0, 0, 0.0
        while first < count:
            start = max(free, arrivals[first])
            size = min(limit, int(np.searchsorted(arrivals, start, "right")) - first)
            total += start * size
            free, first, starts = start + 0.3 + 0.4 * size, first + size, starts + 1
        waits[run], batches[run] = (total - arrivals.sum()) / count, count / starts
    wait_s, mean_batch = bulk.bulk_wait(rate, lambda n: 0.3 + 0.4 * n, limit)
    for sample, wanted in ((waits, wait_s), (batches, mean_batch)):
        error = sample.std(ddof=1) / math.sqrt(runs)
        assert error < 0.01 * wanted
        assert abs(sample.mean() - wanted) < 4 * error


def test_no_steady_state_is_refused() -> None:
    with pytest.raises(ValueError, match="steady state"):
        bulk.constant_bulk_wait(40.0, 0.1, 4)


def test_timer_fill_by_hand() -> None:
    """b = 2: the pair starts at min(w, gap): mean batch 2 - exp(-rw), the first waits (1 - exp(-rw)) / r."""
    wait_s, mean_batch = bulk.timer_fill(2.0, 0.5, 2)
    gone = 1 - math.exp(-1.0)
    assert mean_batch == pytest.approx(1 + gone)
    assert wait_s == pytest.approx(gone / 2.0 / (1 + gone))


def test_timer_fill_limits() -> None:
    """A long timer: full batches, mean wait (b - 1) / (2 r); a huge limit: all wait on average w + r w^2 / 2
    per batch.
    """
    assert bulk.timer_fill(4.0, 1e3, 5) == pytest.approx((0.5, 5.0))
    assert bulk.timer_fill(4.0, 0.5, 200) == pytest.approx(((0.5 + 4 * 0.125) / 3, 3.0))
