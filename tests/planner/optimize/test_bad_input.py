"""What cannot be planned is one clear message, with the figure and the place; beside those of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.cluster import load
from simulator.errors import ScenarioError
from simulator.planner.optimize.api import optimize

TEXT = """\
version: 1
name: refused
run: {duration: 40s}
cluster:
  pools:
    gpu: {device: v100-16gb, count: 12, price_per_hour: 2}
models:
  m:
    layers: [{name: l, repeat: 4, time: {overhead: 2ms, per_item: 1ms}, weights: 10MB}]
    ramps: {after: [1, 2], time: 100us}
    exits: {profile: [0.5, 0.2]}
services:
  s:
    model: m
    slo: {latency: 100ms, attainment: 95%}
    workload: {process: poisson, rate: 300/s}
planner:
  window: 20s
  search: {batch: [2, 4], max_cuts: 1}
"""
FORECAST = "window: 20s\n  forecast: {series: load.csv, interval: 10min}"
CASES = {
    "objective": ("latency: 100ms", "latency: 9ms", "9 ms is below the fastest possible service time, "),
    "price of 0": ("price_per_hour: 2", "price_per_hour: 0", "there is no least cost; say what they cost"),
    "empty forecast": ("window: 20s", FORECAST, "load.csv"),
    "fits nowhere": ("weights: 10MB", "weights: 90GB", "fits the memory of no device of the search"),
    "no cut": ("max_cuts: 1}", "max_cuts: 0, exit_mode: [at_cut]}", "`exit_mode: [at_cut]` needs a cut"),
    "serial without cut": (
        "max_cuts: 1}",
        "exit_mode: [compact], execution: [serial]}",
        "only `at_cut` runs in serial",
    ),
    "rules of nobody": ("max_cuts: 1}", "exit_mode: [none], rules: [{confidence: 0.9}]}", "nobody exits early"),
    "unknown pool": ("max_cuts: 1}", "pools: [tpu]}", "tpu"),
    "no budget": ("window: 20s", "window: 20s\n  objective: attainment", "budget_per_hour"),
    "no load": ("rate: 300/s", "rate: 0/s", "must be greater than 0"),
    "pools to lose": ("window: 20s", "window: 20s\n  survive: {pool: any}", "pool"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_message(name: str, tmp_path: Path) -> None:
    old, new, says = CASES[name]
    assert old in TEXT
    (tmp_path / "s.yaml").write_text(TEXT.replace(old, new))
    (tmp_path / "load.csv").write_text("t_s,requests\n")
    with pytest.raises(ScenarioError) as caught:
        optimize(load(tmp_path / "s.yaml"), workers=1)
    assert len(caught.value.problems) == 1, caught.value
    assert says in str(caught.value)
    assert "s.yaml" in str(caught.value) or "load.csv" in str(caught.value)


def test_the_fastest_possible_time_is_that_of_the_smallest_batch(tmp_path: Path) -> None:
    """Two requests in a batch pass four layers of 2 + 2 ms each."""
    (tmp_path / "s.yaml").write_text(TEXT.replace("100ms, ", "9ms, ").replace("max_cuts: 1", "exit_mode: [none]"))
    with pytest.raises(ScenarioError, match=r"9 ms is below the fastest possible service time, 16 ms \(none on gpu"):
        optimize(load(tmp_path / "s.yaml"), workers=1)


def test_as_written_it_has_a_plan(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(TEXT)
    assert optimize(load(tmp_path / "s.yaml"), workers=1).holds
