"""Records of the real engine: parts add up and figures agree with each other, whatever the mechanism."""

import math
from itertools import product

import pytest

from simulator.cluster import simulate
from simulator.reporting import trace_events
from simulator.scenario import loads

SCENARIO = """
version: 1
name: mechanisms
run: {{duration: 12s, warmup: 1s}}
cluster:
  pools:
    v:
      device: {{memory: 64GiB, memory_bandwidth: 1000GB/s, peak: {{fp16: 100TFLOPS}}}}
      count: 12
      price_per_hour: 3
      faults: {{mtbf: 2s, mttr: 300ms}}
      load_bandwidth: 1GB/s
      start_up: 2s
  network: {{bandwidth: 1GB/s, latency: 1ms, overlap: {overlap}}}
models:
  m:
    layers: [{{name: a, repeat: 4, time: {{overhead: 1ms, per_item: 2ms}}, output: 1MB, weights: 100MB}}]
    ramps: {{after: all, time: {{relative: 0.1}}}}
    exits: {{profile: [0.3, 0.2, 0.1, 0.4]}}
services:
  s:
    model: m
    slo: {{latency: 60ms, attainment: 99%}}
    workload: {{process: poisson, rate: 150/s}}
    classes: [{{name: paid, share: 20%, priority: 1, slo: {{latency: 40ms}}}}, {{name: free, share: 80%}}]
    queue: {{capacity: 50, drop: {drop}}}
    jitter: {{distribution: exponential}}
    deployments:
      - {{from: 0s, {first}}}
      - {{from: 6s, {second}}}
"""


def deployment(mode: str, serial: bool, batch: int) -> str:
    each = "" if serial else "replicas: 2, "
    portions = ", ".join(
        f"{{layers: {layers}, pool: v, {each}batch: {batch}, max_wait: 5ms}}" for layers in ("1-2", "3-4")
    )
    execution = "execution: serial, replicas: 4" if serial else "execution: parallel"
    return f"exit_mode: {mode}, {execution}, portions: [{portions}]"


@pytest.mark.parametrize(
    ("mode", "serial", "drop"),
    [
        (mode, serial, drop)
        for number, (mode, serial, drop) in enumerate(
            product(("none", "compact", "at_cut", "answer_early"), (False, True), ("never", "expired", "hopeless"))
        )
        if number % 2 == 0 or drop == "never"
    ],
)
def test_figures_agree(mode: str, serial: bool, drop: str) -> None:
    text = SCENARIO.format(
        overlap="false" if drop == "never" else "true",
        drop=drop,
        first=deployment(mode, serial, 4),
        second=deployment(mode, serial, 8),
    )
    result = simulate(loads(text))  # conservation and the sum of the parts are asserted inside
    figures = result.to_dict()["services"]["s"]
    classes = figures["classes"].values()
    for name in ("arrived", "completed", "dropped", "rejected", "failed", "inside"):
        assert figures[name] == sum(tree[name] for tree in classes)
    for name in ("throughput", "goodput"):
        assert figures[name] == pytest.approx(sum(tree[name] for tree in classes))
    assert figures["latency"]["max"] == max(tree["latency"]["max"] for tree in classes)
    assert math.isclose(sum(figures["exits"].values()), 1.0)
    assert figures["goodput"] * 11 == pytest.approx(figures["attainment"] * figures["arrived"])
    assert (figures["breakdown"]["mean"]["transfer"] > 0) == (not serial)
    pool = result.to_dict()["pools"]["v"]
    assert pool["cost_per_hour"] == pytest.approx(figures["cost_per_hour"])
    assert pool["used"] <= pool["count"]
    assert sum(1 for event in trace_events(result.records[0]) if event.get("cat") == "batch") == len(result.batches)
