"""How many candidate deployments of 10,000 requests are evaluated per second, and where the time of one goes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from benchmarks.systems import REQUESTS_PER_S, THREE
from simulator import cluster
from simulator.cluster.compiled import CompiledEngine
from simulator.cluster.lower import lower
from simulator.cluster.spread import cores
from simulator.results import check_tally, tally_metrics
from simulator.scenario import Scenario

REQUESTS, ROUNDS, REPEATS = 10_000, 5, 50
BATCHES = (4, 6, 8, 12, 16)


def deployments() -> list[Scenario]:
    """The three portions with every choice of their batch sizes."""
    text = THREE.format(duration=REQUESTS / REQUESTS_PER_S)
    key = "services.net.deployment.portions.{}.batch={}"
    return [
        cluster.loads(text, sets=[key.format(number, batch) for number, batch in enumerate(batches)])
        for batches in product(BATCHES, repeat=3)
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_candidates(benchmark: Any, capsys: pytest.CaptureFixture[str], workers: int) -> None:
    """On processes that start with the call; what a second of processor time does tells of a busy machine too."""
    candidates = deployments()
    what = f"{len(candidates)} candidates of {REQUESTS:,} requests, {workers} of {cores()} cores"
    benchmark.extra_info["what"] = what
    busy_s = -processor_s()
    rows = benchmark.pedantic(
        lambda: cluster.evaluate(candidates, workers=workers), rounds=ROUNDS, iterations=1, warmup_rounds=1
    )
    busy_s += processor_s()
    assert all(row.error is None and row.engine == "compiled" for row in rows)
    rate, busy_rate = len(candidates) / benchmark.stats.stats.min, len(candidates) * (ROUNDS + 1) / busy_s
    with capsys.disabled():
        print(f"\n{what}: {rate:,.0f} candidates/s, {busy_rate:,.0f} per second of processor time")


def processor_s() -> float:
    """Processor time of this process and of those that it has waited for [s]."""
    return sum(os.times()[:4])


def test_one_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    """The best of many times of each step."""
    scenario, folder = deployments()[0], Path()
    lowered = lower(scenario)

    def engine() -> CompiledEngine:
        return CompiledEngine(lowered, 0, folder, keep_tables=False)

    frame, tally = engine().tally()
    steps = {
        "lowering": best(lambda _: lower(scenario)),
        "engine set-up": best(lambda _: engine()),
        "run and tally": best(lambda ready: ready.tally(), engine),
        "check": best(lambda _: check_tally(frame, tally)),
        "figures": best(lambda _: tally_metrics(frame, tally)),
    }
    with capsys.disabled():
        shown = ", ".join(f"{name} {seconds * 1e6:,.0f} us" for name, seconds in steps.items())
        print(f"\none candidate of {REQUESTS:,} requests: {shown}")


def best(step: Callable[[Any], object], ready: Callable[[], Any] = lambda: None) -> float:
    """Seconds that a step takes at best, without those in which it is made ready."""
    times = []
    for _ in range(REPEATS):
        prepared = ready()
        start = time.perf_counter()
        step(prepared)
        times.append(time.perf_counter() - start)
    return min(times)
