"""The settings of published bubble fillers: bubbles as they say, and fill efficiency as a result."""

from __future__ import annotations

import pytest

from simulator.costs.pipeline import evaluate, make, measure, rank_times
from tests.cluster.fill.made import run
from tests.costs.pipeline.cases import rows

PUBLISHED_ETA = 0.487
"""Fill efficiency that 2.6 thousand devices' worth of work out of 8 thousand with bubbles of 65 % amount to."""


@pytest.mark.parametrize(
    ("ranks", "microbatches", "percent", "digits"),
    [(4, 4, 42.9, 1), (16, 64, 19, 0), (16, 32, 32, 0), (16, 16, 48, 0), (16, 8, 65, 0)],
)
@pytest.mark.parametrize("name", ["gpipe", "1f1b"])
def test_bubbles(name, ranks, microbatches, percent, digits):
    schedule = make(name, ranks, microbatches)
    found = measure(evaluate(schedule, rank_times(schedule, 1.0, 1.0, 1.0)))
    assert round(100 * found.bubble_makespan, digits) == percent


def side_tasks(mode, most):
    """Side tasks as fill jobs; a piece is a step."""
    tasks = [row for row in rows("side_tasks_rtx6000ada.csv") if row["mode"] == mode]
    return [
        {
            "name": f"{row['task']}-{row['batch']}",
            "piece": f"{float(row['mean_step_ms']) / 1e3!r}s",
            "memory": f"{row['mem_gib']}GiB",
        }
        for row in tasks
    ][:most]


def efficiency(jobs, name, stages, microbatches, **fill):
    """What comes out of a training with bubbles of some hundred milliseconds on 48 GB devices."""
    times = {"forward": "60ms", "backward_input": "60ms", "backward_weight": "60ms"}
    return run(
        {"jobs": jobs, **fill},
        pipeline={"schedule": name, "stages": stages, "microbatches": microbatches},
        times=times,
        memory={"activation": "3GB", "weights": "20GB"},
        iterations=4,
    )[3]


def test_fill_efficiency_is_a_result():
    jobs = side_tasks("training", 60)
    found = {
        (name, switch): efficiency(jobs, name, 4, 4, switch=switch, margin=0.05)
        for name in ("gpipe", "1f1b")
        for switch in ("0s", "20ms", "60ms")
    }
    for name in ("gpipe", "1f1b"):
        shares = [found[name, switch]["efficiency"] for switch in ("0s", "20ms", "60ms")]
        assert 1.0 > shares[0] > shares[1] > shares[2] > 0.0
    assert found["1f1b", "60ms"]["efficiency"] < found["gpipe", "60ms"]["efficiency"]  # its windows are shorter
    assert all(figures["slowdown"] == 0.0 for figures in found.values())


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_devices_saved_follow_from_bubbles_and_efficiency(mode, record_property):
    """PipeFill's largest setting: saved = devices x bubble x eta; eta stands beside the published one in the report."""
    jobs = side_tasks(mode, 12)
    figures = efficiency(jobs, "gpipe", 16, 8, switch="40ms", margin=0.05)
    record_property("eta", figures["efficiency"])
    record_property("eta published", PUBLISHED_ETA)
    idle_devices = figures["idle"] / (figures["recovered"] / figures["devices_saved"])
    assert figures["devices_saved"] == pytest.approx(idle_devices * figures["efficiency"])
    assert 0.3 < figures["efficiency"] < 1.0
    assert figures["devices_saved"] <= 16 * 15 / 23 * figures["efficiency"] * (1 + 1e-9)
    gaps = figures["policy"]["gap"]
    assert all(gap is None or 0.0 <= gap < 1.0 for gap in gaps.values())
