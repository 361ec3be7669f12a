"""The kinds of scenario that a report is made of, each small."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from simulator.reporting.report import Report, make_report
from simulator.scenario import Scenario, load, loads

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SCENARIOS = ROOT / "scenarios"

THREE = """
version: 1
name: three services
seed: 4
run: {duration: 4s, warmup: 500ms, replications: 2}
cluster:
  pools:
    fast: {device: a100-40gb, count: 4, price_per_hour: 4.1}
    slow: {device: v100-16gb, count: 6, price_per_hour: 3.06}
  network: {bandwidth: 12GB/s, latency: 50us}
models:
  bert: {catalogue: bert-base}
  made:
    layers:
      - {name: block, repeat: 4, time: {overhead: 500us, per_item: 100us}, weights: 14MB, output: 196KB}
services:
  chat <1>:
    model: bert
    slo: {latency: 100ms, attainment: 99%}
    workload: {process: poisson, rate: 900/s}
    classes: [{name: paid, share: 20%, priority: 1, slo: {latency: 60ms}}, {name: free, share: 80%}]
    deployment: {portions: [{layers: 1-12, pool: slow, replicas: 3, batch: 8, max_wait: 5ms}]}
  search/two:
    model: made
    slo: {latency: 20ms, attainment: 99.9%}
    workload: {process: gamma, rate: 300/s, cv: 2}
    deployment:
      portions:
        - {layers: 1-2, pool: fast, replicas: 1, batch: 4}
        - {layers: 3-4, pool: slow, replicas: 1, batch: 4}
  batch:
    model: made
    workload: {process: closed, clients: 8, think: 10ms}
    deployment: {portions: [{layers: 1-4, pool: fast, replicas: 1, batch: 4}]}
"""


def three() -> Scenario:
    """Three services, one with classes, one without an objective and with a closed load."""
    return loads(THREE.replace("chat <1>", "chat").replace("search/two", "search"))


def one() -> Scenario:
    """One service, in portions, with exits."""
    return load(SCENARIOS / "early-exit-e3.yaml", sets=["run.duration=1500ms", "run.warmup=200ms"])


def calibrated() -> Scenario:
    """One service whose times come from a fit with a held-out error."""
    return load(SCENARIOS / "quantized-bert.yaml", sets=["run.duration=1s", "run.warmup=100ms"])


def training() -> Scenario:
    """A training and nothing else."""
    return load(SCENARIOS / "bubble-fill-second-instance.yaml")


def stream() -> Scenario:
    """A stream and nothing else."""
    return load(SCENARIOS / "stream-training-l2l.yaml")


CASES = {"one": one, "three": three, "calibrated": calibrated, "training": training, "stream": stream}


@cache
def report(name: str) -> Report:
    """The report of a case, made once."""
    return make_report(CASES[name](), command=f"plan report {name}.yaml", draws=10)
