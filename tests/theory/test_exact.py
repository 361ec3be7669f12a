"""What holds without any tolerance: D/D/c, the recursions of FIFO queues, the utilisation law."""

from __future__ import annotations

import heapq
from pathlib import Path

import numpy as np
import pytest

from simulator.results.record import RunRecord
from tests.support import Floats, layer, members, portion, record, run, scenario, station, trace


def fifo_ends(arrivals: Floats, services: Floats, servers: int) -> Floats:
    """Kiefer & Wolfowitz (1955): each request starts at the later of its arrival and the first server free."""
    free = [0.0] * servers
    ends = np.empty(len(arrivals))
    for i, (arrival, service) in enumerate(zip(arrivals.tolist(), services.tolist())):
        ends[i] = max(arrival, heapq.heappop(free)) + service
        heapq.heappush(free, ends[i])
    return ends


def served(rec: RunRecord) -> Floats:
    """Service time of each request, by request [s]."""
    times = np.empty(len(rec.requests.arrival_s))
    times[rec.batches.member] = (rec.batches.end_s - rec.batches.start_s)[members(rec)]
    return times


@pytest.mark.parametrize(
    ("servers", "gap", "service"), [(1, 0.5, 0.25), (3, 0.125, 1.0), (4, 0.25, 1.0), (2, 0.5, 1.5)]
)
def test_ddc_by_hand(tmp_path: Path, servers: int, gap: float, service: float) -> None:
    """One arrival every ``gap``: nobody waits at load <= 1; beyond it the n-th ends in round n // c."""
    arrivals = [gap * n for n in range(200)]
    node = scenario(
        {"workload": trace(tmp_path, arrivals), "deployment": {"portions": [portion("1", servers)]}},
        [layer(service)],
        duration_s=1000.0,
    )
    finish = record(node, tmp_path).requests.finish_s
    n = np.arange(200)
    if service <= servers * gap:
        assert np.array_equal(finish, gap * n + service)
    else:
        assert np.array_equal(finish, (n // servers + 1) * service + (n % servers) * gap)


@pytest.mark.parametrize("servers", [1, 3])
def test_ddc_with_times_that_are_no_binary_fractions(tmp_path: Path, servers: int) -> None:
    """0.1 s services: the engine adds the same floats in the same order as the recursion, so all bits agree."""
    arrivals = np.cumsum(np.full(500, 0.1 / servers * 0.97))
    node = scenario(
        {"workload": trace(tmp_path, arrivals.tolist()), "deployment": {"portions": [portion("1", servers)]}},
        [layer(0.1)],
        duration_s=1000.0,
    )
    finish = record(node, tmp_path).requests.finish_s
    assert np.array_equal(finish, fifo_ends(arrivals, np.full(500, 0.1), servers))


@pytest.mark.parametrize("servers", [1, 4])
def test_constant_times_at_95_percent_follow_the_recursion(servers: int) -> None:
    """M/D/c at 95 % load: every one of 100,000 finish instants, bit for bit."""
    node = station(9.5 * servers, 0.1, servers, requests=100_000, replications=1, seed=81, jitter="deterministic")
    rec = record(node)
    assert np.array_equal(
        rec.requests.finish_s,
        fifo_ends(rec.requests.arrival_s, np.full(len(rec.requests.arrival_s), 0.1), servers),
    )


@pytest.mark.parametrize("servers", [1, 4])
def test_random_times_at_95_percent_follow_the_recursion(servers: int) -> None:
    """M/M/c at 95 % load with the run's own service times, which are known to the last rounding of end -
    start.
    """
    rec = record(station(9.5 * servers, 0.1, servers, requests=100_000, replications=1, seed=82))
    ends = fifo_ends(rec.requests.arrival_s, served(rec), servers)
    assert np.allclose(rec.requests.finish_s, ends, rtol=0.0, atol=1e-6)


def test_utilisation_of_ddc_is_exact(tmp_path: Path) -> None:
    """Rate x service / servers over whole periods: 8/s x 0.25 s / 4 = 0.5, to the last bit."""
    node = scenario(
        {
            "workload": trace(tmp_path, [n / 8 for n in range(8 * 64)]),
            "deployment": {"portions": [portion("1", 4)]},
        },
        [layer(0.25)],
        duration_s=64.0,
        warmup_s=32.0,
    )
    (figures,) = run(node, tmp_path).to_dict()["services"]["s"]["portions"]
    assert figures["utilization"] == 0.5
    assert figures["mean_batch"] == 1.0
    assert figures["queue_wait"]["mean"] == 0.0
