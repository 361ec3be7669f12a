"""Plan files: the scenario's own deployments, window by window, with problems placed in the plan."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from simulator import load, simulate
from simulator.cluster.lower import lower
from simulator.errors import ScenarioError
from simulator.scenario.planfile import Plan, plan_text, read_plan

ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIO = """\
version: 1
name: planned
run: {duration: 20s}
cluster: {pools: {p: {device: {memory: 8GiB, memory_bandwidth: 68GB/s, peak: {fp16: 1TFLOPS}}, count: 4}}}
models: {m: {layers: [{name: l, repeat: 2, time: 10ms}]}}
services:
  s:
    model: m
    workload: {process: poisson, rate: 40/s}
"""
PLAN = """\
version: 1
windows:
- start: 0s
  end: 10s
  rate: {s: 40/s}
  services:
    s: {portions: [{layers: 1-2, pool: p, replicas: 1}]}
- start: 10s
  end: 20s
  services:
    s:
      portions:
      - {layers: 1-2, pool: p, replicas: 2, batch: 4, max_wait: 5ms}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path / "s.yaml", tmp_path / "plan.yaml"


def refused(scenario: Path, plan: Path, text: str) -> str:
    plan.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        lower(load(scenario, plan=plan))
    return str(caught.value)


def test_a_scenario_need_not_say_what_is_deployed(files: tuple[Path, Path]) -> None:
    scenario, plan = files
    with pytest.raises(ScenarioError, match="deployment"):
        load(scenario)
    timeline = load(scenario, plan=plan).services["s"].timeline
    assert [start for start, _ in timeline] == [0.0, 10.0]
    assert [one.portions[0].replicas for _, one in timeline] == [1, 2]
    assert timeline[1][1].portions[0].max_wait == 0.005


def test_a_plan_is_simulated_like_the_same_deployments_in_the_scenario(tmp_path: Path) -> None:
    shipped = ROOT / "scenarios" / "windows.yaml"
    written = load(shipped)
    windows: list[dict[str, Any]] = []
    starts = [start for start, _ in next(iter(written.services.values())).timeline]
    for index, (start, end) in enumerate(zip(starts, [*starts[1:], written.run.duration])):
        services = {name: service.timeline[index][1] for name, service in written.services.items()}
        tree = {name: one.model_dump(mode="json", by_alias=True, exclude={"from_"}) for name, one in services.items()}
        windows.append({"start": f"{start:g}s" if start else "0s", "end": f"{end:g}s", "services": tree})
    digest = hashlib.sha256(shipped.read_bytes()).hexdigest()
    plan = Plan.model_validate({"version": 1, "scenario": {"sha256": digest}, "windows": windows})
    (tmp_path / "plan.yaml").write_text(plan_text(plan))
    planned = load(shipped, plan=tmp_path / "plan.yaml")
    assert planned.source.notes == ()
    ours, theirs = (simulate(one, replications=1).to_dict() for one in (planned, written))
    assert ours["services"] == theirs["services"]


def test_round_trip(files: tuple[Path, Path], tmp_path: Path) -> None:
    plan = read_plan(files[1]).plan
    (tmp_path / "again.yaml").write_text(plan_text(plan))
    assert read_plan(tmp_path / "again.yaml").plan == plan
    assert plan_text(read_plan(tmp_path / "again.yaml").plan) == plan_text(plan)


def test_overrides_come_after_the_plan(files: tuple[Path, Path]) -> None:
    changed = load(files[0], plan=files[1], sets=["services.s.deployments.0.portions.0.replicas=3"])
    assert changed.services["s"].timeline[0][1].portions[0].replicas == 3


def test_another_version_of_the_scenario_is_told(files: tuple[Path, Path]) -> None:
    scenario, plan = files
    plan.write_text(PLAN.replace("version: 1", "version: 1\nscenario: {sha256: " + "a" * 64 + "}"))
    (warning,) = simulate(load(scenario, plan=plan)).to_dict()["warnings"]
    assert "was made for another version of this scenario" in warning
    digest = hashlib.sha256(scenario.read_bytes()).hexdigest()
    plan.write_text(PLAN.replace("version: 1", f'version: 1\nscenario: {{sha256: "{digest}", variants: [big]}}'))
    (note,) = load(scenario, plan=plan).source.notes
    assert "was made for other variants of this scenario (big)" in note


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("start: 10s", "start: 11s", r"plan.yaml:8:10: windows.1.start: must be the end of the window before, 10s"),
        ("start: 0s", "start: 1s", "windows.0.start: must be 0: the first window begins with the run"),
        ("end: 20s", "end: 9s", "windows.1.end: must be later than the start, 10s"),
        ("    s:\n      p", "    t:\n      p", "windows.1.services: must be the services of the window before"),
        ("replicas: 2", "replicsa: 2", "plan.yaml:13:32: windows.1.services.s.portions.0.replicsa"),
        ("1-2, pool: p, replicas: 2", "1-3, pool: p, replicas: 2", "plan.yaml:13:"),
        ("pool: p, replicas: 2", "pool: q, replicas: 2", "plan.yaml:13:29: services.s.deployments.1.portions.0.pool"),
        ("replicas: 2", "replicas: 9", "plan.yaml:13:"),
        ("version: 1", "version: 2", "plan.yaml:1:10: version: must be 1"),
    ],
)
def test_problems_are_placed_in_the_plan(files: tuple[Path, Path], old: str, new: str, says: str) -> None:
    assert old in PLAN
    assert says in refused(*files, PLAN.replace(old, new))


def test_services_that_the_scenario_does_not_have(files: tuple[Path, Path]) -> None:
    text = PLAN.replace("    s: {", "    t: {").replace("    s:\n", "    t:\n").replace("rate: {s:", "rate: {t:")
    assert "windows.0.services.t: the scenario has no service 't'" in refused(*files, text)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "version: 1"])
def test_what_is_no_plan(files: tuple[Path, Path], text: str) -> None:
    message = refused(*files, text)
    assert "plan.yaml" in message
    assert len(message.splitlines()) <= 6
