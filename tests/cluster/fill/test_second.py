"""A second training instance in the windows of the first: the asked figures, and what must always hold."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.cluster.fill.second import SecondFiller
from simulator.costs.pipeline import make, peaks, unit_memory
from simulator.errors import ScenarioError
from tests.cluster.fill.made import check_places, planned, run

RATIOS = [("1s", "0.5s"), ("1s", "1s"), ("18.5ms", "13.7ms")]
"""Forward, and each half of a backward: B = F, B = 2 F, and one that is no round number."""


def second(forward="1s", half="1s", main="1f1b", iterations=40, **fill):
    """Figures of a second instance beside p = m = 8."""
    times = {"forward": forward, "backward_input": half, "backward_weight": half}
    pipeline = {"stages": 8, "microbatches": 8, "schedule": main}
    return run({"same": True, **fill}, pipeline=pipeline, times=times, iterations=iterations)[3]


@pytest.mark.parametrize(("forward", "half"), RATIOS)
@pytest.mark.parametrize("main", ["1f1b", "gpipe"])
def test_a_synchronous_update_and_eight_microbatches_reach_the_proven_maximum(forward, half, main):
    figures = second(forward, half, main, microbatches=8)
    assert figures["slowdown"] == 0.0
    found = figures["second"]
    assert found["bound"] == pytest.approx(0.8, abs=1e-8)
    assert found["utilization"] == pytest.approx(0.8, abs=1e-9)
    assert found["is_proven_maximum"]
    assert found["pace_bound"] == pytest.approx(1.0)


@pytest.mark.parametrize(("forward", "half"), RATIOS)
def test_seven_microbatches_under_1f1b_reach_what_two_in_step_would(forward, half):
    figures = second(forward, half, microbatches=7)
    assert figures["slowdown"] == 0.0
    assert figures["second"]["utilization"] >= 0.95 * min(1.0, 2 * 8 / 15)
    assert figures["second"]["iteration"] == pytest.approx(period(forward, half))


def period(forward, half):
    """Length of an iteration of the first instance [s]."""
    scale = {"s": 1.0, "ms": 1e-3}
    number = [float(text.removesuffix("ms").removesuffix("s")) for text in (forward, half)]
    return 15 * (number[0] + 2 * number[1]) * (scale["ms"] if forward.endswith("ms") else scale["s"])


@pytest.mark.parametrize(("forward", "half"), RATIOS)
@pytest.mark.parametrize("microbatches", [7, 8])
def test_without_the_barrier_too(forward, half, microbatches):
    figures = second(forward, half, microbatches=microbatches, barrier=False)
    assert figures["slowdown"] == 0.0
    assert figures["second"]["utilization"] >= 0.95 * min(1.0, 2 * 8 / 15)


@given(
    st.sampled_from(["1f1b", "gpipe", "zb-h1", "interleaved-1f1b"]),
    st.integers(2, 5),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([0.5, 1.0]),
    st.sampled_from(["0s", "200ms"]),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_second_instance_beats_its_bound(main, stages, rounds, second_rounds, barrier, scale, transfer):
    pipeline = {"stages": stages, "microbatches": stages * rounds, "schedule": main}
    if main == "interleaved-1f1b":
        pipeline["chunks"] = 2
    fill = {"same": True, "microbatches": stages * second_rounds, "barrier": barrier, "scale": scale}
    times = {"forward": "1s", "backward_input": "1.2s", "backward_weight": "0.8s", "transfer": transfer}
    try:
        filler, executor, _, figures = run(fill, pipeline=pipeline, times=times, iterations=16)
    except ScenarioError as error:
        if "longest idle window" not in str(error):
            raise
        return
    found = figures["second"]
    assert found["utilization"] <= found["bound"] + 1e-6
    check_places(filler, executor)
    assert figures["recovered"] > 0.0


def test_ops_run_in_the_order_of_their_inputs_and_all_of_them():
    filler, *_ = run({"same": True, "microbatches": 5}, pipeline={"schedule": "zb-h1"}, iterations=10)
    assert isinstance(filler, SecondFiller)
    graph = filler.second.graph
    work = sum(ran.work_s for ran in filler.ran)
    whole = float(graph.work_s().sum())
    ended = len(filler.ends[0])
    assert ended * whole <= work + 1e-9 < (ended + 2) * whole


def test_iterations_with_a_barrier_do_not_overlap():
    filler, *_ = run({"same": True}, iterations=12)
    first = filler.ends[0][0]
    per = len(filler.second.graph.rank) - 4  # updates that take no time are not run
    before = [ran for ran in filler.ran if ran.end_s <= first]
    assert len(before) == per


def test_activations_of_the_second_stay_within_those_of_its_schedule():
    filler, *_ = run({"same": True, "barrier": False}, iterations=10)
    own = peaks(make("1f1b", 4, 8), unit_memory(make("1f1b", 4, 8)))
    assert filler.second.limit.tolist() == own.tolist()
    assert all(0.0 <= held <= most + 1e-9 for held, most in zip(filler.copies[0].held, own))


def test_two_instances_have_to_fit():
    memory = {"activation": "3GB", "weights": "30GB"}
    with pytest.raises(ScenarioError, match="two instances do not fit: stage 0"):
        planned({"same": True}, memory=memory)


def test_an_op_that_fits_no_window_is_refused():
    with pytest.raises(ScenarioError, match="longest idle window"):
        planned({"same": True, "scale": 30})


def test_a_number_of_microbatches_without_such_a_schedule_is_refused():
    with pytest.raises(ScenarioError, match=r"fill\.microbatches.*multiple of 4"):
        planned({"same": True, "microbatches": 6}, pipeline={"chunks": 2})


def test_its_update_takes_time_in_the_windows():
    times = {
        "forward": "1s",
        "backward_input": "1s",
        "backward_weight": "1s",
        "all_reduce": "0.5s",
        "optimizer": "0.5s",
    }
    filler, executor, _, figures = run({"same": True, "microbatches": 3}, times=times, iterations=12)
    assert filler.second.graph.seconds[-4:] == [1.0] * 4
    check_places(filler, executor)
    assert figures["second"]["iterations"] > 2
