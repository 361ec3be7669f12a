"""Trainings in the timeline and in tables."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from simulator.cluster import simulate
from simulator.errors import ScenarioError
from simulator.reporting import write_frames, write_timeline
from simulator.reporting.trainingtrace import training_events, trainings_of
from simulator.results import Result
from tests.cluster.training.made import node, scenario
from tests.support import layer, poisson, portion

SERVICES = {"s": {"model": "m", "workload": poisson(50.0), "deployment": {"portions": [portion("1", 2, pool="g")]}}}


def result(**more: Any) -> Result:
    """The result of a training with everything that a trace can show."""
    times = {"forward": "1s", "backward_input": "1s", "backward_weight": "1s", "all_reduce": "2s", "optimizer": "0.5s"}
    return simulate(scenario(node(times=times, **more)))


def beside() -> Result:
    """The same, and a service."""
    return result(models={"m": {"layers": [layer(0.01)]}}, services=SERVICES, run={"duration": "5s"})


def spans(found: Result) -> list[dict[str, Any]]:
    """All events with a length."""
    return [event for event in training_events(trainings_of(found)) if event["ph"] == "X"]


def test_every_op_is_an_event_on_its_stage() -> None:
    found = result(pipeline={"replicas": 2}, iterations=2)
    events = spans(found)
    assert len(events) == len(found.jobs["trainings"].runs[0]["t"].timeline)
    by_thread: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in events:
        by_thread.setdefault((event["pid"], event["tid"]), []).append(event)
    assert len(by_thread) == 8
    for thread in by_thread.values():
        ordered = sorted(thread, key=lambda event: event["ts"])
        assert all(a["ts"] + a["dur"] <= b["ts"] + 1e-6 for a, b in pairwise(ordered))
        assert {event["name"] for event in thread} >= {"F0", "BW7", "all-reduce", "optimizer"}
    assert max(event["ts"] + event["dur"] for event in events) == pytest.approx(2 * 35.5e6)


def test_ops_that_run_as_one_are_one_event() -> None:
    events = spans(result(pipeline={"schedule": "dualpipe"}))
    assert any("+BW" in event["name"] for event in events)
    frame = result(pipeline={"schedule": "dualpipe"}).jobs["trainings"].runs[0]["t"].timeline
    assert len(events) == len(frame) - frame["fused"].sum()


def test_failures_are_shown() -> None:
    found = result(pool={"faults": {"mtbf": "150s", "mttr": "5s"}}, iterations=12)
    downs = [event for event in spans(found) if event["name"] == "down"]
    assert len(downs) == found.to_dict()["trainings"]["t"]["failures"] > 0


@pytest.mark.parametrize("make", [result, beside])
def test_the_file_is_one_strict_json_object(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_timeline(make(), path)
    found = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    names = {event["args"]["name"] for event in found["traceEvents"] if event["name"] == "process_name"}
    assert "training t" in names
    assert any(name.startswith("s layers") for name in names) is (make is beside)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("make", "more"), [(result, set()), (beside, {"requests.csv", "batches.csv", "portions.csv"})])
def test_tables(make: Any, more: set[str], tmp_path: Path) -> None:
    found = make()
    paths = write_frames(found, tmp_path / "out")
    assert {path.name for path in paths} == {"result.json", "trainings.csv"} | more
    frame = pd.read_csv(tmp_path / "out" / "trainings.csv")
    assert list(frame.columns) == [
        "replication", "training", "iteration", "copy", "stage", "chunk", "kind", "microbatch", "fused",
        "start_s", "end_s",
    ]  # fmt: skip
    assert len(frame) == 4 * (4 * 8 * 2 + 8)
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == found.to_dict()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ScenarioError, match="names a folder"):
        write_frames(result(), tmp_path / "out")
