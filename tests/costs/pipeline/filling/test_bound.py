"""The bound on a second training: theory first, then against everything that was found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.costs.pipeline import Ending, make, one_f_one_b_windows, rank_times
from simulator.costs.pipeline.filling import cycle_of, demand_of, periods_per_iteration, steady_lines
from simulator.errors import ScenarioError


def cycle(name, ranks, microbatches, forward=1.0, backward=2.0, **more):
    schedule = make(name, ranks, microbatches)
    return cycle_of(steady_lines(schedule, rank_times(schedule, forward, backward / 2, backward / 2), **more))


def demand(name, ranks, microbatches, forward=1.0, backward=2.0):
    schedule = make(name, ranks, microbatches)
    return demand_of(schedule, rank_times(schedule, forward, backward / 2, backward / 2))


@pytest.mark.parametrize("forward", [1.0, 2.0, 18.5])
@pytest.mark.parametrize("backward", [1.0, 2.0, 27.3])
@pytest.mark.parametrize("main", ["1f1b", "gpipe"])
def test_eight_microbatches_with_a_barrier_need_two_periods(main, forward, backward):
    """p = m = 8: 4/5 of the time at most, whatever a backward takes relative to a forward."""
    periods = periods_per_iteration(
        cycle(main, 8, 8, forward, backward), demand("1f1b", 8, 8, forward, backward), barrier=True
    )
    assert periods == pytest.approx(2.0, abs=1e-8)
    assert (8 + 8 / periods) / 15 == pytest.approx(0.8, abs=1e-8)


@given(st.integers(2, 8), st.integers(1, 3), st.floats(0.2, 3.0), st.data())
@settings(max_examples=30, deadline=None)
def test_a_barrier_costs_at_least_the_idle_time_and_at_most_the_way_through_the_pipeline(ranks, factor, backward, data):
    microbatches = factor * ranks
    second = data.draw(st.integers(1, 3 * ranks))
    found = periods_per_iteration(
        cycle("1f1b", ranks, microbatches, 1.0, backward), demand("1f1b", ranks, second, 1.0, backward), barrier=True
    )
    area = second / (ranks - 1)
    assert found >= area * (1 - 1e-8)
    assert found <= np.ceil(area) + 2 + 1e-8  # the way down and up again takes less than a period


@given(st.integers(2, 8), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_without_a_barrier_only_idle_time_counts(ranks, microbatches, second):
    found = periods_per_iteration(cycle("1f1b", ranks, microbatches), demand("1f1b", ranks, second), barrier=False)
    assert found == pytest.approx(second / (ranks - 1))


def test_seven_microbatches_fit_one_period():
    assert periods_per_iteration(cycle("1f1b", 8, 8), demand("1f1b", 8, 7), barrier=True) == pytest.approx(1.0)


def test_the_cycle_idles_as_the_closed_form_says():
    found = cycle("1f1b", 5, 9)
    windows = one_f_one_b_windows(5, 9, 1.0, 2.0)
    assert found.period_s == pytest.approx(13 * 3.0)
    assert found.idle_s == pytest.approx(windows.idle_s())


def test_work_is_done_when_the_idle_time_is_used_up():
    found = cycle("gpipe", 2, 2)  # rank 1: F F at 1..3, backward at 3..7, of a period of 9
    begin = found.origin_s + 9.0
    assert found.after(1, begin + 1.0, 1.0) == pytest.approx(begin + 8.0)
    assert found.after(1, begin + 7.0, 3.0) == pytest.approx(begin + 10.0)
    assert found.after(1, begin + 7.0, 3.5) == pytest.approx(begin + 16.5)


def test_more_work_at_the_end_makes_the_bound_higher():
    schedule = make("1f1b", 4, 4)
    times = rank_times(schedule, 1.0, 1.0, 1.0)
    main = cycle_of(steady_lines(schedule, times, Ending(optimizer=2.0)))
    light, heavy = (
        periods_per_iteration(main, demand_of(schedule, times, update), barrier=True) for update in (0.0, 2.0)
    )
    assert heavy >= light


def test_a_single_device_never_idles():
    assert periods_per_iteration(cycle("1f1b", 1, 4), demand("1f1b", 1, 4), barrier=False) == float("inf")


def test_iterations_that_differ_are_no_steady_state():
    schedule = make("1f1b", 2, 2)
    times = rank_times(schedule, 1.0, 1.0, 1.0)
    lines = steady_lines(schedule, times)
    slow = steady_lines(schedule, rank_times(schedule, 2.0, 1.0, 1.0))
    with pytest.raises(ScenarioError):
        cycle_of([lines[0], slow[-1]])
