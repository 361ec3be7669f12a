"""Length, bubbles, breakdown and activations of an iteration: what adds up, and cases known by hand."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.pipeline import (
    BW,
    B,
    Ending,
    F,
    Memory,
    Schedule,
    Times,
    W,
    before_after,
    breakdown,
    curve,
    evaluate,
    make,
    measure,
    memory_of,
    peaks,
    times_of,
    work_s,
)
from simulator.errors import ScenarioError
from tests.costs.pipeline.cases import schedules, stage_times


@st.composite
def runs(draw: st.DrawFn) -> tuple[Schedule, Times, Ending]:
    schedule = draw(schedules())
    ending = Ending(draw(st.sampled_from([0.0, 1.5])), draw(st.sampled_from([0.0, 0.5])), draw(st.booleans()))
    return schedule, draw(stage_times(schedule.stages)), ending


@given(runs())
def test_parts_of_the_breakdown_add_up(run: tuple[Schedule, Times, Ending]) -> None:
    schedule, times, ending = run
    parts = breakdown(evaluate(schedule, times, ending=ending))
    whole, *columns = astuple(parts)
    assert sum(columns) == pytest.approx(np.full(schedule.ranks, whole), rel=1e-9, abs=1e-12)
    assert all((column >= -1e-12 * whole).all() for column in columns)


@given(runs())
def test_bubbles_and_lengths(run: tuple[Schedule, Times, Ending]) -> None:
    """Nothing is shorter than the work of the slowest rank, no span is longer than the makespan."""
    schedule, times, ending = run
    line = evaluate(schedule, times, ending=ending)
    found = measure(line)
    assert found.ideal_s <= found.span_s * (1 + 1e-9)
    assert found.span_s <= found.makespan_s <= found.iteration_s
    assert -1e-9 <= found.bubble_span <= found.bubble_makespan <= 1.0
    assert found.busy_s == pytest.approx(work_s(schedule, times), rel=1e-9, abs=1e-9)
    assert found.spans_s.max() == found.span_s


@given(schedules(), st.floats(0.1, 5.0), st.floats(0.1, 5.0), st.floats(0.0, 5.0))
def test_work_is_that_of_m_microbatches(schedule: Schedule, forward: float, backward: float, weight: float) -> None:
    """With equal stages every rank has m (F + B + W), where a rank's share of the model is one of p stages."""
    parts = schedule.stages / schedule.ranks
    times = times_of(schedule.stages, forward / parts, backward / parts, weight / parts)
    stage = forward if schedule.forward_only else forward + backward + weight
    assert work_s(schedule, times) == pytest.approx(np.full(schedule.ranks, schedule.microbatches * stage), rel=1e-9)


def test_breakdown_by_hand() -> None:
    """1F1B, two ranks, two microbatches, F = 1, B + W = 2, c = 0.25: rank 0 runs 0-1, 1-2, 4.5-6.5, 7.5-9.5."""
    line = evaluate(make("1f1b", 2, 2), times_of(2, 1.0, 1.0, 1.0, 0.25), ending=Ending(0.5, 0.125))
    assert line.of_rank(line.start, 0).tolist() == [0.0, 1.0, 4.5, 7.5]
    assert line.of_rank(line.start, 1).tolist() == [1.25, 2.25, 4.25, 5.25]
    found = breakdown(line)
    assert found.iteration_s == 10.125
    assert found.compute.tolist() == [6.0, 6.0]
    assert found.warm_up.tolist() == [0.0, 1.25]
    assert found.transfer.tolist() == [0.5, 0.0]
    assert found.steady.tolist() == [3.0, 0.0]
    assert found.cool_down.tolist() == [0.0, 2.25]
    assert found.all_reduce.tolist() == [0.5, 0.5]
    assert found.optimizer.tolist() == [0.125, 0.125]


@given(schedules(), st.floats(0.1, 5.0), st.floats(0.0, 1.0))
def test_activations_are_given_back(schedule: Schedule, activation: float, share: float) -> None:
    memory = memory_of(schedule.stages, activation, share * activation)
    during, after = before_after(schedule, memory)
    assert after[schedule.arrays.first[1:] - 1] == pytest.approx(np.zeros(schedule.ranks), abs=1e-9)
    assert (during >= after - 1e-9).all()
    assert (after >= -1e-9).all()
    assert (peaks(schedule, memory) >= activation).all()


@given(runs(), st.floats(0.0, 1.0))
def test_peaks_are_the_highest_points_of_the_curves(run: tuple[Schedule, Times, Ending], share: float) -> None:
    """Where ops take time: at one instant only the outcome of several jumps is seen."""
    schedule, times, _ = run
    times = times_of(schedule.stages, times.forward + 0.1, times.backward_input + 0.1, times.backward_weight + 0.1)
    line, memory = evaluate(schedule, times), memory_of(schedule.stages, 1.0, share)
    for rank, peak in enumerate(peaks(schedule, memory)):
        held = curve(schedule, memory, line.start, line.end, rank)
        assert held.value.max() == pytest.approx(peak, rel=1e-9)
        assert (np.diff(held.instant_s) > 0.0).all()
        assert held.value[-1] == pytest.approx(0.0, abs=1e-9)


def test_activations_by_hand() -> None:
    """ZB-H1, two ranks, rank 1: F0 B0 F1 B1 W0 W1 holds one microbatch and what W keeps of the others."""
    schedule = make("zb-h1", 2, 2)
    assert [op.kind for op in schedule.orders[1]] == [F, B, F, B, W, W]
    memory = memory_of(2, 4.0, 1.0)
    during, after = (values[6:].tolist() for values in before_after(schedule, memory))
    assert during == [4.0, 4.0, 5.0, 5.0, 2.0, 1.0]
    assert after == [4.0, 1.0, 5.0, 2.0, 1.0, 0.0]
    line = evaluate(schedule, times_of(2, 1.0, 1.0, 1.0))
    held = curve(schedule, memory, line.start, line.end, 1)
    assert held.instant_s.tolist() == [1.0, 3.0, 5.0, 6.0, 7.0]
    assert held.value.tolist() == [4.0, 5.0, 2.0, 1.0, 0.0]


def test_both_halves_of_a_fused_cell_are_held_while_it_runs() -> None:
    schedule = make("dualpipe-v", 2, 4)
    memory = memory_of(4, 1.0, 0.0)
    during, _ = before_after(schedule, memory)
    second = np.flatnonzero(schedule.arrays.fused)
    assert second.size
    assert all(schedule.arrays.kind[second] == BW)
    assert (during[second] == during[second - 1]).all()


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ScenarioError, match="activations of 3 stages, but schedule gpipe has 2"):
        peaks(make("gpipe", 2, 2), memory_of(3))
    with pytest.raises(ScenarioError, match="finite sizes from 0"):
        memory_of(2, -1.0)
    with pytest.raises(ScenarioError, match="as many kept as held"):
        Memory(np.ones(2), np.ones(3))
