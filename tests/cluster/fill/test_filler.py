"""The training goes first: exact times are not disturbed, and with jitter the budget holds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.cluster.clock import Clock
from simulator.cluster.fill.figures import warnings_of
from simulator.cluster.fill.filler import Rules
from simulator.cluster.fill.jobs import JobsFiller
from simulator.cluster.training.run import run_training
from simulator.costs.pipeline import rank_times
from simulator.costs.pipeline.filling import POLICIES, Fit, Job
from tests.cluster.fill.made import check_places, filled, planned, run, same_to_the_bit

SCHEDULES = ["gpipe", "1f1b", "zb-h1", "zb-v", "interleaved-1f1b", "dualpipe", "chimera"]
JOBS = [
    {"name": "a", "piece": "0.37s", "memory": 0},
    {"name": "b", "piece": "0.11s", "memory": 0, "pieces": 30},
    {"name": "c", "piece": "0.9s", "memory": 0, "pieces": 9, "deadline": "20s"},
]
KINDS = {
    "jobs": {"jobs": JOBS},
    "split": {"jobs": [{"name": "long", "piece": "7s", "memory": 0, "preemptible": True}]},
    "same": {"same": True, "microbatches": 8, "scale": 0.3},
    "free": {"same": True, "microbatches": 8, "barrier": False, "scale": 0.3},
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("switch", ["0s", "30ms"])
def test_with_exact_times_the_training_is_the_same_to_the_bit(schedule, kind, switch):
    chunks = {"chunks": 2} if schedule == "interleaved-1f1b" else {}
    times = {"forward": "0.73s", "backward_input": "0.61s", "backward_weight": "0.57s", "transfer": "30ms"}
    fill = {**KINDS[kind], "switch": switch, "margin": 0.02}
    filler, executor, alone, figures = run(
        fill, pipeline={"schedule": schedule, **chunks}, times={**times, "optimizer": "0.1s"}
    )
    assert same_to_the_bit(executor.lines, alone)
    assert figures["slowdown"] == 0.0
    assert figures["overruns"] == 0.0
    check_places(filler, executor)
    assert figures["recovered"] <= figures["idle"] + 1e-9


@pytest.mark.parametrize("kind", ["jobs", "same"])
def test_copies_of_the_pipeline_are_not_disturbed_either(kind):
    filler, executor, alone, _ = run(
        KINDS[kind], pipeline={"replicas": 2, "overlap": False}, times=None, synchronous=True
    )
    assert same_to_the_bit(executor.lines, alone)
    check_places(filler, executor)
    assert {ran.device for ran in filler.ran} == set(range(8))


@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["1f1b", "gpipe", "zb-h1"]),
    st.sampled_from(["lognormal", "exponential"]),
    st.floats(0.01, 1.0),
    st.floats(0.0, 0.3),
    st.sampled_from(["0s", "50ms"]),
    st.floats(0.0, 0.5),
    st.integers(1, 2),
    st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_with_jitter_the_slowdown_stays_within_the_budget(
    kind, schedule, distribution, cv, budget, switch, margin, replicas, seed
):
    jitter = {"distribution": distribution, **({"cv": cv} if distribution == "lognormal" else {})}
    fill = {**KINDS[kind], "switch": switch, "margin": margin, "slowdown_budget": budget}
    filler, executor, alone, figures = run(
        fill, pipeline={"schedule": schedule, "replicas": replicas}, jitter=jitter, iterations=8, seed=seed
    )
    assert 0.0 <= figures["slowdown"] <= budget + 1e-12
    for number, (one, two) in enumerate(zip(executor.lines, alone)):
        late = max(float((a.finish - b.finish).max()) for a, b in zip(one, two))
        whole = max(float(b.finish.max()) for b in two)
        assert -1e-9 <= late <= budget * whole + 1e-9, number  # and so it was after every iteration
    check_places(filler, executor)


def test_a_budget_is_used_and_none_means_nothing_runs():
    """The first is what the second is measured against: a bound that nothing ever comes near would prove little."""
    jitter = {"distribution": "lognormal", "cv": 0.3}
    fill = {"jobs": [{"name": "a", "piece": "0.9s", "memory": 0}], "slowdown_budget": 0.02}
    _, _, _, figures = run(fill, jitter=jitter, iterations=60)
    assert figures["slowdown"] > 0.002
    assert figures["held_back"] > 0
    _, _, _, none = run({**fill, "slowdown_budget": 0}, jitter=jitter, iterations=5)
    assert none["recovered"] == 0.0
    assert none["held_back"] > 0
    _, _, _, more = run({**fill, "slowdown_budget": 0.2}, jitter=jitter, iterations=60)
    assert more["slowdown"] > figures["slowdown"]
    assert more["recovered"] > figures["recovered"]


def test_a_margin_trades_work_for_punctuality():
    jitter = {"distribution": "lognormal", "cv": 0.2}
    fill = {"jobs": [{"name": "a", "piece": "0.45s", "memory": 0}], "slowdown_budget": "50%"}
    found = [run({**fill, "margin": margin}, jitter=jitter, iterations=40)[3] for margin in (0.0, 0.5)]
    assert found[0]["overruns"] > found[1]["overruns"]
    assert found[0]["recovered"] > found[1]["recovered"]


def test_a_preemptible_piece_never_delays_but_by_the_switch():
    jitter = {"distribution": "lognormal", "cv": 0.3}
    fill = {**KINDS["split"], "slowdown_budget": 0}
    filler, executor, alone, figures = run(fill, jitter=jitter, iterations=12)
    assert same_to_the_bit(executor.lines, alone)
    assert figures["recovered"] > 0.5 * figures["idle"]
    check_places(filler, executor)
    done = filler.done[0] * 7.0
    assert done <= figures["recovered"] + 1e-6
    assert figures["recovered"] <= done + 4 * 7.0  # on each of four devices one is under way


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_windows_that_are_wrong_are_computed_anew(factor):
    """The filler believes times that are not those of the training; after one iteration it knows better."""
    setup, _ = planned({"jobs": [JOBS[0]]}, iterations=12)
    believed = rank_times(setup.schedule, factor, factor, factor)
    clock = Clock()
    rules = Rules(Fit(), budget=10.0, band=0.1)
    filler = JobsFiller(clock, setup, rules, [Job("a", (0.37,))], POLICIES["best_fit"], believed)
    executor, alone = filled(setup, filler, clock)
    assert filler.drift.recomputed == 1
    assert filler.drift.believed.forward == pytest.approx(setup.times.forward)
    late = [b[0].finish.max() - a[0].finish.max() for a, b in zip(alone, executor.lines)]
    assert late[-1] == pytest.approx(late[3], abs=1e-9)  # nothing comes too late any more
    assert (late[-1] > 0.01) == (factor > 1.0)

    wide = JobsFiller(Clock(), setup, Rules(Fit(), 10.0, 0.9), [Job("a", (0.37,))], POLICIES["best_fit"], believed)
    filled(setup, wide, wide.clock)
    assert wide.drift.recomputed == 0


def test_a_failure_costs_pieces_and_nothing_is_lost_or_done_twice():
    jobs = [{"name": "a", "piece": "0.37s", "memory": 0, "pieces": 100}]
    times = {"forward": "0.5s", "backward_input": "0.5s", "backward_weight": "0.5s"}
    for kind in ({"jobs": jobs}, KINDS["same"]):
        setup, plan = planned(
            {**kind, "slowdown_budget": "20%"},
            times=times,
            pool={"faults": {"mtbf": "300s", "mttr": "3s"}},
            iterations=20,
        )
        result = run_training(setup, 0, plan)
        figures = result.figures["fill"]
        assert result.failures
        assert 0.0 <= figures["slowdown"] <= 0.2
        assert figures["recovered"] > 0.0
        if "jobs" in kind:
            assert figures["jobs"]["a"]["done"] <= 100


def test_a_job_whose_pieces_fit_no_window_is_told():
    short, long = (
        {"name": name, "piece": piece, "memory": "1MB"} for name, piece in (("short", "0.5s"), ("long", "99s"))
    )
    _, _, _, figures = run({"jobs": [short, long]})
    (warning,) = warnings_of("t", figures)
    assert "no idle window was given to long; are the pieces too long" in warning
    assert warnings_of("t", run({"jobs": [short]})[-1]) == []


def test_free_memory_decides_where_a_job_runs():
    """GPipe holds all microbatches in its middle window, none at the ends; a job that needs much waits for those."""
    memory = {"activation": "4GB", "weights": "8GB"}  # of 64 GiB: 28.7 GB are left with 8 microbatches held
    job = {"name": "big", "piece": "0.5s", "memory": "40GB"}
    filler, executor, *_ = run({"jobs": [job]}, pipeline={"schedule": "gpipe"}, memory=memory, iterations=2)
    line = executor.lines[0][0]
    first_backward = [float(line.of_rank(line.start, rank)[8]) for rank in range(4)]
    assert filler.ran
    assert not [ran for ran in filler.ran if ran.device == 0]  # stage 0 has only its middle window
    for ran in filler.ran:
        if ran.start_s < line.finish.min():
            assert ran.start_s < line.start.max()
            forwards_end = float(line.of_rank(line.end, ran.device)[7])
            assert not forwards_end <= ran.start_s < first_backward[ran.device]
