"""The same networks in Ciw (Palmer et al. 2019), a simulator that shares no code with this one.

Both run independent replications; the Welch 99.9 % interval of the difference covers 0 for all but 1 in 1000 seed sets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ciw
import numpy as np

from simulator.results.record import Outcome, RunRecord
from tests.estimates import assert_same_mean
from tests.support import Floats, Node, cohort, layer, portion, records, scenario, sojourns, waits

RUNS = 24
WARM_S, LENGTH_S = 20.0, 400.0
Row = Any


def with_ciw(
    network: Callable[[], Any], figures: Callable[[list[Row]], list[float]], length_s: float = LENGTH_S
) -> Floats:
    """Figures of replications in Ciw, shape (figures, runs); a figure is computed from the rows after the
    warm-up.
    """
    found = []
    for run in range(RUNS):
        ciw.seed(1000 + run)
        simulation = ciw.Simulation(network())
        simulation.simulate_until_max_time(length_s)
        rows = simulation.get_all_records()
        found.append(figures([row for row in rows if row.arrival_date >= WARM_S]))
    return np.array(found).T


def ours(service: Node, layers: list[Node], figures: Callable[[RunRecord], list[float]], **more: Any) -> Floats:
    """The same figures of our own runs, of twice the length."""
    node = scenario(service, layers, duration_s=2 * LENGTH_S, warmup_s=WARM_S, replications=RUNS, seed=7, **more)
    return np.array([figures(rec) for rec in records(node)]).T


def assert_all_same(mine: Floats, theirs: Floats, sees: float) -> None:
    for one, other in zip(mine, theirs):
        assert_same_mean(one, other, sees)


def gamma(rate: float, cv: float) -> Any:
    """Gaps of a renewal process in Ciw's words."""
    return ciw.dists.Gamma(1 / cv**2, cv**2 / rate)


def mean_wait(rows: list[Row], node: int) -> float:
    return float(np.mean([row.waiting_time for row in rows if row.node == node and row.record_type == "service"]))


def test_tandem_with_routing_out() -> None:
    """Three servers, then two for the 60 % who go on, with bursty arrivals."""

    def network() -> Any:
        return ciw.create_network(
            arrival_distributions=[gamma(16.0, 1.3), None],
            service_distributions=[ciw.dists.Exponential(10.0), ciw.dists.Exponential(1 / 0.12)],
            number_of_servers=[3, 2],
            routing=[[0.0, 0.6], [0.0, 0.0]],
        )

    def figures(rows: list[Row]) -> list[float]:
        spent: dict[Any, float] = {}
        for row in rows:
            spent[row.id_number] = spent.get(row.id_number, 0.0) + row.waiting_time + row.service_time
        return [mean_wait(rows, 1), mean_wait(rows, 2), float(np.mean(list(spent.values())))]

    service: Node = {
        "workload": {"process": "gamma", "rate": "16/s", "cv": 1.3},
        "jitter": {"distribution": "exponential"},
        "deployment": {"exit_mode": "at_cut", "portions": [portion("1", 3), portion("2", 2)]},
    }
    mine = ours(
        service,
        [layer(0.1, "one"), layer(0.12, "two")],
        lambda rec: [waits(rec, 0).mean(), waits(rec, 1).mean(), sojourns(rec).mean()],
        model={"ramps": {"after": [1]}, "exits": {"profile": [0.4]}},
    )
    assert_all_same(mine, with_ciw(network, figures), sees=0.12)


def test_priorities_on_two_servers_with_constant_times() -> None:
    """M/D/2 with two classes, for which there is no closed form."""

    def network() -> Any:
        return ciw.create_network(
            arrival_distributions={"high": [ciw.dists.Exponential(5.0)], "low": [ciw.dists.Exponential(7.5)]},
            service_distributions={name: [ciw.dists.Deterministic(0.1)] for name in ("high", "low")},
            number_of_servers=[2],
            priority_classes={"high": 0, "low": 1},
        )

    def figures(rows: list[Row]) -> list[float]:
        return [float(np.mean([r.waiting_time for r in rows if r.customer_class == name])) for name in ("high", "low")]

    service: Node = {
        "workload": {"process": "poisson", "rate": "12.5/s"},
        "classes": [{"name": "low", "share": 0.6, "priority": 0}, {"name": "high", "share": 0.4, "priority": 1}],
        "deployment": {"portions": [portion("1", 2)]},
    }
    mine = ours(service, [layer(0.1)], lambda rec: [waits(rec, class_index=i).mean() for i in (1, 0)])
    assert_all_same(mine, with_ciw(network, figures), sees=0.1)


def test_finite_capacity_with_constant_times() -> None:
    """G/D/2/5 with bursty arrivals: share rejected, wait and time of those served."""

    def network() -> Any:
        return ciw.create_network(
            arrival_distributions=[gamma(18.0, 1.4)],
            service_distributions=[ciw.dists.Deterministic(0.1)],
            number_of_servers=[2],
            queue_capacities=[3],
        )

    def figures(rows: list[Row]) -> list[float]:
        rejected = [row for row in rows if row.record_type == "rejection"]
        return [len(rejected) / len(rows), mean_wait(rows, 1)]

    service: Node = {
        "workload": {"process": "gamma", "rate": "18/s", "cv": 1.4},
        "queue": {"capacity": 3},
        "deployment": {"portions": [portion("1", 2)]},
    }

    def own_figures(rec: RunRecord) -> list[float]:
        return [float(np.mean(rec.requests.outcome[cohort(rec)] == Outcome.REJECTED)), waits(rec).mean()]

    assert_all_same(ours(service, [layer(0.1)], own_figures), with_ciw(network, figures), sees=0.06)


def test_join_the_shortest_queue() -> None:
    """Three queues of one replica; ``least_outstanding`` is Ciw's LoadBalancing, ties in order."""

    def network() -> Any:
        to = ciw.routing.LoadBalancing(destinations=[2, 3, 4], tie_break="order")
        leave = [ciw.routing.Leave() for _ in range(3)]
        return ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(18.0), None, None, None],
            service_distributions=[ciw.dists.Deterministic(0.0)] + [ciw.dists.Exponential(10.0)] * 3,
            number_of_servers=[float("inf"), 1, 1, 1],
            routing=ciw.routing.NetworkRouting(routers=[to, *leave]),
        )

    def figures(rows: list[Row]) -> list[float]:
        served = [row for row in rows if row.node > 1]
        at_first = float(np.mean([row.node == 2 for row in served]))
        return [float(np.mean([row.waiting_time for row in served])), at_first]

    service: Node = {
        "workload": {"process": "poisson", "rate": "18/s"},
        "jitter": {"distribution": "exponential"},
        "deployment": {"routing": "least_outstanding", "portions": [portion("1", 3)]},
    }

    def own_figures(rec: RunRecord) -> list[float]:
        number = rec.replicas.number[rec.batches.replica]
        return [waits(rec).mean(), float(np.mean(number[rec.batches.start_s >= rec.warmup_s] == 0))]

    assert_all_same(ours(service, [layer(0.1)], own_figures), with_ciw(network, figures), sees=0.1)
