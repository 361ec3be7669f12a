"""The public entry: arguments are checked, limits are stated, an aim that is not met is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.cluster import loads
from simulator.errors import ScenarioError
from tests.support import layer, portion, run, scenario, trace


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"replications": 0}, "replications: must be a whole number from 1"),
        ({"replications": 1.5}, "replications: must be a whole number from 1"),
        ({"replications": True}, "replications: must be a whole number from 1"),
        ({"seed": -1}, "seed: must be a whole number from 0"),
        ({"seed": "x"}, "seed: must be a whole number from 0"),
        ({"engine": "fast"}, "engine: must be auto, simpy or compiled"),
    ],
)
def test_wrong_arguments_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        simulator.simulate(loads(SMALL), **given)


def test_a_path_is_no_scenario() -> None:
    with pytest.raises(TypeError, match="not str"):
        simulator.simulate("scenarios/mm1.yaml")  # type: ignore[arg-type]


def test_one_text_is_one_override() -> None:
    loaded = loads(SMALL, sets="run.duration=3s", variants="longer")
    assert loaded.run.duration == 3.0
    assert loaded.source.variants == ("longer",)


def test_an_aim_that_is_not_met_is_said() -> None:
    run = {"replications": "auto", "target": {"figure": "p99", "half_width": "0.001%", "max_replications": 3}}
    result = simulator.simulate(
        loads(SMALL, sets=[f"run.{key}={value}".replace("'", "") for key, value in run.items()])
    )
    assert result.to_dict()["replications"] == 3
    assert any("ended after 3" in text for text in result.to_dict()["warnings"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["services.s.workload.rate=1e8/s"], "services.s.workload: about 2e.09 requests would wait"),
        (["services.s.workload.rate=1e8/s", "run.engine=simpy"], "run: about 2e.09 requests in one replication"),
        (["services.s.workload.rate=1e9/s"], "services.s.workload: this load would take about 2e.10 arrivals"),
        (["cluster.pools.p.faults={mtbf: 1us, mttr: 1us}"], "cluster.pools.p.faults: about"),
    ],
)
def test_endless_runs_are_refused(changes: list[str], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        simulator.simulate(loads(SMALL, sets=changes))


@pytest.mark.parametrize(
    ("arrivals", "starts"), [([4.5], [4]), ([4.0], [4]), ([0.5, 5.5], [1, 2, 5]), ([5.0], [1, 2, 3])]
)
def test_a_trace_may_begin_after_a_window(tmp_path: Path, arrivals: list[float], starts: list[int]) -> None:
    """It is held against the whole run, not against each window; windows without arrivals are not overloaded."""
    service = {
        "workload": trace(tmp_path, arrivals),
        "deployments": [
            {"from": f"{start}s", "portions": [portion("1", number + 1)]} for number, start in enumerate([0, *starts])
        ],
    }
    figures = run(scenario(service, [layer(0.1)], duration_s=6.0), tmp_path).to_dict()
    assert figures["services"]["s"]["completed"] == len(arrivals)
    assert not any("that it can carry" in text for text in figures["warnings"])


def test_the_rate_of_a_window_is_that_of_its_arrivals(tmp_path: Path) -> None:
    """All ten come in the second window, which one replica cannot carry."""
    service = {
        "workload": trace(tmp_path, [4.0 + 0.2 * number for number in range(10)]),
        "deployments": [
            {"from": "0s", "portions": [portion("1", 2)]},
            {"from": "4s", "portions": [portion("1", 1)]},
        ],
    }
    (warning,) = run(scenario(service, [layer(0.25)], duration_s=6.0), tmp_path).to_dict()["warnings"]
    assert warning.startswith("service s, portion 1 from 4s on: the load of 5/s is 125% of the 4/s")


SMALL = """\
version: 1
name: small
run: {duration: 20s}
cluster:
  pools:
    p: {device: {memory: 1GiB, memory_bandwidth: 1GB/s, peak: {fp16: 1TFLOPS}}, count: 1}
models: {m: {layers: [{name: l, time: 10ms}]}}
services:
  s:
    model: m
    workload: {process: poisson, rate: 50/s}
    jitter: {distribution: exponential}
    slo: {latency: 1s}
    deployment: {portions: [{layers: 1, pool: p, replicas: 1}]}
variants: {longer: {run.duration: 40s}}
"""
