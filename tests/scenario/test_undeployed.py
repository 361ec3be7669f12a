"""Scenarios that leave open what is deployed: they load where a plan can say it, and nothing runs before one does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator import evaluate, load, simulate
from simulator.cli.main import run
from simulator.cluster import check, loads
from simulator.errors import ScenarioError

SCENARIO = """\
version: 1
name: planned
run: {duration: 20s}
cluster:
  pools:
    p: {device: {memory: 8GiB, memory_bandwidth: 68GB/s, peak: {fp16: 1TFLOPS}}, count: 4}
models: {m: {layers: [{name: l, repeat: 2, time: 10ms}]}}
services:
  s:
    model: m
    workload: {process: poisson, rate: 40/s}
planner: {}
"""
PLAN = """\
version: 1
windows:
- {start: 0s, end: 20s, services: {s: {portions: [{layers: 1-2, pool: p, replicas: 2}]}}}
"""
TRAINING = """\
trainings:
  t:
    pipeline: {schedule: 1f1b, stages: 2, microbatches: 4, pool: p}
    times: {forward: 30ms, backward_input: 30ms, backward_weight: 30ms}
    iterations: 200
    fill: {services: [s]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path / "s.yaml"


def test_loads_where_there_is_a_planner(file: Path) -> None:
    scenario = load(file)
    assert scenario.undeployed == ("s",)
    assert load(file, plan=file.with_name("plan.yaml")).undeployed == ()


def test_is_refused_where_there_is_none() -> None:
    with pytest.raises(ScenarioError, match=r"services.s: must say either `deployment` or `deployments`; `plan opt"):
        loads(SCENARIO.replace("planner: {}\n", ""))


def test_a_broken_planner_is_told_and_nothing_else() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(SCENARIO.replace("planner: {}", "planner: {windw: 1h}"))
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("verb", ["simulate", "saturate", "exits"])
def test_nothing_runs_before_there_is_a_plan(file: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    head, *place = err.splitlines()
    assert "nothing is deployed for s: `plan optimize` finds a plan, --plan FILE uses it" in head
    assert len(place) == 2


def test_runs_with_a_plan(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(file), "--plan", str(file.with_name("plan.yaml")), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["services"]["s"]["completed"] > 500


def test_in_python(file: Path) -> None:
    with pytest.raises(ScenarioError, match="nothing is deployed for s"):
        simulate(load(file))
    (row,) = evaluate([load(file)], workers=1)
    assert row.error is not None
    assert "nothing is deployed for s" in row.error


def test_validate_says_that_it_can_be_planned(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok, ready to be planned: s\n"
    assert run(["validate", str(file), "--plan", str(file.with_name("plan.yaml"))]) == 0
    assert capsys.readouterr().out == f"{file}: ok\n"


def test_the_model_is_read_all_the_same() -> None:
    text = SCENARIO.replace(
        "time: 10ms}]}", "time: 10ms}], ramps: {after: [1]}, exits: {table: no.csv, rule: {confidence: 0.8}}}"
    )
    with pytest.raises(ScenarioError, match=r"no\.csv"):
        check(loads(text))


def test_who_lives_in_a_training_is_not_planned() -> None:
    with pytest.raises(ScenarioError, match="a service in the idle windows of a training is not planned"):
        loads(SCENARIO + TRAINING)


def test_who_has_a_twin_is_not_planned() -> None:
    twin = "    twin: {model: m, share: 50%, deployment: {portions: [{layers: 1-2, pool: p, replicas: 1}]}}\nplanner"
    with pytest.raises(ScenarioError, match="a service with a `twin` is not planned"):
        loads(SCENARIO.replace("planner", twin))
