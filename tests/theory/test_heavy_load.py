"""Waits at 95 % load, where a queue remembers long and small faults of a simulator show.

A mean wait at this load needs millions of requests for an interval of 5 %. The run-to-run luck in the number of arrivals
and in the mean service time has a known mean, so it is taken out by regression (control variates): about half the variance.
"""

from __future__ import annotations

import numpy as np
import pytest

from simulator.results.record import RunRecord
from tests.estimates import assert_agrees, controlled
from tests.oracles import general, markov
from tests.support import Node, members, records, station, waits

SERVICE = 0.1
LOAD = 0.95


def luck(rec: RunRecord) -> tuple[float, float]:
    """Arrivals per second and mean service time of the whole run (of those that were served)."""
    served = (rec.batches.end_s - rec.batches.start_s)[members(rec)]
    return len(rec.requests.arrival_s) / rec.duration_s, float(served.mean())


@pytest.mark.parametrize(
    ("servers", "jitter", "requests"),
    [(1, "exponential", 110_000), (4, "exponential", 110_000), (4, "deterministic", 60_000)],
    ids=["mm1", "mm4", "md4"],
)
def test_mean_wait_at_95_percent(servers: int, jitter: str, requests: int) -> None:
    """M/M/1, M/M/4 and M/D/4."""
    rate = LOAD * servers / SERVICE
    estimate = heavy(
        station(
            rate, SERVICE, servers, requests=requests, warm=15_000, replications=40, seed=71, jitter=jitter
        ),
        rate,
    )
    exponential = jitter == "exponential"
    theory = markov.mmc_wait if exponential else general.mdc_wait
    assert_agrees(estimate, theory(rate, SERVICE, servers))


def heavy(node: Node, rate: float) -> tuple[float, float]:
    """The controlled estimate of the mean wait of a station with Poisson arrivals."""
    runs = records(node)
    means = [waits(r).mean() for r in runs]
    arrivals, services = (np.array(column) for column in zip(*map(luck, runs)))
    if services.std() < 1e-9:
        return controlled(means, [arrivals], [rate])
    return controlled(means, [arrivals, services], [rate, SERVICE])
