"""How fast cuts, types and replicas are found: a model of 48 layers on 64 devices of three types."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.planner.split import DeviceType, Exits, Limits, SplitProblem, best_at_cuts, best_tagged, recommend

LAYERS, BATCH, ROWS, ROUNDS = 48, 32, 2000, 3


def deep(counts: tuple[int, ...], layers: int = LAYERS, max_cuts: int | None = None) -> SplitProblem:
    """Layers of uneven cost, types of device that differ in start-up and slope, 2,000 rows of exits."""
    rng = np.random.default_rng(1)
    batch = np.arange(BATCH + 1)
    types = []
    for number, count in enumerate(counts):
        layer_s = rng.uniform(0.5, 1.5, (layers, 1)) * (1e-3 * (number + 1) + 1e-4 * (3 - number) * batch)
        layer_s[:, 0] = 0.0
        send_s = np.tile(5e-5 + 1e-5 * batch, (layers, 1))
        types.append(DeviceType(f"type {number}", count, layer_s, 0.1 * layer_s, send_s, price_per_hour=3.0 - number))
    first = np.minimum(rng.geometric(2.4 / layers, ROWS), layers)
    fires = (np.arange(1, layers + 1) >= first[:, None]) & (rng.random((ROWS, layers)) < 0.9)
    return SplitProblem(tuple(types), Exits(fires), Limits(max_cuts=max_cuts))


def timed(benchmark: Any, what: str, run: Any) -> Any:
    benchmark.extra_info["what"] = what
    return benchmark.pedantic(run, rounds=ROUNDS, iterations=1, warmup_rounds=1)


def test_tagged(benchmark: Any) -> None:
    problem = deep((22, 21, 21))
    plan = timed(benchmark, "48 layers, 64 devices, 3 types, any cuts", lambda: best_tagged(problem, BATCH))
    assert plan.exact


def test_tagged_few_cuts(benchmark: Any) -> None:
    problem = deep((22, 21, 21), max_cuts=3)
    plan = timed(benchmark, "the same with at most 3 cuts", lambda: best_tagged(problem, BATCH))
    assert plan.exact


def test_at_cuts(benchmark: Any) -> None:
    problem = deep((22, 21, 21), max_cuts=3)
    plan = timed(benchmark, "the same, ramps at the cuts only", lambda: best_at_cuts(problem, BATCH))
    assert plan.exact


def test_recommendation(benchmark: Any) -> None:
    problem = deep((16,), layers=12)
    answer = timed(benchmark, "12 layers, every mode, 32 batch sizes", lambda: recommend(problem, 8))
    assert answer.recommended.exact
