"""What chance decides is indexed by request: it does not depend on what is deployed nor on how long the run is."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simulator.cluster.draws import class_indices, jitter_sampler
from simulator.cluster.engine import Engine
from simulator.cluster.lower import lower
from simulator.cluster.lowered import Jitter
from simulator.cluster.requests import RequestTable
from simulator.results.record import RunRecord
from simulator.scenario import loads
from simulator.streams import stream
from tests.support import Node, layer, poisson, portion, record, scenario

CLASSES = [{"name": "a", "share": 0.3}, {"name": "b", "share": 0.7, "priority": 1}]
MODEL: Node = {"ramps": {"after": "all"}, "exits": {"profile": [0.5]}}
JITTER: Node = {"distribution": "lognormal", "cv": 0.5}


def written(duration_s: float = 50.0, deployment: Node | None = None, **service: Any) -> Node:
    deployment = deployment or {"portions": [portion("1"), portion("2")], "exit_mode": "at_cut"}
    given = {"workload": poisson(20.0), "classes": CLASSES, "jitter": JITTER, "deployment": deployment, **service}
    return scenario(given, [layer(0.01), layer(0.02)], duration_s=duration_s, model=MODEL)


def table(node: Node, replication: int = 0) -> RequestTable:
    made = loads(json.dumps(node))
    low = lower(made)
    return RequestTable(0, low.services[0], low.seed, replication, low.duration_s, made.source.folder)


def factors(requests: RequestTable, ordinal: int, count: int) -> list[float]:
    sampler = requests.draws.jitter
    assert sampler is not None
    factor = requests.numbers("jitter", sampler, ordinal)
    return [factor(i) for i in range(count)]


def test_a_longer_run_begins_the_same() -> None:
    short, long = table(written(50.0)), table(written(200.0))
    n = len(short.arrival)
    assert len(long.arrival) > n > 500
    assert long.arrival[:n] == short.arrival
    assert long.classes[:n] == short.classes
    assert long.rows[:n] == short.rows
    for ordinal in (0, 1):
        assert factors(long, ordinal, n) == factors(short, ordinal, n)


def test_deployments_see_the_same_requests() -> None:
    one = table(written())
    other = table(written(deployment={"portions": [portion("1-2", 7, batch=8)], "routing": "random"}))
    assert (one.arrival, one.classes, one.rows) == (other.arrival, other.classes, other.rows)
    assert factors(one, 0, 500) == factors(other, 0, 500)


def test_everything_has_a_stream_of_its_own() -> None:
    requests = table(written())
    n = len(requests.arrival)
    columns = [np.array(requests.rows), np.array(requests.classes), np.array(factors(requests, 0, n))]
    columns += [np.array(factors(requests, 1, n)), np.diff(requests.arrival, prepend=0.0)]
    for i, one in enumerate(columns):
        for other in columns[:i]:
            assert abs(stats.spearmanr(one, other).statistic) < 3.3 / np.sqrt(n)


def test_replications_and_seeds_differ() -> None:
    node = written()
    first = table(node)
    assert table(node, replication=1).arrival != first.arrival
    assert table(node | {"seed": 1}).arrival != first.arrival


def closed(duration_s: float, replicas: int) -> RunRecord:
    deployment = {"portions": [portion("1", replicas), portion("2", replicas)], "exit_mode": "at_cut"}
    workload = {"process": "closed", "clients": 5, "think": "100ms"}
    node = scenario(
        {"workload": workload, "classes": CLASSES, "jitter": JITTER, "deployment": deployment},
        [layer(0.03), layer(0.06)],
        duration_s=duration_s,
        model=MODEL,
    )
    return record(node)


def test_a_longer_closed_run_begins_the_same() -> None:
    short, long = closed(20.0, 2), closed(40.0, 2)
    n = int((short.requests.finish_s < 20.0).sum()) - 10
    for column in ("arrival_s", "finish_s", "class_index", "exit_layer"):
        np.testing.assert_array_equal(getattr(long.requests, column)[:n], getattr(short.requests, column)[:n])


def test_closed_draws_belong_to_client_and_ordinal() -> None:
    """The k-th request of a client is the same request, however long it had to wait for its answer."""
    slow, fast = (_by_sender(_sending(replicas)) for replicas in (1, 5))
    both = slow.keys() & fast.keys()
    assert len(both) > 100
    assert len(fast) > 2 * len(slow)
    assert all(slow[sender] == fast[sender] for sender in both)


def _sending(replicas: int) -> RequestTable:
    workload = {"process": "closed", "clients": 5, "think": "10ms"}
    deployment = {"portions": [portion("1-2", replicas)], "exit_mode": "compact"}
    made = loads(json.dumps(written(10.0, deployment, workload=workload)))
    engine = Engine(lower(made), 0, made.source.folder)
    engine.run()
    return engine.tables[0]


def _by_sender(requests: RequestTable) -> dict[tuple[int, int], tuple[int, int]]:
    """Class and exit row of each request by its client and ordinal."""
    return {requests.sender(i): (requests.classes[i], requests.rows[i]) for i in range(len(requests.arrival))}


@pytest.mark.parametrize(("distribution", "cv"), [("exponential", 1.0), ("lognormal", 0.3), ("lognormal", 2.0)])
def test_jitter_has_mean_one_and_its_spread(distribution: Any, cv: float) -> None:
    sampler = jitter_sampler(Jitter(distribution, cv if distribution == "lognormal" else 0.0))
    assert sampler is not None
    n = 400_000
    drawn = sampler(stream(3, "jitter"), (n,))
    assert drawn.min() > 0
    assert abs(drawn.mean() - 1.0) < 3.3 * cv / np.sqrt(n)
    if distribution == "lognormal":
        logs = np.log(drawn)
        variance = np.log1p(cv**2)
        assert abs(logs.var() - variance) < 3.3 * variance * np.sqrt(2 / n)
    else:
        assert stats.kstest(drawn, "expon").pvalue > 0.001


def test_exact_service_times_draw_nothing() -> None:
    assert jitter_sampler(Jitter("deterministic", 0.0)) is None


def test_classes_by_their_shares() -> None:
    found = class_indices(np.array([0.25, 0.75, 1.0]), np.array([0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999]))
    assert found.tolist() == [0, 0, 1, 1, 2, 2]
    assert class_indices(np.array([0.5, 0.9999999]), np.array([0.99999999])).tolist() == [1]
