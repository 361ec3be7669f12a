"""A scenario's trainings from end to end: figures against closed forms, beside services, in every output."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from simulator.cluster import simulate
from simulator.costs.pipeline import SCHEDULES, gpipe_windows, one_f_one_b_windows
from simulator.results import Result
from simulator.results.training import KINDS, TrainingRun
from tests.cluster.training.made import node, scenario, setup
from tests.support import layer, poisson, portion

F, B, W, C = 2.0, 1.5, 0.5, 0.25
UNEQUAL = {"forward": "2s", "backward_input": "1.5s", "backward_weight": "0.5s"}


def run(**more: Any) -> Result:
    """The result of a scenario with one training."""
    return simulate(scenario(node(**more)))


def figures(**more: Any) -> dict[str, Any]:
    """Its figures."""
    found: dict[str, Any] = run(**more).to_dict()["trainings"]["t"]
    return found


def test_1f1b_with_transfers_by_its_closed_form() -> None:
    """(m + p - 1) S + 2 c [(p - 1) + (m - 1) - ceil((m - 1) / p)], in every iteration, back to back."""
    found = figures(times=UNEQUAL | {"transfer": "0.25s"})
    total, ideal = 11 * (F + B + W) + 2 * C * (3 + 7 - 2), 8 * (F + B + W)
    assert found["makespan"] == pytest.approx(total)
    assert found["iteration"] == pytest.approx(total)
    assert found["elapsed"] == pytest.approx(4 * total)
    assert found["ideal"] == pytest.approx(ideal)
    assert found["bubble_fraction"]["makespan"] == pytest.approx(1 - ideal / total)
    assert found["utilization"] == pytest.approx(ideal / total)
    assert [stage["busy"] for stage in found["stages"]] == pytest.approx([ideal] * 4)
    assert [stage["idle"] for stage in found["stages"]] == pytest.approx([total - ideal] * 4)
    assert [stage["peak_activations"] for stage in found["stages"]] == [4, 3, 2, 1]


def test_all_reduce_and_optimizer_end_the_iteration() -> None:
    found = figures(times=UNEQUAL | {"all_reduce": "3s", "optimizer": "1s"}, iterations=1)
    assert found["makespan"] == pytest.approx(44.0)
    assert found["iteration"] == found["elapsed"] == pytest.approx(48.0)
    assert found["breakdown"]["all_reduce"] == pytest.approx(3.0)
    assert found["breakdown"]["optimizer"] == pytest.approx(1.0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_breakdown_adds_up(name: str) -> None:
    """To the length of an iteration by itself: makespan, all-reduce and optimizer where they come last."""
    found = figures(pipeline={"schedule": name}, times=UNEQUAL | {"transfer": "0.25s"}, iterations=1)
    assert sum(found["breakdown"].values()) == pytest.approx(found["elapsed"])
    assert all(value >= 0.0 for value in found["breakdown"].values())
    assert 0.0 <= found["bubble_fraction"]["span"] <= found["bubble_fraction"]["makespan"] + 1e-12


@pytest.mark.parametrize(("name", "forms"), [("gpipe", gpipe_windows), ("1f1b", one_f_one_b_windows)])
def test_idle_windows_are_those_of_the_closed_forms(name: str, forms: Any) -> None:
    found = figures(pipeline={"schedule": name}, times=UNEQUAL)
    period = 11 * (F + B + W)
    known = forms(4, 8, F, B + W, 3)  # the windows around the second of three iterations, from its own begin
    for rank, stage in enumerate(found["stages"]):
        # a rank's iteration ends with its last op: the tail of one is the head of the next
        own = known.of_rank(rank)
        since, until = period - rank * (B + W), 2 * period - rank * (B + W)
        wanted = [[w.start_s - period, w.length_s] for w in own if since - 1e-9 <= w.start_s < until - 1e-9]
        np.testing.assert_allclose(stage["idle_windows"], wanted, atol=1e-9)
        assert sum(length for _, length in stage["idle_windows"]) == pytest.approx(3 * (F + B + W))


def test_jitter_lengthens_a_pipeline_and_its_interval_is_told() -> None:
    exact = figures()
    found = figures(jitter={"distribution": "lognormal", "cv": 0.3}, run={"replications": 5})
    low, high = found["ci95"]["makespan"]
    assert exact["makespan"] < low < found["makespan"] < high
    assert found["ideal"] == exact["ideal"]
    assert exact["ci95"] is None


def test_every_op_is_in_the_timeline() -> None:
    result = run(times=UNEQUAL | {"all_reduce": "1s"}, pipeline={"replicas": 2}, iterations=3)
    job = result.jobs["trainings"].runs[0]["t"]
    assert isinstance(job, TrainingRun)
    frame = job.timeline
    assert len(frame) == 2 * 3 * (4 * 8 * 2 + 4)
    assert set(frame["kind"]) == {"F", "BW", "all-reduce"} < set(KINDS)
    assert (frame["end_s"] >= frame["start_s"]).all()
    for _, device in frame.groupby(["copy", "stage"]):
        assert (device["start_s"].to_numpy()[1:] >= device["end_s"].to_numpy()[:-1] - 1e-9).all()
    assert frame["chunk"].max() == 0
    assert (frame.loc[frame["kind"] == "all-reduce", "microbatch"] == -1).all()


def test_devices_are_held_and_paid() -> None:
    result = run(pipeline={"replicas": 3}, pool={"devices_per_replica": 2, "price_per_hour": 5.0}).to_dict()
    assert result["trainings"]["t"]["devices"] == 24
    pool = result["pools"]["g"]
    assert (pool["used"], pool["cost_per_hour"]) == (24, 120.0)
    assert pool["utilization"] == pytest.approx(8 / 11)
    assert result["trainings"]["t"]["cost_per_iteration"] == pytest.approx(120.0 * 33 / 3600)


def test_trainings_run_beside_services_and_do_not_change_them() -> None:
    services = {
        "s": {
            "model": "m",
            "workload": poisson(50.0),
            "deployment": {"portions": [portion("1", 2, pool="g")]},
        }
    }
    beside = node(models={"m": {"layers": [layer(0.01)]}}, services=services, run={"duration": "20s"})
    both = simulate(scenario(beside)).to_dict()
    without = {key: value for key, value in beside.items() if key != "trainings"}
    alone = simulate(scenario(without)).to_dict()
    assert both["services"] == alone["services"]
    assert both["trainings"]["t"]["makespan"] == pytest.approx(33.0)
    assert both["pools"]["g"]["used"] == alone["pools"]["g"]["used"] + 4


def test_equal_seeds_give_equal_bytes() -> None:
    more: Any = {"jitter": {"distribution": "exponential"}, "pool": {"faults": {"mtbf": "300s", "mttr": "9s"}}}
    assert run(**more).to_json() == run(**more).to_json()
    assert run(**more).to_json() != run(**more, seed=5).to_json()
    json.loads(run(**more).to_json())


def test_memory_is_told_where_it_is_known() -> None:
    found = figures(memory={"activation": "1GB", "weights": "5GB"})
    assert [stage["peak_memory"] for stage in found["stages"]] == [9e9, 8e9, 7e9, 6e9]
    assert [stage["peak_memory"] for stage in figures()["stages"]] == [None] * 4


def test_scaling_all_times_scales_all_figures() -> None:
    made = setup(node())
    ten = dict.fromkeys(("forward", "backward_input", "backward_weight"), "10s")
    one, large = figures(), figures(times=ten)
    assert made.times.forward[0] == 1.0
    for key in ("iteration", "makespan", "span", "ideal", "elapsed"):
        assert large[key] == pytest.approx(10 * one[key])
    assert large["bubble_fraction"] == pytest.approx(one["bubble_fraction"])
