"""Waits at 95 % load, where a queue remembers long and small faults of a simulator show.

A plain mean would need millions of requests for an interval of 5 %; ``fifo_wait`` takes the luck of the inputs out.
"""

from __future__ import annotations

import pytest

from tests.estimates import assert_agrees, fifo_wait
from tests.oracles import general, markov
from tests.support import records, station

SERVICE = 0.1
LOAD = 0.95


@pytest.mark.parametrize(
    ("servers", "jitter"),
    [(1, "exponential"), (4, "exponential"), (1, "deterministic"), (4, "deterministic")],
    ids=["mm1", "mm4", "md1", "md4"],
)
def test_mean_wait_at_95_percent(servers: int, jitter: str) -> None:
    """The queue starts empty and needs thousands of service times to forget it: a warm-up of 15,000 requests."""
    rate, exact = LOAD * servers / SERVICE, jitter == "deterministic"
    requests = 25_000 if exact else 45_000
    node = station(rate, SERVICE, servers, requests=requests, warm=15_000, replications=24, seed=71, jitter=jitter)
    theory = general.mdc_wait if exact else markov.mmc_wait
    estimate = fifo_wait(records(node), rate, SERVICE, exact=exact)
    assert_agrees(estimate, theory(rate, SERVICE, servers), sees=0.04)
