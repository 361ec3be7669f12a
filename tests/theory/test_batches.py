"""Batch service: bulk queues with constant and linear times, full batches only, and batches closed by a
timer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.results.record import RunRecord
from tests.estimates import assert_agrees, interval, with_luck
from tests.oracles import bulk, markov
from tests.support import Node, layer, poisson, portion, records, scenario, waits


def batching(
    rate: float, time: float | tuple[float, float], servers: int, jitter: str, requests: int, **entry: Any
) -> Node:
    service: Node = {
        "workload": poisson(rate),
        "jitter": {"distribution": jitter},
        "deployment": {"portions": [portion("1", servers, **entry)]},
    }
    return scenario(
        service,
        [layer(time)],
        duration_s=(requests + 2_000) / rate,
        warmup_s=2_000 / rate,
        replications=16,
        seed=61,
    )


def mean_batch(rec: RunRecord) -> float:
    inside = (rec.batches.start_s >= rec.warmup_s) & (rec.batches.end_s < rec.duration_s)
    return float(np.diff(rec.batches.offset)[inside].mean())


@pytest.mark.parametrize(("load", "limit"), [(1.4, 2), (3.2, 4), (6.8, 8), (0.9, 64)])
def test_constant_batch_time(load: float, limit: int) -> None:
    """M/D^[1,b]/1: an idle replica takes what is there, up to b; the time does not depend on the batch."""
    rate = load / 0.1
    runs = records(batching(rate, 0.1, 1, "deterministic", 20_000, batch=limit))
    wait_s, fill = bulk.bulk_wait(rate, lambda _: 0.1, limit)
    assert wait_s == pytest.approx(bulk.constant_bulk_wait(rate, 0.1, limit))
    assert_agrees(with_luck(runs, [waits(r).mean() for r in runs], rate), wait_s)
    assert_agrees(interval([mean_batch(r) for r in runs]), fill, sees=0.02)


@pytest.mark.parametrize(("rate", "limit"), [(8.0, 8), (20.0, 4), (24.0, 8)])
def test_linear_batch_time(rate: float, limit: int) -> None:
    """T(b) = 40 ms + 30 ms b (embedded Markov chain): time, wait and fill all depend on each other."""
    runs = records(batching(rate, (0.04, 0.03), 1, "deterministic", 30_000, batch=limit))
    wait_s, fill = bulk.bulk_wait(rate, lambda n: 0.04 + 0.03 * n, limit)
    assert_agrees(with_luck(runs, [waits(r).mean() for r in runs], rate), wait_s)
    assert_agrees(interval([mean_batch(r) for r in runs]), fill, sees=0.03)


@pytest.mark.parametrize("limit", [2, 5])
def test_full_batches_only(limit: int) -> None:
    """A max_wait beyond the run: batches of b, so (b - 1) / 2 gaps to fill and then E_b/M/1."""
    rate = 0.7 * limit / 0.1
    runs = records(batching(rate, 0.1, 1, "exponential", 30_000, batch=limit, max_wait=1e6))
    wanted = (limit - 1) / 2 / rate + markov.erlang_arrivals_wait(rate / limit, 0.1, limit)
    assert_agrees(with_luck(runs, [waits(r).mean() for r in runs], rate, 0.1), wanted)
    assert all(np.diff(r.batches.offset).min() == limit for r in runs)


@pytest.mark.parametrize(("max_wait", "limit"), [(0.1, 4), (0.3, 4), (0.1, 32)])
def test_batches_closed_by_the_timer(max_wait: float, limit: int) -> None:
    """With a replica always idle a batch starts full or ``max_wait`` after its first request."""
    rate = 12.0
    runs = records(batching(rate, 0.05, 40, "deterministic", 20_000, batch=limit, max_wait=max_wait))
    wait_s, fill = bulk.timer_fill(rate, max_wait, limit)
    assert_agrees(interval([waits(r).mean() for r in runs]), wait_s, sees=0.02)
    assert_agrees(interval([mean_batch(r) for r in runs]), fill, sees=0.02)
    assert max(waits(r).max() for r in runs) <= max_wait + 1e-9
