"""Exit rows in a run: replayed in order, in blocks of their own per replication, from a mix that moves with time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulator.cluster import simulate
from simulator.scenario import load
from tests.support import Floats

TEXT = """\
version: 1
name: rows
seed: 4
run: {duration: 10s}
cluster: {pools: {p: {device: {memory: 8GiB, memory_bandwidth: 68GB/s, peak: {fp16: 1TFLOPS}}, count: 1}}}
models:
  m:
    layers: [{name: l, repeat: 3, time: 10us}]
    ramps: {after: all}
    exits: {rule: {confidence: 0.8}, %s}
services:
  s:
    model: m
    workload: {process: %s}
    deployment: {exit_mode: compact, portions: [{layers: 1-3, pool: p, replicas: 1}]}
"""
OPEN = "poisson, rate: 500/s"
CLOSED = "closed, clients: 3, think: 5ms"
MIX = "tables: {easy: a.csv, hard: b.csv}, mix: [{at: 0s, shares: {easy: 1}}, {at: 5s, shares: {hard: 1}}], change: "


def left(folder: Path, exits: str, workload: str = OPEN, replication: int = 0) -> tuple[Floats, Floats]:
    """Arrival instants, and layers after which the requests left."""
    (folder / "a.csv").write_text("conf_1,conf_2,conf_3\n0.9,0.9,0.9\n0.9,0.9,0.9\n")
    (folder / "b.csv").write_text("conf_1,conf_2,conf_3\n0.1,0.9,0.9\n0.1,0.1,0.9\n")
    (folder / "c.csv").write_text("conf_1,conf_2,conf_3\n0.9,0,0\n0,0.9,0\n0,0,0\n0,0.9,0\n")
    file = folder / "s.yaml"
    file.write_text(TEXT % (exits, workload))
    result = simulate(load(file, sets=[f"run.replications={replication + 1}"]))
    requests = result.requests[result.requests["replication"] == replication]
    return requests["arrival_s"].to_numpy(), requests["exit_layer"].to_numpy()


@pytest.mark.parametrize("workload", [OPEN, CLOSED])
def test_rows_in_the_order_of_the_file(tmp_path: Path, workload: str) -> None:
    _, layers = left(tmp_path, "table: c.csv, order: replayed", workload)
    assert layers[:9].tolist() == [1, 2, 3, 2, 1, 2, 3, 2, 1]


@pytest.mark.parametrize("workload", [OPEN, CLOSED])
def test_the_mix_follows_the_arrival(tmp_path: Path, workload: str) -> None:
    arrival, layers = left(tmp_path, MIX + "step", workload)
    assert set(layers[arrival < 5].tolist()) == {1}
    assert set(layers[arrival >= 5].tolist()) == {2, 3}
    arrival, layers = left(tmp_path, MIX + "linear", workload)
    shares = [(layers[(arrival >= second) & (arrival < second + 1)] == 1).mean() for second in range(6)]
    assert shares == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1, 0.0], abs=0.09)


def test_every_replication_shuffles_its_blocks(tmp_path: Path) -> None:
    _, one = left(tmp_path, "table: c.csv, order: {blocks: 1}")
    _, other = left(tmp_path, "table: c.csv, order: {blocks: 1}", replication=1)
    _, again = left(tmp_path, "table: c.csv, order: {blocks: 1}")
    whole = len(one) // 4 * 4
    assert (np.sort(one[:whole].reshape(-1, 4), axis=1) == [1, 2, 2, 3]).all()
    assert one.tolist() == again.tolist()
    assert one[:40].tolist() != other[:40].tolist()
