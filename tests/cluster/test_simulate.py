"""The public entry: arguments are checked, limits are stated, an aim that is not met is said."""

from __future__ import annotations

from typing import Any

import pytest

import simulator
from simulator.cluster import loads
from simulator.errors import ScenarioError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"replications": 0}, "replications: must be a whole number from 1"),
        ({"replications": 1.5}, "replications: must be a whole number from 1"),
        ({"replications": True}, "replications: must be a whole number from 1"),
        ({"seed": -1}, "seed: must be a whole number from 0"),
        ({"seed": "x"}, "seed: must be a whole number from 0"),
        ({"engine": "fast"}, "engine: must be auto or simpy"),
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
    ("change", "said"),
    [
        ("services.s.workload.rate=1e8/s", "services.s.workload: about"),
        ("cluster.pools.p.faults={mtbf: 1us, mttr: 1us}", "cluster.pools.p.faults: about"),
    ],
)
def test_endless_runs_are_refused(change: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        simulator.simulate(loads(SMALL, sets=[change]))


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
