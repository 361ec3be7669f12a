"""Little's law and the utilisation law in a network with batches, early leaving, priorities and drops."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.results.record import Outcome, RunRecord
from tests.estimates import assert_agrees, interval, with_luck
from tests.support import (
    Node,
    layer,
    mean_inside,
    poisson,
    portion,
    records,
    run,
    scenario,
    sojourns,
    station,
)

RATE = 60.0


def busy_network(replications: int) -> Node:
    """Three portions with early leaving, timers, priorities, a bound, drops and random times."""
    service: Node = {
        "slo": {"latency": "600ms"},
        "workload": poisson(RATE),
        "classes": [{"name": "a", "share": 0.3, "priority": 1}, {"name": "b", "share": 0.7}],
        "queue": {"capacity": 60, "drop": "expired"},
        "jitter": {"distribution": "lognormal", "cv": 0.7},
        "deployment": {
            "exit_mode": "at_cut",
            "portions": [
                portion("1", 3, batch=4, max_wait=0.02),
                portion("2", 4, batch=2, max_wait=0.01),
                portion("3", 2, batch=2),
            ],
        },
    }
    return scenario(
        service,
        [layer((0.05, 0.03), f"l{i}") for i in range(3)],
        model={"ramps": {"after": "all"}, "exits": {"profile": [0.3, 0.4, 0.3]}},
        duration_s=320.0,
        warmup_s=20.0,
        replications=replications,
        seed=91,
    )


def test_littles_law() -> None:
    """L = rate x W: the number inside at instants of its own clock against arrivals and times in system."""
    errors, inside = [], []
    for rec in records(busy_network(12)):
        instants = np.arange(rec.warmup_s, rec.duration_s, 0.05)
        arrival, finish = np.sort(rec.requests.arrival_s), np.sort(rec.requests.finish_s)
        number = np.searchsorted(arrival, instants, "right") - np.searchsorted(finish, instants, "right")
        by_law = sojourns(rec).sum() / (rec.duration_s - rec.warmup_s)
        errors.append(number.mean() - by_law)
        inside.append(by_law)
    mean, half = interval(errors)
    assert half < 0.02 * np.mean(inside)
    assert abs(mean) <= half


def test_every_outcome_occurs_in_that_network() -> None:
    """The law above is about requests that complete, are dropped and are rejected, not about an empty case."""
    (rec,) = records(busy_network(1))
    counts = np.bincount(rec.requests.outcome, minlength=5)
    assert counts[Outcome.COMPLETED] > 1000
    assert counts[Outcome.DROPPED] > 10
    assert counts.sum() == len(rec.requests.arrival_s)


def busy_share(rec: RunRecord, servers: int) -> float:
    start, end = np.maximum(rec.batches.start_s, rec.warmup_s), np.minimum(rec.batches.end_s, rec.duration_s)
    return float(np.maximum(end - start, 0.0).sum()) / (rec.duration_s - rec.warmup_s) / servers


@pytest.mark.parametrize("servers", [1, 5])
def test_utilisation_law(servers: int) -> None:
    """Utilisation = rate x service / servers, from the batches and as the result reports it."""
    node = station(7.0 * servers, 0.1, servers, requests=15_000, warm=500, seed=92)
    result = run(node)
    busy = [busy_share(r, servers) for r in result.records]
    assert_agrees(with_luck(result.records, busy, 7.0 * servers, 0.1), 0.7, sees=0.005)
    (reported,) = result.to_dict()["services"]["s"]["portions"]
    assert reported["utilization"] == pytest.approx(np.mean(busy), rel=1e-9)


def test_figures_of_the_result_are_those_of_its_records() -> None:
    """The JSON's latency, wait and number agree with what these tests compute from the records themselves."""
    node = station(7.0, 0.1, requests=20_000, warm=500, replications=1, seed=93)
    result = run(node)
    (rec,) = result.records
    figures = result.to_dict()["services"]["s"]
    spent = np.sort(sojourns(rec))
    assert figures["latency"]["mean"] == pytest.approx(spent.mean(), rel=1e-12)
    assert figures["latency"]["p99"] == spent[int(np.ceil(0.99 * len(spent))) - 1]
    assert figures["latency"]["max"] == spent[-1]
    assert figures["arrived"] == len(spent)
    assert mean_inside(rec) == pytest.approx(7.0 * spent.mean(), rel=0.05)
