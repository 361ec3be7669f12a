"""What fits, which piece a policy takes, and how far the greedy policies are from the optimum."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.costs.pipeline import BW, Window, make, one_f_one_b_windows, rank_times, windows_of
from simulator.costs.pipeline.filling import (
    POLICIES,
    Candidate,
    Fit,
    Job,
    best_mix,
    drifted,
    fill,
    is_small,
    measured_times,
    optimum,
)
from simulator.costs.pipeline.timeline import evaluate
from simulator.errors import ScenarioError

LENGTHS = st.floats(0.05, 3.0)
FITS = st.builds(Fit, switch_s=st.sampled_from([0.0, 0.1, 0.5]), margin=st.sampled_from([0.0, 0.05, 0.3]))


def test_a_piece_fits_by_its_margin_the_switch_and_memory():
    fit = Fit(switch_s=0.5, margin=0.1)
    windows = windows_of([Window(0, 1.0, 2.6, 4.0)], 1)
    assert fill(windows, [Job("just", (1.0,), memory=4.0)], POLICIES["first_fit"], fit).work_s == 1.0
    assert fill(windows, [Job("long", (1.001,))], POLICIES["first_fit"], fit).work_s == 0.0
    assert fill(windows, [Job("big", (0.5,), memory=4.1)], POLICIES["first_fit"], fit).work_s == 0.0


def test_pieces_of_one_job_pay_the_switch_once():
    fit = Fit(switch_s=0.5)
    windows = windows_of([Window(0, 0.0, 2.5, 1.0)], 1)
    assert fill(windows, [Job("a", (1.0,))], POLICIES["first_fit"], fit).work_s == 2.0
    two = fill(windows, [Job("a", (1.0,), rounds=1), Job("b", (1.0,), rounds=1)], POLICIES["first_fit"], fit)
    assert two.work_s == 1.0


def test_what_each_policy_takes():
    offered = [
        Candidate(0, 2.0),
        Candidate(1, 3.0, deadline_s=9.0),
        Candidate(2, 1.5, deadline_s=5.0),
        Candidate(3, 2.5),
    ]
    taken = {name: policy.choose(offered, 5.0, Fit()).job for name, policy in POLICIES.items()}
    assert taken == {"first_fit": 0, "best_fit": 1, "shortest_first": 2, "deadline": 2, "utilization": 1}
    assert best_mix(offered, 5.0, Fit()) == (1, 1, 0, 0)
    assert best_mix(offered, 5.0, Fit(switch_s=0.6)) == (2, 0, 0, 0)


@given(st.lists(LENGTHS, min_size=1, max_size=4), st.floats(0.1, 6.0), FITS)
@settings(max_examples=40, deadline=None)
def test_the_best_mix_is_the_best_of_all(seconds, room, fit):
    found = best_mix([Candidate(i, t) for i, t in enumerate(seconds)], room, fit)
    most = [int(room / t) + 1 for t in seconds]
    if math.prod(m + 1 for m in most) > 20_000:
        return

    def work(counts):
        """None if the counts do not fit, longest pieces first."""
        now, total = 0.0, 0.0
        for i in sorted(range(len(counts)), key=lambda i: -seconds[i]):
            lead = fit.switch_s if counts[i] else 0.0
            now += lead
            for _ in range(counts[i]):
                if fit.end_s(now, seconds[i], change=False) > fit.limit_s(room):
                    return None
                now, total = now + seconds[i], total + seconds[i]
        return total

    best = max(value for counts in product(*(range(m + 1) for m in most)) if (value := work(counts)) is not None)
    assert work(found) == pytest.approx(best, rel=1e-9)


@given(
    st.lists(LENGTHS, min_size=1, max_size=3),
    st.lists(st.tuples(st.floats(0.1, 4.0), st.sampled_from([1.0, 3.0])), min_size=1, max_size=5),
    st.sampled_from([math.inf, 2, 5]),
    FITS,
)
@settings(max_examples=40, deadline=None)
def test_no_policy_beats_the_optimum_and_pieces_stay_inside(seconds, rooms, rounds, fit):
    jobs = [Job(f"j{i}", (t,), memory=float(i), rounds=rounds) for i, t in enumerate(seconds)]
    windows = windows_of([Window(i, 1.0, 1.0 + length, free) for i, (length, free) in enumerate(rooms)], len(rooms))
    best = optimum(windows, jobs, fit)
    assert best.work_s <= best.bound_s * (1 + 1e-9)
    for policy in POLICIES.values():
        filled = fill(windows, jobs, policy, fit)
        assert filled.work_s <= best.bound_s * (1 + 1e-6) + 1e-9
        for piece in filled.pieces:
            window = windows[piece.window]
            assert window.start_s <= piece.start_s <= piece.end_s <= window.end_s
            assert jobs[piece.job].memory <= window.free
        for number in range(len(jobs)):
            assert sum(piece.job == number for piece in filled.pieces) <= rounds


def test_the_optimum_of_a_case_that_greedy_misses():
    """5 = 2.5 + 2.5, but best fit starts with 3 and then has no piece for 2."""
    windows = windows_of([Window(0, 0.0, 5.0, 1.0)], 1)
    jobs = [Job("three", (3.0,)), Job("half", (2.5,))]
    assert optimum(windows, jobs, Fit()).work_s == pytest.approx(5.0)
    assert fill(windows, jobs, POLICIES["best_fit"], Fit()).work_s == 3.0
    assert fill(windows, jobs, POLICIES["utilization"], Fit()).work_s == 5.0
    limited = [Job("three", (3.0,)), Job("half", (2.5,), rounds=1)]
    assert optimum(windows, limited, Fit()).work_s == pytest.approx(3.0)


def test_only_small_cases_with_single_steps_have_an_optimum():
    windows = one_f_one_b_windows(8, 16, 1.0, 2.0)
    assert not is_small(windows, [Job(str(i), (0.3,)) for i in range(100)])
    assert not is_small(windows_of([], 1), [Job("model", (1.0, 1.0))])


def test_a_job_of_many_steps_is_cut_to_the_windows():
    windows = windows_of([Window(0, 0.0, 3.5, 1.0), Window(0, 5.0, 10.0, 1.0), Window(1, 0.0, 1.5, 1.0)], 2)
    filled = fill(windows, [Job("model", (1.0, 2.0, 3.0), rounds=2)], POLICIES["first_fit"], Fit())
    steps = [(piece.window, piece.steps) for piece in filled.pieces]
    assert sorted(steps) == [(0, 2), (1, 1), (2, 1)]  # rank 0: 1 + 2, then 3; rank 1: its own round begins


def test_a_job_that_splits_fills_everything():
    windows = one_f_one_b_windows(4, 6, 1.0, 2.0)
    whole = fill(windows, [Job("long", (100.0,), splits=True)], POLICIES["first_fit"], Fit())
    assert whole.efficiency == pytest.approx(1.0)
    assert fill(windows, [Job("long", (100.0,))], POLICIES["first_fit"], Fit()).work_s == 0.0


@pytest.mark.parametrize("share", [2, 3, 5, 7])
def test_pieces_that_divide_the_windows_leave_nothing(share):
    """Although sums of sevenths and the ends of windows differ in their last bits."""
    windows = one_f_one_b_windows(4, 6, 0.7, 0.7, iterations=3)
    filled = fill(windows, [Job("part", (0.7 / share,))], POLICIES["best_fit"], Fit())
    assert filled.efficiency == pytest.approx(1.0, abs=1e-9)
    assert all(piece.end_s <= windows[piece.window].end_s for piece in filled.pieces)


@pytest.mark.parametrize(("backward", "share"), [(1.5, 0.8), (2.0, 5 / 6)])
def test_pieces_longer_than_a_forward_reach_the_contiguous_share_of_1f1b(backward, share):
    """1 - F / (2 (F + B)) of the idle time lies in windows longer than a forward, on average over stages."""
    windows = one_f_one_b_windows(8, 8, 1.0, backward, iterations=3)
    period = 15 * (1.0 + backward)
    one = windows_of([w for w in windows if period <= w.start_s < 2 * period and w.length_s > 1.0 + 1e-9], 8)
    assert one.idle_s().sum() / (8 * 7 * (1.0 + backward)) == pytest.approx(share)


def test_drift_is_seen_beyond_the_band():
    schedule = make("1f1b", 4, 6)
    believed, true = rank_times(schedule, 1.0, 1.0, 1.0), rank_times(schedule, 1.0, 1.3, 1.0)
    seen = measured_times([evaluate(schedule, true)], believed)
    assert seen.per_stage(BW).tolist() == pytest.approx([2.3] * 4)
    assert drifted(believed, seen, 0.1)
    assert not drifted(believed, seen, 0.2)
    assert not drifted(believed, believed, 0.0)
    assert drifted(believed, believed, 0.1, microbatches=(8, 6))
    assert not drifted(believed, believed, 0.3, microbatches=(8, 6))


def test_a_job_without_time_is_refused():
    with pytest.raises(ScenarioError):
        Job("nothing", (0.0,))
    with pytest.raises(ScenarioError):
        Fit(margin=-0.1)
