"""What a portion can carry: the saturated simulation finishes exactly that many; more load is told."""

from __future__ import annotations

import pytest

from simulator.cluster import loads, simulate
from simulator.cluster.lower import lower
from simulator.cluster.lower.capacity import capacities

TEXT = """\
version: 1
name: capacity
seed: 4
run: {duration: 20s, warmup: 2s, drain: 0s}
cluster:
  pools: {p: {device: {memory: 8GiB, memory_bandwidth: 68GB/s, peak: {fp16: 1TFLOPS}}, count: 8}}
  network: {bandwidth: 12GB/s, latency: 50us}
models:
  m:
    layers: [{name: l, repeat: 12, time: {overhead: 360us, per_item: 42us}, output: 196KB}]
    ramps: {after: all, time: {relative: 0.19}}
    exits: {profile: [0, .1, .1, .2, .05, .05, .05, .05, .05, .05, .05]}
services:
  s:
    model: m
    workload: {process: poisson, rate: 6000/s}
    deployment:
      exit_mode: at_cut
      portions:
        - {layers: 1-4, pool: p, replicas: 1, batch: 8}
        - {layers: 5-8, pool: p, replicas: 1, batch: 8}
        - {layers: 9-12, pool: p, replicas: 1, batch: 8}
"""
MODE = "services.s.deployment.exit_mode="


@pytest.mark.parametrize("change", [MODE + "none", MODE + "at_cut", MODE + "answer_early", MODE + "compact"])
def test_a_saturated_service_finishes_what_its_portions_can_carry(change: str) -> None:
    """120,000 requests at twice the capacity; the exit rows are drawn, whence 1 %."""
    scenario = loads(TEXT, sets=[change])
    lowered = lower(scenario)
    service = lowered.services[0]
    rate = min(portion.rate for portion in capacities(service, service.deployments[0]))
    figures = simulate(scenario).to_dict()
    assert figures["services"]["s"]["throughput"] == pytest.approx(rate, rel=0.01)
    assert any("that it can carry" in text for text in figures["warnings"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["cluster.network.bandwidth=10MB/s"], "portion 1-4"),
        (["cluster.network={bandwidth: 10MB/s, overlap: true}"], "portion 1-4"),
        (["cluster.network={bandwidth: 10MB/s, shared: true}"], "of a shared link of 0.01 GB/s"),
        (["cluster.pools.p.faults={mtbf: 1s, mttr: 9s}"], "portion 1-4"),
        (["services.s.workload.shape=[{kind: spike, at: 10s, length: 5s, factor: 9}]"], None),
    ],
)
def test_every_kind_of_overload_is_told(changes: list[str], said: str | None) -> None:
    quiet = ["services.s.workload.rate=300/s"]
    assert not lower(loads(TEXT, sets=quiet)).warnings
    warnings = lower(loads(TEXT, sets=[*quiet, *changes])).warnings
    assert any(said in text for text in warnings) if said else not warnings


def test_an_overloaded_window_is_told_with_its_start() -> None:
    windows = """
      - {from: 0s, portions: [{layers: 1-12, pool: p, replicas: 4, batch: 8}]}
      - {from: 10s, portions: [{layers: 1-12, pool: p, replicas: 1, batch: 8}]}
"""
    text = TEXT[: TEXT.index("    deployment:")].replace("6000/s", "1500/s") + "    deployments:" + windows
    (warning,) = lower(loads(text)).warnings
    assert "portion 1-12 from 10s on" in warning
