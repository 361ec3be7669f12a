"""Classes with non-preemptive priority (Cobham 1954); the higher number is served first."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from simulator.results.record import RunRecord
from tests.estimates import assert_agrees, controlled
from tests.oracles import general, markov
from tests.support import Node, cohort, records, served, station, waits

SERVICE = 0.1
SHARES = {"low": 0.3, "high": 0.25, "middle": 0.45}
PRIORITY = {"low": -1, "high": 5, "middle": 2}


def fifo_mean(rec: RunRecord, servers: int) -> float:
    """Mean wait [s] of the cohort had the same requests with the same service times been served in order."""
    free, waited = [0.0] * servers, []
    for arrival, service in zip(rec.requests.arrival_s.tolist(), served(rec).tolist()):
        start = max(arrival, heapq.heappop(free))
        heapq.heappush(free, start + service)
        waited.append(start - arrival)
    return float(np.array(waited)[cohort(rec)].mean())


@pytest.mark.parametrize(
    ("load", "servers", "jitter"),
    [
        (0.75, 1, {"distribution": "exponential"}),
        (0.75, 1, {"distribution": "deterministic"}),
        (0.7, 1, {"distribution": "lognormal", "cv": 1.3}),
        (2.25, 3, {"distribution": "exponential"}),
    ],
    ids=["mm1", "md1", "mg1", "mm3"],
)
def test_wait_by_class(load: float, servers: int, jitter: Node) -> None:
    """Mean wait of each of three classes, written in no particular order."""
    rate = load / SERVICE
    classes = [{"name": name, "share": SHARES[name], "priority": PRIORITY[name]} for name in SHARES]
    node = station(
        rate,
        SERVICE,
        servers,
        requests=14_000,
        warm=2_000,
        replications=24,
        seed=51,
        jitter=jitter,
        service={"classes": classes},
    )
    runs = records(node)
    order = ["high", "middle", "low"]
    cv = float(jitter.get("cv", 1.0 if jitter["distribution"] == "exponential" else 0.0))
    wanted = general.priority_waits([rate * SHARES[name] for name in order], SERVICE, cv, servers)
    # How long the queue was by luck is known from the same input served in order, whose mean theory gives
    # too.
    fifo = general.mg1_wait(rate, SERVICE, cv) if servers == 1 else markov.mmc_wait(rate, SERVICE, servers)
    luck = [fifo_mean(r, servers) for r in runs]
    for name, theory in zip(order, wanted):
        index = [info.name for info in runs[0].services[0].classes].index(name)
        samples = [waits(r, class_index=index).mean() for r in runs]
        assert_agrees(controlled(samples, [luck], [fifo]), theory, sees=0.06)
