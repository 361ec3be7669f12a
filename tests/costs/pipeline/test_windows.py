"""Idle windows: the closed forms, and laws of those read off a timeline."""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.pipeline import (
    Ending,
    Schedule,
    Times,
    Window,
    Windows,
    back_to_back,
    evaluate,
    gpipe_windows,
    holds,
    idle_windows,
    make,
    memory_of,
    one_f_one_b_windows,
    times_of,
    windows_of,
)
from simulator.costs.pipeline.memory import curve
from simulator.errors import ScenarioError
from tests.costs.pipeline.cases import schedules, stage_times

FORMS = {"gpipe": gpipe_windows, "1f1b": one_f_one_b_windows}
FORWARD, INPUT, WEIGHT = 0.31, 0.2, 0.217
BACKWARD = INPUT + WEIGHT


def same(found: Windows, form: Windows, scale: float) -> None:
    np.testing.assert_array_equal(found.rank, form.rank)
    np.testing.assert_allclose(found.start_s, form.start_s, rtol=0.0, atol=1e-12 * scale)
    np.testing.assert_allclose(found.length_s, form.length_s, rtol=0.0, atol=1e-12 * scale)


@pytest.mark.parametrize("ranks", range(1, 17))
@pytest.mark.parametrize("name", FORMS)
def test_closed_forms(name: str, ranks: int) -> None:
    """Number, positions and lengths on every rank; GPipe up to m = 4 p, 1F1B from p to 4 p."""
    times = times_of(ranks, FORWARD, INPUT, WEIGHT)
    for microbatches in range(1 if name == "gpipe" else ranks, 4 * ranks + 1):
        line = evaluate(make(name, ranks, microbatches), times)
        form = FORMS[name](ranks, microbatches, FORWARD, BACKWARD)
        same(idle_windows(line), form, float(line.finish.max()))
        assert form.idle_s() == pytest.approx((ranks - 1) * (FORWARD + BACKWARD), rel=1e-9)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(("ranks", "microbatches"), [(1, 3), (4, 4), (4, 9), (8, 16)])
def test_closed_forms_of_iterations_back_to_back(name: str, ranks: int, microbatches: int) -> None:
    """Between two iterations rank s has one window of s (F + B)."""
    lines = back_to_back(make(name, ranks, microbatches), times_of(ranks, FORWARD, INPUT, WEIGHT), 4)
    form = FORMS[name](ranks, microbatches, FORWARD, BACKWARD, iterations=4)
    same(idle_windows(lines), form, float(lines[-1].finish.max()))
    period = (microbatches + ranks - 1) * (FORWARD + BACKWARD)
    for rank in range(1, ranks):
        between = form.at(rank, 2 * period)
        assert between is not None
        assert between.length_s == pytest.approx(rank * (FORWARD + BACKWARD), rel=1e-9)


@given(st.integers(2, 12), st.integers(0, 20), st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_share_of_idle_time_in_one_piece(ranks: int, more: int, forward: float, backward: float) -> None:
    """Of 1F1B's idle time, averaged over ranks, 1 - F / (2 (F + B)) is in windows longer than the short ones of F."""
    form = one_f_one_b_windows(ranks, ranks + more, forward, backward)
    short = (ranks - 1) / 2 * forward
    assert 1.0 - short / form.idle_s().mean() == pytest.approx(1.0 - forward / (2 * (forward + backward)), rel=1e-9)


@st.composite
def iterations(draw: st.DrawFn) -> tuple[Schedule, Times, Ending, int]:
    schedule = draw(schedules(most=4))
    ending = Ending(draw(st.sampled_from([0.0, 1.5])), draw(st.sampled_from([0.0, 0.5])), draw(st.booleans()))
    return schedule, draw(stage_times(schedule.stages)), ending, draw(st.integers(1, 3))


@given(iterations())
def test_windows_never_overlap_an_op_and_cover_the_rest(case: tuple[Schedule, Times, Ending, int]) -> None:
    schedule, times, ending, count = case
    lines = back_to_back(schedule, times, count, ending=ending)
    windows = idle_windows(lines)
    total = float(lines[-1].finish.max())
    for rank in range(schedule.ranks):
        mine = windows.of_rank(rank)
        busy = [
            (float(a), float(b))
            for line in lines
            for a, b in zip(line.of_rank(line.start, rank), line.of_rank(line.end, rank))
        ]
        busy += [(float(line.compute_end[rank]), float(line.reduced[rank])) for line in lines]
        sent = [line.of_rank(line.end + holds(schedule, times), rank) for line in lines]
        held = [
            (float(x), float(y)) for line, ends in zip(lines, sent) for x, y in zip(line.of_rank(line.end, rank), ends)
        ]
        busy += [(float(line.step[rank]), float(line.finish[rank])) for line in lines]
        for window in mine:
            assert all(end <= window.start_s or start >= window.end_s for start, end in busy + held if start < end)
        assert all(one.end_s <= two.start_s for one, two in pairwise(mine))
        if times.overlap:
            fused = np.tile(schedule.arrays.fused[schedule.arrays.first[rank] : schedule.arrays.first[rank + 1]], count)
            ops = busy[: len(fused)]
            work = sum(b - a for (a, b), inside in zip(ops, fused) if not inside) + sum(
                b - a for a, b in busy[len(fused) :]
            )
            assert windows.idle_s()[rank] == pytest.approx(total - work, rel=1e-9, abs=1e-9 * total)


@given(iterations(), st.floats(0.0, 2.0), st.floats(0.0, 1.0))
def test_free_memory_is_what_activations_leave(
    case: tuple[Schedule, Times, Ending, int], activation: float, share: float
) -> None:
    schedule, times, ending, _ = case
    line = evaluate(schedule, times, ending=ending)
    memory = memory_of(schedule.stages, activation, share * activation)
    windows = idle_windows(line, memory=memory, capacity=np.arange(100.0, 100.0 + schedule.ranks))
    for window in windows:
        held = curve(schedule, memory, line.start, line.end, window.rank)
        middle = window.start_s + window.length_s / 2
        now = np.searchsorted(held.instant_s, middle, side="right") - 1
        value = held.value[now] if now >= 0 else 0.0
        assert window.free == pytest.approx(100.0 + window.rank - value, abs=1e-9)


@given(iterations(), st.floats(0.0, 20.0), st.floats(0.0, 60.0), st.data())
def test_queries_say_what_a_search_through_all_windows_says(
    case: tuple[Schedule, Times, Ending, int], length: float, instant: float, data: st.DataObject
) -> None:
    schedule, times, ending, _ = case
    windows = idle_windows(evaluate(schedule, times, ending=ending), memory=memory_of(schedule.stages), capacity=9.0)
    rank = data.draw(st.integers(0, schedule.ranks - 1))
    memory = data.draw(st.sampled_from([0.0, 6.0, 8.0]))
    mine = [window for window in windows if window.rank == rank]
    assert windows.at(rank, instant) == next((w for w in mine if w.start_s <= instant < w.end_s), None)
    found = windows.first_fit(rank, length, since_s=instant, memory=memory)
    fitting = [w for w in mine if max(w.start_s, instant) + length <= w.end_s and w.free >= memory]
    if not fitting:
        assert found is None
    else:
        start = max(fitting[0].start_s, instant)
        assert found == Window(rank, start, fitting[0].end_s, fitting[0].free)


def test_a_query_takes_less_than_a_millisecond() -> None:
    """Mean of 600 over the windows of the largest pipeline asked for, three iterations of it."""
    schedule = make("interleaved-1f1b", 32, 256, 2)
    times = times_of(64, 1.0, 1.0, 1.0, 0.05)
    windows = idle_windows(back_to_back(schedule, times, 3))
    assert len(windows) > 1_000
    end = float(windows.end_s.max())
    begin = perf_counter()
    for k in range(300):
        windows.at(k % 32, end * k / 300)
        windows.first_fit(k % 32, 2.5, since_s=end * k / 300)
    assert (perf_counter() - begin) / 600 < 1e-3


def test_windows_are_clipped_and_sorted() -> None:
    line = evaluate(make("gpipe", 2, 2), times_of(2, 1.0, 1.0, 1.0))
    assert [tuple(w)[:3] for w in idle_windows(line, since_s=0.5, until_s=8.0)] == [
        (0, 2.0, 5.0),
        (1, 0.5, 1.0),
        (1, 7.0, 8.0),
    ]
    rows = [Window(1, 0.0, 1.0, 5.0), Window(0, 3.0, 4.0, 5.0), Window(0, 1.0, 2.0, 5.0)]
    assert list(windows_of(rows, 2)) == sorted(rows)
    assert len(windows_of([], 3)) == 0
    assert windows_of([], 3).first_fit(2, 0.0) is None


def test_closed_forms_are_refused_outside_their_domain() -> None:
    with pytest.raises(ScenarioError, match="at least p = 4 microbatches, got 3"):
        one_f_one_b_windows(4, 3, 1.0, 1.0)
    with pytest.raises(ScenarioError, match="not negative"):
        gpipe_windows(4, 3, -1.0, 1.0)
