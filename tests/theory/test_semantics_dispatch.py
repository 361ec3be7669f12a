"""Instants, queues and dispatch, worked out by hand; every time is a binary fraction, so the instants are
exact.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import DEVICE, Node, layer, portion, record, scenario, seconds, trace
from tests.theory.story import Served, affine, finishes, outcomes, played, story


def one(batch: int = 1, replicas: int = 1, max_wait: float = 0.0, **more: object) -> Node:
    return {"portions": [portion("1", replicas, batch=batch, max_wait=max_wait)], **more}


# -- instants ------------------------------------------------------------------------------------------------


def test_a_completion_comes_before_an_arrival_of_the_same_instant(tmp_path: Path) -> None:
    """Capacity 0: request 1 arrives the moment the only replica ends, finds it idle and is served."""
    service: Node = {"queue": {"capacity": 0}}
    rec = played(tmp_path, [0.0, 1.0, 1.5], [layer(1.0)], one(), service=service)
    assert outcomes(rec) == "CCR"
    assert finishes(rec) == [1.0, 2.0, 1.5]


def test_an_instant_settles_before_dispatch(tmp_path: Path) -> None:
    """max_wait 0 takes what is there once the instant has settled: all three arrivals of t = 1 start
    together.
    """
    rec = played(tmp_path, [0.0, 1.0, 1.0, 1.0], [layer(1.0)], one(batch=4))
    assert story(rec) == [Served(0, 0, 0.0, 1.0, (0,)), Served(0, 0, 1.0, 2.0, (1, 2, 3))]


@pytest.mark.parametrize("latency", [0.0, 0.5])
def test_simultaneous_senders_go_by_index(tmp_path: Path, latency: float) -> None:
    """Survivors of two replicas reach the next portion together: replica 0's first, then replica 1's in batch
    order.
    """
    deployment: Node = {"portions": [portion("1", 1, batch=1), portion("1", 1, pool="other", batch=2), portion("2", 1)]}
    layers = [layer({1: 2.0, 2: 2.0}, "first"), layer(4.0, "second")]
    rec = played(
        tmp_path,
        [0.0, 0.0, 0.0],
        layers,
        deployment,
        cluster={**two_pools(), "network": {"bandwidth": "1GB/s", "latency": seconds(latency)}},
    )
    # t = 0: replica 0 takes request 0, replica 1 takes 1 and 2; all end at 2; replica 0's survivor enters
    # first.
    starts = {batch.members: batch.start for batch in story(rec) if batch.portion == 1}
    assert starts == {(0,): 2.0 + latency, (1,): 6.0 + latency, (2,): 10.0 + latency}


def test_a_later_request_of_a_lower_replica_enters_first(tmp_path: Path) -> None:
    """Request 2 on replica 0 and request 1 on replica 1 end together at 2; request 2 is served first."""
    deployment: Node = {"portions": [portion("1", 1, batch=1), portion("1", 1, batch=2), portion("2", 1)]}
    # One request takes 1 s, two together take 2 s: replica 1 holds (1, 2) from 0 to 2, replica 0 holds 0,
    # then 3.
    rec = played(tmp_path, [0.0, 0.0, 0.0, 1.0], [affine(0.0, 1.0, "first"), layer(4.0, "second")], deployment)
    assert story(rec)[:3] == [
        Served(0, 0, 0.0, 1.0, (0,)),
        Served(0, 1, 0.0, 2.0, (1, 2)),
        Served(0, 0, 1.0, 2.0, (3,)),
    ]
    assert [batch.members for batch in story(rec) if batch.portion == 1] == [(0,), (3,), (1,), (2,)]


def test_an_event_made_by_dispatch_opens_a_new_round(tmp_path: Path) -> None:
    """A portion that takes no time: three arrivals pass its single replica one after another in one instant."""
    deployment: Node = {"portions": [portion("1", 1), portion("2", 1, batch=4)]}
    rec = played(tmp_path, [1.0, 1.0, 1.0], [layer(0.0, "first"), layer(1.0, "second")], deployment)
    told = story(rec)
    assert [batch[:4] for batch in told if batch.portion == 0] == [(0, 0, 1.0, 1.0)] * 3
    # The first round of t = 1 starts request 0; it enters portion 2 in the next round, before 1 and 2 have
    # passed.
    assert [batch.members for batch in told if batch.portion == 1] == [(0,), (1, 2)]
    assert finishes(rec) == [2.0, 3.0, 3.0]


# -- queue ---------------------------------------------------------------------------------------------------


def test_survivors_enter_together_in_batch_order(tmp_path: Path) -> None:
    rec = played(
        tmp_path,
        [0.0, 0.0, 0.0],
        [layer(1.0, "first"), layer(1.0, "second")],
        {"portions": [portion("1", 1, batch=4), portion("2", 1, batch=1)]},
    )
    assert [(b.start, b.members) for b in story(rec)] == [
        (0.0, (0, 1, 2)),
        (1.0, (0,)),
        (2.0, (1,)),
        (3.0, (2,)),
    ]


def classes_by_draw(tmp_path: Path, seed: int) -> tuple[list[int], list[tuple[int, ...]], list[int]]:
    """Ten arrivals at one instant behind a long service: classes, order of service, rejected."""
    arrivals = [0.0, *([1.0] * 10)]
    classes = [{"name": "low", "share": 0.5, "priority": 0}, {"name": "high", "share": 0.5, "priority": 3}]
    service: Node = {"classes": classes, "queue": {"capacity": 6}}
    rec = played(tmp_path, arrivals, [layer(2.0)], one(), service=service, seed=seed)
    rejected = [i for i, letter in enumerate(outcomes(rec)) if letter == "R"]
    return rec.requests.class_index.tolist(), [b.members for b in story(rec)], rejected


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_priority_then_order_of_entry(tmp_path: Path, seed: int) -> None:
    """Higher classes first, within a class by number; capacity rejects the newest whatever their class."""
    classes, served, rejected = classes_by_draw(tmp_path, seed)
    assert {0, 1} == set(classes[1:])
    assert rejected == [7, 8, 9, 10]
    waiting = sorted(range(1, 7), key=lambda i: (-classes[i], i))
    assert served == [(0,), *((i,) for i in waiting)]


# -- dispatch ------------------------------------------------------------------------------------------------


def test_a_batch_waits_for_max_wait(tmp_path: Path) -> None:
    rec = played(tmp_path, [1.0], [layer(1.0)], one(batch=2, max_wait=4.0))
    assert story(rec) == [Served(0, 0, 5.0, 6.0, (0,))]


def test_a_full_batch_starts_at_once(tmp_path: Path) -> None:
    rec = played(tmp_path, [1.0, 4.0], [layer(1.0)], one(batch=2, max_wait=4.0))
    assert story(rec) == [Served(0, 0, 4.0, 5.0, (0, 1))]


def test_full_batch_and_timer_at_one_instant_are_one_start(tmp_path: Path) -> None:
    """Request 1 fills the batch at 5, the instant at which request 0 is due."""
    rec = played(tmp_path, [1.0, 5.0], [layer(1.0)], one(batch=2, max_wait=4.0, replicas=2))
    assert story(rec) == [Served(0, 0, 5.0, 6.0, (0, 1))]


def test_an_arrival_joins_a_batch_that_is_due_at_that_instant(tmp_path: Path) -> None:
    rec = played(tmp_path, [1.0, 5.0], [layer(1.0)], one(batch=3, max_wait=4.0))
    assert story(rec) == [Served(0, 0, 5.0, 6.0, (0, 1))]


def test_leftovers_keep_their_own_due(tmp_path: Path) -> None:
    """Request 2 entered at 1: due 5, not 4 after the start that left it behind."""
    rec = played(tmp_path, [0.0, 1.0, 1.0], [layer(0.5)], one(batch=2, max_wait=4.0))
    assert story(rec) == [Served(0, 0, 1.0, 1.5, (0, 1)), Served(0, 0, 5.0, 5.5, (2,))]


def test_the_earliest_due_counts_after_the_first_left(tmp_path: Path) -> None:
    """Request 1 (due 6) keeps its due although 2 (due 7) came later; both start at 6."""
    rec = played(tmp_path, [0.0, 2.0, 3.0], [layer(1.0)], one(batch=3, max_wait=4.0, replicas=1))
    assert story(rec) == [Served(0, 0, 3.0, 4.0, (0, 1, 2))]
    rec = played(tmp_path, [0.0, 0.0, 0.0, 2.0, 3.0], [layer(1.0)], one(batch=3, max_wait=4.0))
    assert story(rec) == [Served(0, 0, 0.0, 1.0, (0, 1, 2)), Served(0, 0, 6.0, 7.0, (3, 4))]


def test_a_replica_that_becomes_idle_after_the_due_starts_at_once(tmp_path: Path) -> None:
    """Request 2 is due at 3; the timer finds no idle replica and does nothing; the replica comes back at 8."""
    rec = played(tmp_path, [0.0, 0.0, 1.0], [layer(8.0)], one(batch=2, max_wait=2.0))
    assert story(rec) == [Served(0, 0, 0.0, 8.0, (0, 1)), Served(0, 0, 8.0, 16.0, (2,))]


def test_a_replica_that_becomes_idle_before_the_due_waits_for_it(tmp_path: Path) -> None:
    rec = played(tmp_path, [0.0, 0.0, 0.5], [layer(1.0)], one(batch=2, max_wait=2.0))
    assert story(rec) == [Served(0, 0, 0.0, 1.0, (0, 1)), Served(0, 0, 2.5, 3.5, (2,))]


def test_idle_replicas_start_by_ascending_index(tmp_path: Path) -> None:
    """Five at once, batch 2, three replicas: 2 + 2 + 1; and the lowest idle index takes the next."""
    rec = played(tmp_path, [0.0] * 5 + [1.0], [affine(0.0, 1.0)], one(batch=2, replicas=3))
    assert story(rec) == [
        Served(0, 0, 0.0, 2.0, (0, 1)),
        Served(0, 1, 0.0, 2.0, (2, 3)),
        Served(0, 2, 0.0, 1.0, (4,)),
        Served(0, 2, 1.0, 2.0, (5,)),
    ]


def two_pools() -> Node:
    """The pools ``pool`` and ``other``."""
    pool: Node = {"device": DEVICE, "count": 8, "price_per_hour": 1.0}
    return {"pools": {"pool": pool, "other": pool}}


def test_kinds_have_their_own_batch_and_max_wait(tmp_path: Path) -> None:
    """Replica 0: batch 4, due after 4 s. Replica 1: batch 2, due after 1 s, on another pool; one queue for
    both.
    """
    deployment: Node = {
        "portions": [
            portion("1", 1, batch=4, max_wait=4.0),
            portion("1", 1, pool="other", batch=2, max_wait=1.0),
        ]
    }
    rec = played(
        tmp_path,
        [0.0, 2.0, 2.0, 2.5, 2.5, 2.5],
        [affine(2.0, 0.25)],
        deployment,
        cluster=two_pools(),
    )
    assert story(rec) == [
        Served(0, 1, 1.0, 3.25, (0,)),  # due for kind 1 only, although replica 0 comes first
        Served(0, 0, 2.5, 5.5, (1, 2, 3, 4)),  # at 2 replica 1 is busy and kind 0 is not full; at 2.5 it is
        Served(0, 1, 3.5, 5.75, (5,)),  # replica 1 is back at 3.25, request 5 is due for it at 3.5
    ]
    assert [int(p) for p in rec.replicas.pool] == [0, 1]


def test_replicas_are_numbered_as_written(tmp_path: Path) -> None:
    """Both kinds are ready; the kind written first has the lower index."""
    for order in (("pool", "other"), ("other", "pool")):
        deployment: Node = {"portions": [portion("1", 1, pool=name) for name in order]}
        rec = played(tmp_path, [0.0], [layer(1.0)], deployment, cluster=two_pools())
        (served,) = rec.batches.replica
        assert rec.pools[rec.replicas.pool[served]].name == order[0]


# -- routing -------------------------------------------------------------------------------------------------


def test_round_robin_goes_in_turn(tmp_path: Path) -> None:
    """Requests 0, 3 to replica 0, 1 to replica 1, 2 to replica 2, even where another replica is idle."""
    rec = played(tmp_path, [0.0, 0.5, 1.0, 1.5], [layer(4.0)], one(replicas=3, routing="round_robin"))
    assert {batch.members[0]: (batch.replica, batch.start) for batch in story(rec)} == {
        0: (0, 0.0),
        1: (1, 0.5),
        2: (2, 1.0),
        3: (0, 4.0),
    }


def test_least_outstanding_counts_waiting_and_served(tmp_path: Path) -> None:
    """Equal counts go to the lowest index; at 3 replica 0 is done with request 0 and is the emptiest."""
    rec = played(tmp_path, [0.0, 0.5, 1.0, 3.0], [layer(2.0)], one(replicas=2, routing="least_outstanding"))
    assert {batch.members[0]: (batch.replica, batch.start) for batch in story(rec)} == {
        0: (0, 0.0),
        1: (1, 0.5),
        2: (0, 2.0),
        3: (1, 3.0),  # replica 0 serves request 2 until 4, replica 1 is empty since 2.5
    }


def test_routed_requests_do_not_share_a_batch(tmp_path: Path) -> None:
    """The difference to one queue: four requests make two batches of two there, four of one behind round
    robin.
    """
    arrivals, layers = [0.0, 0.0, 1.0, 1.0], [affine(0.0, 1.0)]
    shared = played(tmp_path, arrivals, layers, one(replicas=2, batch=2))
    assert [(batch.replica, batch.members) for batch in story(shared)] == [(0, (0, 1)), (1, (2, 3))]
    routed = played(tmp_path, arrivals, layers, one(replicas=2, batch=2, routing="round_robin"))
    assert [(batch.replica, batch.members) for batch in story(routed)] == [
        (0, (0,)),
        (1, (1,)),
        (0, (2,)),
        (1, (3,)),
    ]


# -- queue capacity ------------------------------------------------------------------------------------------


def test_capacity_bounds_those_who_wait_not_those_in_service(tmp_path: Path) -> None:
    rec = played(tmp_path, [0.0, 1.0, 2.0, 4.0], [layer(4.0)], one(), service={"queue": {"capacity": 1}})
    assert outcomes(rec) == "CCRC"
    assert finishes(rec) == [4.0, 8.0, 2.0, 12.0]


def test_the_newest_of_an_instant_are_rejected_after_dispatch(tmp_path: Path) -> None:
    """Six at once: two in service, one waits, three are rejected."""
    rec = played(tmp_path, [0.0] * 6, [layer(1.0)], one(batch=2), service={"queue": {"capacity": 1}})
    assert outcomes(rec) == "CCCRRR"


def test_capacity_counts_those_who_wait_for_their_batch(tmp_path: Path) -> None:
    """The replica is idle, but the batch of 4 is neither full nor due."""
    rec = played(
        tmp_path,
        [0.0, 0.0, 0.0],
        [layer(1.0)],
        one(batch=4, max_wait=2.0),
        service={"queue": {"capacity": 2}},
    )
    assert outcomes(rec) == "CCR"
    assert finishes(rec) == [3.0, 3.0, 0.0]


def test_later_queues_are_unbounded(tmp_path: Path) -> None:
    rec = played(
        tmp_path,
        [0.0, 1.0, 2.0],
        [layer(1.0, "first"), layer(8.0, "second")],
        {"portions": [portion("1", 1), portion("2", 1)]},
        service={"queue": {"capacity": 0}},
    )
    assert outcomes(rec) == "CCC"
    assert finishes(rec) == [9.0, 17.0, 25.0]


def test_capacity_counts_all_queues_of_a_routed_portion(tmp_path: Path) -> None:
    """Round robin, two replicas, capacity 1: the third and fourth wait in different queues; the newest goes."""
    rec = played(
        tmp_path,
        [0.0, 0.0, 1.0, 1.0],
        [layer(4.0)],
        one(replicas=2, routing="round_robin"),
        service={"queue": {"capacity": 1}},
    )
    assert outcomes(rec) == "CCCR"


# -- two services --------------------------------------------------------------------------------------------


def test_services_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each has its own queue and replicas; the record tells them apart."""
    node = scenario({"workload": trace(tmp_path, [0.0, 0.0]), "deployment": one()}, [layer(1.0)], duration_s=16.0)
    node["services"]["t"] = {
        "model": "m",
        "workload": trace(tmp_path, [0.0, 0.5], "other.csv"),
        "deployment": one(batch=2, max_wait=1.0),
    }
    rec = record(node, tmp_path)
    by_service = {
        name: [float(t) for t in rec.requests.finish_s[rec.requests.service == index]]
        for index, name in enumerate(info.name for info in rec.services)
    }
    assert by_service == {"s": [1.0, 2.0], "t": [1.5, 1.5]}


# -- timers that serve for more than one queue ---------------------------------------------------------------


def test_a_timer_of_one_kind_does_not_hold_up_another(tmp_path: Path) -> None:
    """Replica 0: batch 2, due after 8 s; replica 1: batch 2, due at once.

    Request 0 occupies replica 1 until 4; request 1 (at 1) sets the timer of replica 0 at 9 and leaves at 2 in a full
    batch with request 2; request 3 comes at 5, when both are idle, and is due at once for replica 1.
    """
    deployment: Node = {"portions": [portion("1", 1, batch=2, max_wait=8.0), portion("1", 1, batch=2)]}
    rec = played(tmp_path, [0.0, 1.0, 2.0, 5.0], [layer({1: 4.0, 2: 1.0})], deployment)
    assert story(rec) == [
        Served(0, 1, 0.0, 4.0, (0,)),
        Served(0, 0, 2.0, 3.0, (1, 2)),
        Served(0, 1, 5.0, 9.0, (3,)),
    ]


def test_a_timer_of_a_buffer_does_not_hold_up_the_queue(tmp_path: Path) -> None:
    """Serial: 0 and 1 wait in their buffer until 1 + 16; request 2 comes at 3 and is due at 5."""
    deployment: Node = {
        "execution": "serial",
        "replicas": 1,
        "portions": [portion("1", None, batch=2, max_wait=2.0), portion("2", None, batch=4, max_wait=16.0)],
    }
    rec = played(tmp_path, [0.0, 0.0, 3.0], [layer(1.0, "one"), layer(1.0, "two")], deployment)
    assert story(rec) == [
        Served(0, 0, 0.0, 1.0, (0, 1)),
        Served(0, 0, 5.0, 6.0, (2,)),
        Served(1, 0, 17.0, 18.0, (0, 1, 2)),
    ]
