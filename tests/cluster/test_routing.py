"""Each routing on its own: which queue a request joins, and which ones are open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simulator.cluster.routing import ROUTINGS
from tests.support import Node, layer, members, poisson, portion, record, scenario


class FakeLine:
    """A queue with a number and a load."""

    def __init__(self, number: int, load: int = 0) -> None:
        self.number, self.load = number, load


def routed(name: str, loads: list[int], first: Any = None, second: Any = None, count: int = 1) -> list[int]:
    lines = [FakeLine(number, load) for number, load in enumerate(loads)]
    station: Any = SimpleNamespace(lines=lines, open_lines=lines, turn=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.cluster.routing.Line", SimpleNamespace(outstanding=lambda line: line.load))
        route = ROUTINGS[name](station, first, second)
        return [route(request).number for request in range(count)]  # type: ignore[attr-defined]


def numbers(*values: float) -> Any:
    return lambda request: values[request]


def test_shared() -> None:
    assert routed("shared", [9, 0], count=3) == [0, 0, 0]


def test_random_is_a_share_of_the_unit_interval() -> None:
    assert routed("random", [0, 0, 0], numbers(0.0, 0.34, 0.99, 0.66), count=4) == [0, 1, 2, 1]


def test_round_robin() -> None:
    assert routed("round_robin", [9, 0, 0], count=5) == [0, 1, 2, 0, 1]


def test_least_outstanding_takes_the_lowest_of_equals() -> None:
    assert routed("least_outstanding", [3, 1, 1]) == [1]
    assert routed("least_outstanding", [0, 0, 0]) == [0]


@pytest.mark.parametrize(
    ("loads", "first", "second", "chosen"),
    [
        ([5, 1, 0], 0.0, 0.0, 1),  # queues 0 and 1
        ([1, 5, 0], 0.0, 0.0, 0),
        ([1, 1, 0], 0.4, 0.0, 1),  # 1 first, then 0: among equals the one drawn first
        ([0, 0, 9], 0.99, 0.99, 1),  # 2, then the last of the others
        ([7], 0.9, 0.9, 0),
    ],
)
def test_two_choices(loads: list[int], first: float, second: float, chosen: int) -> None:
    assert routed("two_choices", loads, numbers(first), numbers(second)) == [chosen]


def test_two_choices_never_draws_one_queue_twice() -> None:
    for i in range(4):
        others = {
            routed("two_choices", [9 * (k == i) for k in range(4)], numbers(i / 4), numbers(j / 3 + 0.01))[0]
            for j in range(3)
        }
        assert others == set(range(4)) - {i}


def faulty(routing: str, seed: int = 1) -> Any:
    pools: Node = {"pool": {"device": "t4", "count": 9, "faults": {"mtbf": "8s", "mttr": "4s"}}}
    deployment = {"routing": routing, "portions": [portion("1", 3)]}
    return record(
        scenario(
            {"workload": poisson(10.0), "deployment": deployment},
            [layer(0.01)],
            duration_s=120.0,
            cluster={"pools": pools},
            seed=seed,
        )
    )


@pytest.mark.parametrize("routing", ["random", "round_robin", "least_outstanding", "two_choices"])
def test_a_replica_that_is_down_gets_nothing(routing: str) -> None:
    """Requests are sent to replicas that serve; as long as one does, nobody waits for a repair (4 s on average)."""
    rec = faulty(routing)
    at = members(rec)
    wait = rec.batches.start_s[at] - rec.requests.arrival_s[rec.batches.member]
    starts = [np.sort(rec.batches.start_s[rec.batches.replica == replica]) for replica in range(3)]
    assert max(np.diff(start).max() for start in starts) > 1.0  # each was down for a while
    assert np.mean(wait > 0.1) < 0.2  # only when all three are down: (4 / 12) ** 3 of the time
    assert all(len(start) > 30 for start in starts)
