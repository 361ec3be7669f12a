"""Bounded queues: Erlang loss and its insensitivity, M/M/1/K, breakdowns."""

from __future__ import annotations

import pytest

from simulator.results.record import Outcome
from tests.estimates import assert_agrees, interval, with_luck
from tests.oracles import markov
from tests.support import Node, mean_inside, records, share, sojourns, station

SERVICE = 0.1
JITTERS: list[Node] = [
    {"distribution": "deterministic"},
    {"distribution": "exponential"},
    {"distribution": "lognormal", "cv": 1.5},
]


@pytest.mark.parametrize("jitter", JITTERS, ids=lambda jitter: jitter["distribution"])
@pytest.mark.parametrize(("load", "servers"), [(3.0, 4), (8.0, 8)])
def test_loss_is_erlang_b_whatever_the_service_times(jitter: Node, load: float, servers: int) -> None:
    """M/G/c/c: capacity 0 rejects whoever finds all replicas busy; only the mean service time matters."""
    node = station(
        load / SERVICE,
        SERVICE,
        servers,
        requests=12_000,
        warm=300,
        seed=21,
        jitter=jitter,
        service={"queue": {"capacity": 0}},
    )
    runs = records(node)
    times = None if jitter["distribution"] == "deterministic" else SERVICE
    lost = [share(r, Outcome.REJECTED) for r in runs]
    assert_agrees(with_luck(runs, lost, load / SERVICE, times), markov.erlang_b(load, servers), sees=0.04)


@pytest.mark.parametrize(("load", "size"), [(0.8, 5), (1.5, 3)])
def test_mm1k_loss_and_number(load: float, size: int) -> None:
    """M/M/1/K is capacity K - 1: share lost, mean number in system and mean time of the accepted."""
    node = station(
        load / SERVICE,
        SERVICE,
        requests=30_000,
        warm=1_000,
        seed=22,
        service={"queue": {"capacity": size - 1}},
    )
    runs = records(node)
    chances = markov.mm1k_distribution(load, size)
    number = sum(n * chance for n, chance in enumerate(chances))
    assert_agrees(interval([share(r, Outcome.REJECTED) for r in runs]), chances[-1])
    assert_agrees(interval([mean_inside(r) for r in runs]), number, sees=0.03)
    accepted = [sojourns(r).sum() / (len(sojourns(r)) * (1 - share(r, Outcome.REJECTED))) for r in runs]
    assert_agrees(interval(accepted), number * SERVICE / load / (1 - chances[-1]), sees=0.03)


def test_mmck_loss() -> None:
    """M/M/3/6: capacity 3 behind three replicas."""
    node = station(3.3 / SERVICE, SERVICE, 3, requests=30_000, warm=1_000, seed=23, service={"queue": {"capacity": 3}})
    lost = [share(r, Outcome.REJECTED) for r in records(node)]
    assert_agrees(interval(lost), markov.mmck_distribution(3.3, 3, 6)[-1])


def test_breakdowns_of_a_loss_server() -> None:
    """A server that breaks down, busy or not: what is rejected, and what fails in service (a three-state
    chain).
    """
    rate, mtbf, mttr = 8.0, 1.5, 0.5
    node = station(
        rate,
        SERVICE,
        requests=40_000,
        warm=1_000,
        seed=24,
        service={"queue": {"capacity": 0}, "on_fault": "drop"},
    )
    node["cluster"]["pools"]["pool"]["faults"] = {"mtbf": f"{mtbf}s", "mttr": f"{mttr}s"}
    runs = records(node)
    rejected, aborted = markov.breakdown_loss(rate, SERVICE, mtbf, mttr)
    assert_agrees(interval([share(r, Outcome.REJECTED) for r in runs]), rejected, sees=0.03)
    assert_agrees(interval([share(r, Outcome.FAILED) for r in runs]), aborted)
