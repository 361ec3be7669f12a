"""Coincidences worked out by hand: what happens when several things happen at one instant, in both engines.

Every time is a binary fraction, so the instants are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from simulator.results.record import RunRecord
from tests.differential.compare import assert_same
from tests.differential.strategies import changes_of_state, recording
from tests.differential.support import both
from tests.support import DEVICE, Node, layer, portion, scenario, seconds
from tests.theory.story import Served, finishes, outcomes, story


def agreed(node: Node, arrivals: Sequence[float] = ()) -> RunRecord:
    """What both engines say of a scenario whose record of arrivals is given."""
    one, other = both(node, {"arrivals.csv": recording(arrivals)} if arrivals else {})
    assert_same(one, other)
    return one


def played(
    arrivals: Sequence[float],
    layers: Sequence[Node],
    deployment: Node,
    *,
    service: Node | None = None,
    model: Node | None = None,
    cluster: Node | None = None,
    duration: float = 64.0,
    seed: int = 0,
) -> RunRecord:
    """A few arrivals through one deployment, in both engines."""
    body = {"workload": {"trace": "arrivals.csv"}, "deployment": deployment, **(service or {})}
    return agreed(scenario(body, layers, duration_s=duration, model=model, cluster=cluster, seed=seed), arrivals)


def windows(
    arrivals: Sequence[float],
    layers: Sequence[Node],
    deployments: Sequence[tuple[float, Node]],
    count: int = 16,
    seed: int = 0,
    **more: Node,
) -> RunRecord:
    """Several deployments in turn; a replica takes a second to start."""
    body = {
        "workload": {"trace": "arrivals.csv"},
        "deployments": [{"from": seconds(start), **deployment} for start, deployment in deployments],
        **more.get("service", {}),
    }
    node = scenario(body, layers, duration_s=64.0, seed=seed)
    node["cluster"]["pools"]["pool"] |= {"count": count, "start_up": "1s", **more.get("pool", {})}
    return agreed(node, arrivals)


def one(batch: int = 1, replicas: int = 1, max_wait: float = 0.0, **more: object) -> Node:
    return {"portions": [portion("1", replicas, batch=batch, max_wait=max_wait)], **more}


def link(latency: float, bandwidth: float = 8.0, **more: object) -> Node:
    """A network on which eight bytes take a second."""
    return {"network": {"bandwidth": f"{bandwidth!r}B/s", "latency": seconds(latency), **more}}


def failing(mtbf: float = 8.0, mttr: float = 2.0) -> Node:
    return {"mtbf": seconds(mtbf), "mttr": seconds(mttr)}


def with_faults(faults: Node, count: int = 1000) -> Node:
    """The pool of ``scenario`` with failures."""
    return {"pools": {"pool": {"device": DEVICE, "count": count, "price_per_hour": 1.0, "faults": faults}}}


def seeds(low: float, high: float, replica: int = 0, mean: Node | None = None) -> tuple[int, float, float]:
    """The first seed whose first failure of a replica lies within these bounds; the failure and its repair."""
    faults = mean or failing()
    for seed in range(1000):
        down, up, again, _ = changes_of_state(seed, "s", replica, faults)
        if low < down < high and again > up + 16:
            return seed, down, up
    raise AssertionError("no such seed")


CLASSES: Node = {
    "classes": [{"name": "low", "share": 0.5, "priority": 0}, {"name": "high", "share": 0.5, "priority": 1}]
}

# -- batches and timers --------------------------------------------------------------------------------------


def test_a_batch_fills_at_the_instant_of_its_timer() -> None:
    """Requests 0 and 1 are due at 2, when 2 fills the batch: one start, not two."""
    rec = played([0.0, 0.0, 2.0], [layer(1.0)], one(batch=3, max_wait=2.0))
    assert story(rec) == [Served(0, 0, 2.0, 3.0, (0, 1, 2))]


def test_an_arrival_at_the_instant_of_a_timer_joins() -> None:
    rec = played([0.0, 2.0, 2.5], [layer(1.0)], one(batch=4, max_wait=2.0))
    assert story(rec) == [Served(0, 0, 2.0, 3.0, (0, 1)), Served(0, 0, 4.5, 5.5, (2,))]


def test_a_timer_whose_batch_has_started_starts_nothing() -> None:
    """Request 0 sets a timer at 2, but leaves at 1 with a full batch; 2 comes at 1.5 and waits until 3.5."""
    rec = played([0.0, 1.0, 1.5], [layer(0.25)], one(batch=2, max_wait=2.0))
    assert story(rec) == [Served(0, 0, 1.0, 1.25, (0, 1)), Served(0, 0, 3.5, 3.75, (2,))]


def test_a_completion_at_the_instant_of_a_timer() -> None:
    """The only replica ends at 2, when request 1 is due; 2 arrives then and joins."""
    rec = played([0.0, 1.0, 2.0], [layer({1: 1.0, 2: 1.0, 4: 1.0})], one(batch=4, max_wait=1.0))
    assert story(rec) == [Served(0, 0, 1.0, 2.0, (0, 1)), Served(0, 0, 3.0, 4.0, (2,))]


def test_two_replicas_and_two_full_batches_at_one_instant() -> None:
    rec = played([0.0, 1.0, 1.0, 1.0, 1.0], [layer(1.0)], one(batch=2, replicas=3, max_wait=8.0))
    assert [(b.replica, b.start, b.members) for b in story(rec)] == [(0, 1.0, (0, 1)), (1, 1.0, (2, 3)), (0, 9.0, (4,))]


def test_kinds_are_due_at_one_instant() -> None:
    """Kind 0 waits 2 s for four, kind 1 waits 1 s for two: request 0 goes to kind 1 at 1, 1 to kind 0 at 3."""
    kinds = [portion("1", 1, batch=4, max_wait=2.0), portion("1", 1, batch=2, max_wait=1.0)]
    rec = played([0.0, 1.5, 2.5, 3.5], [layer(4.0)], {"portions": kinds})
    assert [(b.replica, b.start, b.members) for b in story(rec)] == [(1, 1.0, (0,)), (0, 3.5, (1, 2, 3))]


@pytest.mark.parametrize("seed", range(6))
def test_who_is_left_behind_by_classes_keeps_his_due(seed: int) -> None:
    """Two of three who wait at 1 are taken, by class; the third starts at the due of his own."""
    arrivals = [0.0, 0.0, 0.25, 0.5, 0.75]
    rec = played(arrivals, [layer(1.0)], one(batch=2, max_wait=2.0), service=CLASSES, seed=seed)
    first, second, third = story(rec)
    by_class = sorted((2, 3, 4), key=lambda i: (-rec.requests.class_index[i], i))
    assert (first.start, second.start, second.members) == (0.0, 1.0, tuple(by_class[:2]))
    assert third == Served(0, 0, arrivals[by_class[2]] + 2.0, arrivals[by_class[2]] + 3.0, (by_class[2],))


# -- completions and arrivals --------------------------------------------------------------------------------


def test_an_arrival_at_a_completion_finds_the_replica_free() -> None:
    rec = played([0.0, 1.0, 1.5], [layer(1.0)], one(), service={"queue": {"capacity": 0}})
    assert outcomes(rec) == "CCR"
    assert finishes(rec) == [1.0, 2.0, 1.5]


def test_capacity_zero_takes_one_of_many() -> None:
    """Of five at one instant two replicas take two; the newest three are rejected at once."""
    rec = played([1.0] * 5, [layer(1.0)], one(replicas=2), service={"queue": {"capacity": 0}})
    assert outcomes(rec) == "CCRRR"
    assert finishes(rec) == [2.0, 2.0, 1.0, 1.0, 1.0]


def test_capacity_zero_leaves_nobody_to_wait_for_a_batch() -> None:
    rec = played([0.0, 1.0, 1.0], [layer(1.0)], one(batch=2, max_wait=4.0), service={"queue": {"capacity": 0}})
    assert outcomes(rec) == "RCC"


@pytest.mark.parametrize("routing", ["random", "round_robin", "least_outstanding", "two_choices"])
def test_capacity_over_several_queues(routing: str) -> None:
    """The newest go, in whichever queue they stand."""
    rec = played(
        [0.0] * 4 + [1.0] * 6, [layer(4.0)], one(replicas=3, routing=routing), service={"queue": {"capacity": 2}}
    )
    rejected = [i for i, letter in enumerate(outcomes(rec)) if letter == "R"]
    assert rejected == sorted(rejected)
    assert outcomes(rec)[-3:] == "RRR"


def test_replicas_of_two_services_complete_at_one_instant() -> None:
    """Two services on one pool end together all the time, and do not know of each other."""
    body: Node = {"workload": {"trace": "arrivals.csv"}, "deployment": one(batch=2)}
    node = scenario(body, [layer(1.0)], duration_s=64.0)
    node["services"]["t"] = {**body, "model": "m"}
    rec = agreed(node, [0.0, 0.0, 0.0, 1.0, 1.0])
    for index in (0, 1):
        mine = rec.requests.finish_s[rec.requests.service == index]
        assert mine.tolist() == [1.0, 1.0, 2.0, 2.0, 3.0]


def test_a_portion_that_takes_no_time() -> None:
    """Three arrivals of one instant pass a replica of zero time one by one within it."""
    rec = played(
        [1.0] * 3, [layer(0.0, "one"), layer(1.0, "two")], {"portions": [portion("1", 1), portion("2", 1, batch=4)]}
    )
    assert [b.members for b in story(rec) if b.portion == 0] == [(0,), (1,), (2,)]
    assert [b.members for b in story(rec) if b.portion == 1] == [(0,), (1, 2)]
    assert finishes(rec) == [2.0, 3.0, 3.0]


# -- drops ---------------------------------------------------------------------------------------------------


def dropping(arrivals: Sequence[float], policy: str, slo: float, **entry: Any) -> RunRecord:
    service: Node = {"slo": {"latency": seconds(slo)}, "queue": {"drop": policy}}
    return played(arrivals, [layer(2.0)], {"portions": [portion("1", 1, **entry)]}, service=service)


def test_a_deadline_that_is_now_is_not_past() -> None:
    """Request 1 has its deadline at 2, when the replica becomes free: it is served. 2 (deadline 3) is dropped at 4."""
    rec = dropping([0.0, 0.0, 1.0], "expired", 2.0)
    assert outcomes(rec) == "CCD"
    assert finishes(rec) == [2.0, 4.0, 4.0]


def test_who_can_just_meet_a_deadline_is_not_hopeless() -> None:
    """At 2, two seconds of service meet the deadline of 4 exactly; that of 3 is missed."""
    rec = dropping([0.0, 0.0, 0.0], "hopeless", 4.0)
    assert outcomes(rec) == "CCD"
    assert finishes(rec) == [2.0, 4.0, 4.0]


def test_a_drop_at_an_arrival_of_the_service() -> None:
    """Request 0 waits for its batch with a deadline of 1; an arrival at 1 finds it alive, one at 1.5 drops it."""
    rec = dropping([0.0, 1.0, 1.5], "expired", 1.0, batch=4, max_wait=8.0)
    assert finishes(rec)[0] == 1.5
    assert outcomes(rec) == "DDD"


def test_the_next_ones_move_up_after_a_drop() -> None:
    rec = dropping([0.0, 0.0, 0.5, 2.5, 2.5], "expired", 1.0, batch=1)
    assert outcomes(rec) == "CDDCD"


# -- transfers -----------------------------------------------------------------------------------------------

TWO = [layer(1.0, "one", output="8B"), layer(1.0, "two")]


def test_a_transfer_that_takes_no_time() -> None:
    """The survivor enters the next portion at the instant of its completion, and the sender is free then."""
    layers = [layer(1.0, "one"), layer(1.0, "two")]
    rec = played([0.0, 1.0], layers, {"portions": [portion("1", 1), portion("2", 1)]}, cluster=link(0.0))
    assert finishes(rec) == [2.0, 3.0]
    assert [b.start for b in story(rec)] == [0.0, 1.0, 1.0, 2.0]


def test_a_transfer_arrives_with_a_completion_and_an_arrival() -> None:
    """At 3 the transfer of 1 arrives, portion 2 ends request 0, and request 2 comes: all three start."""
    rec = played([0.0, 0.5, 4.0], TWO, {"portions": [portion("1", 1), portion("2", 1)]}, cluster=link(0.0))
    assert [(b.portion, b.start, b.members) for b in story(rec)] == [
        (0, 0.0, (0,)),
        (0, 2.0, (1,)),
        (1, 2.0, (0,)),
        (0, 4.0, (2,)),
        (1, 4.0, (1,)),
        (1, 6.0, (2,)),
    ]


def test_transfers_of_several_senders_arrive_together() -> None:
    """By sender, then in batch order, whatever the order of their requests."""
    deployment: Node = {"portions": [portion("1", 3, batch=2), portion("2", 1)]}
    rec = played([0.0] * 6, [layer(1.0, "one", output="8B"), layer(4.0, "two")], deployment, cluster=link(1.0))
    assert [b.members for b in story(rec) if b.portion == 1] == [(i,) for i in range(6)]
    assert [b.start for b in story(rec) if b.portion == 1] == [4.0 + 4 * i for i in range(6)]


@pytest.mark.parametrize("overlap", [False, True])
def test_overlapping_transfers_of_two_senders_arrive_together(overlap: bool) -> None:
    """Each transfer takes as long as a batch; with overlap the senders serve meanwhile."""
    deployment: Node = {"portions": [portion("1", 2), portion("2", 2)]}
    rec = played([0.0] * 6, TWO, deployment, cluster=link(0.0, overlap=overlap))
    starts = [b.start for b in story(rec) if b.portion == 0]
    assert starts == ([0.0, 0.0, 1.0, 1.0, 2.0, 2.0] if overlap else [0.0, 0.0, 2.0, 2.0, 4.0, 4.0])
    step = 1.0 if overlap else 2.0
    assert sorted(finishes(rec)) == [3.0, 3.0, 3.0 + step, 3.0 + step, 3.0 + 2 * step, 3.0 + 2 * step]


def test_an_overlapping_transfer_without_bytes_waits_for_the_one_before() -> None:
    """The link sends a second of latency for each: the batch that ended at 2 begins to travel at 2, not before."""
    layers = [layer(0.5, "one"), layer(0.5, "two")]
    rec = played([0.0] * 3, layers, {"portions": [portion("1", 1), portion("2", 1)]}, cluster=link(1.0, overlap=True))
    assert finishes(rec) == [2.0, 3.0, 4.0]


# -- exits and serial execution ------------------------------------------------------------------------------


def test_all_leave_a_compact_batch_at_once() -> None:
    """A free ramp where everybody leaves: the batch ends there, the replica is free at 1."""
    rec = played(
        [0.0, 0.0, 1.0],
        [layer(1.0, "one"), layer(8.0, "two")],
        {"exit_mode": "compact", "portions": [portion("1-2", 1, batch=2)]},
        model={"ramps": {"after": [1]}, "exits": {"profile": [1.0]}},
    )
    assert finishes(rec) == [1.0, 1.0, 2.0]


@pytest.mark.parametrize("mode", ["compact", "at_cut", "answer_early"])
@pytest.mark.parametrize("execution", ["parallel", "serial"])
def test_answers_and_survivors_of_one_instant(mode: str, execution: str) -> None:
    """Half leave at the end of portion 1, when the others enter portion 2 and new requests arrive."""
    replicas = None if execution == "serial" else 1
    deployment: Node = {
        "exit_mode": mode,
        "execution": execution,
        "portions": [portion("1", replicas, batch=4), portion("2", replicas, batch=4, max_wait=1.0)],
    }
    if execution == "serial":
        deployment["replicas"] = 1
    model: Node = {"ramps": {"after": [1]}, "exits": {"profile": [0.5]}}
    arrivals = [float(i // 3) for i in range(15)]
    for seed in range(4):
        rec = played(arrivals, [layer(1.0, "one"), layer(1.0, "two")], deployment, model=model, seed=seed)
        assert outcomes(rec) == "C" * 15
        assert set(rec.requests.exit_layer.tolist()) == {1, 2}


def test_serial_takes_the_deepest_buffer_that_is_due_now() -> None:
    """At 3 the buffer (waiting since 1, for at most 2 s) is due and the queue is full: the buffer goes first."""
    deployment: Node = {
        "execution": "serial",
        "replicas": 1,
        "portions": [portion("1", None, batch=1), portion("2", None, batch=4, max_wait=2.0)],
    }
    rec = played([0.0, 2.0, 2.5], [layer(1.0, "one"), layer(1.0, "two")], deployment)
    assert [(b.portion, b.start, b.members) for b in story(rec)] == [
        (0, 0.0, (0,)),
        (0, 2.0, (1,)),
        (1, 3.0, (0, 1)),
        (0, 4.0, (2,)),
        (1, 7.0, (2,)),
    ]


def test_serial_requests_start_over_after_a_failure() -> None:
    """A failure in portion 2 sends the batch back to portion 1; what the buffer held too."""
    deployment: Node = {
        "execution": "serial",
        "replicas": 1,
        "portions": [portion("1", None), portion("2", None, batch=2)],
    }
    seed, down, up = seeds(3.0, 4.0)
    rec = played(
        [0.0, 0.0],
        [layer(1.0, "one"), layer(4.0, "two")],
        deployment,
        cluster=with_faults(failing()),
        seed=seed,
    )
    told = story(rec)
    assert told[0] == Served(0, 0, 0.0, 1.0, (0,))
    assert told[1] == Served(1, 0, 1.0, down, (0,))
    assert told[2][2:] == (up, up + 1.0, (0,))
    assert rec.requests.attempts.tolist() == [2, 1]


# -- faults --------------------------------------------------------------------------------------------------


def test_a_batch_that_ends_as_its_replica_fails_is_answered() -> None:
    seed, down, _ = seeds(1.0, 4.0)
    rec = played([0.0, down], [layer(down)], one(), cluster=with_faults(failing()), seed=seed)
    assert finishes(rec)[0] == down
    assert not rec.batches.aborted[0]
    assert rec.requests.attempts.tolist()[0] == 1


def test_an_arrival_as_the_replica_fails_waits_for_its_repair() -> None:
    seed, down, up = seeds(1.0, 4.0)
    rec = played([down, up], [layer(0.25)], one(), cluster=with_faults(failing()), seed=seed)
    assert [b.start for b in story(rec)] == [up, up + 0.25]


def test_a_timer_at_a_failure_starts_nothing() -> None:
    """The request is due when the replica fails; it starts with the repair."""
    seed, down, up = seeds(2.0, 4.0)
    arrival = down - 1.0
    rec = played(
        [arrival],
        [layer(0.25)],
        one(batch=2, max_wait=down - arrival),
        cluster=with_faults(failing()),
        seed=seed,
    )
    assert [b.start for b in story(rec)] == [up]


def test_a_transfer_that_arrives_as_its_sender_fails_has_arrived() -> None:
    seed, down, _ = seeds(2.0, 4.0)
    layers = [layer(1.0, "one"), layer(0.125, "two")]
    deployment: Node = {"portions": [portion("1", 1), portion("2", 1, pool="safe")]}
    cluster = {**with_faults(failing()), **link(down - 1.0)}
    cluster["pools"]["safe"] = {"device": DEVICE, "count": 1, "price_per_hour": 1.0}
    rec = played([0.0], layers, deployment, cluster=cluster, seed=seed)
    assert 1.0 + (down - 1.0) == down
    assert finishes(rec) == [down + 0.125]
    assert not rec.batches.aborted.any()


@pytest.mark.parametrize("mode", ["compact", "answer_early"])
def test_an_answer_that_leaves_as_the_replica_fails_stands(mode: str) -> None:
    """Those who leave at the ramp have their answer at the failure; only the others come back."""
    seed, down, up = seeds(2.0, 4.0)
    deployment: Node = {"exit_mode": mode, "portions": [portion("1-2", 1, batch=8)]}
    rec = played(
        [0.0] * 8,
        [layer(down, "one"), layer(1.0, "two")],
        deployment,
        model={"ramps": {"after": [1]}, "exits": {"profile": [0.5]}},
        cluster=with_faults(failing()),
        seed=seed,
    )
    early = rec.requests.exit_layer == 1
    assert 0 < np.count_nonzero(early) < 8
    assert set(rec.requests.finish_s[early].tolist()) == {down}
    assert set(rec.requests.attempts[early].tolist()) == {1}
    assert set(rec.requests.attempts[~early].tolist()) == {2}
    assert story(rec)[1].start == up


@pytest.mark.parametrize(("retries", "letters"), [(0, "FF"), (1, "CC")])
def test_a_batch_comes_back_to_the_head_at_an_arrival(retries: int, letters: str) -> None:
    """A request arrives as the batch is taken back: it stands behind, and all start with the repair."""
    seed, down, up = seeds(1.0, 2.0)
    service: Node = {"on_fault": {"retries": retries}}
    rec = played(
        [0.0, 0.0, down], [layer(2.0)], one(batch=4), service=service, cluster=with_faults(failing()), seed=seed
    )
    assert outcomes(rec) == letters + "C"
    assert story(rec)[1].start == up
    assert story(rec)[1].members == ((2,) if retries == 0 else (0, 1, 2))


def test_what_comes_back_keeps_its_class() -> None:
    """A batch of both classes returns: each to the head of its own class."""
    for offset in range(3):
        seed, down, _ = seeds(1.0 + offset, 2.0 + offset)
        arrivals = [0.0] * 6 + [down] * 4
        rec = played(arrivals, [layer(8.0)], one(batch=4), service=CLASSES, cluster=with_faults(failing()), seed=seed)
        high = rec.requests.class_index == 1
        first, again = story(rec)[:2]
        assert rec.batches.aborted[0]
        expected = sorted(range(10), key=lambda i: (not high[i], i not in first.members, i))[:4]
        assert again.members == tuple(expected)


def test_what_comes_back_keeps_its_due() -> None:
    """Taken at 0 with a due of 1; after the repair there is nothing more to wait for."""
    seed, down, up = seeds(2.0, 3.0)
    rec = played([0.0], [layer(4.0)], one(batch=4, max_wait=1.0), cluster=with_faults(failing()), seed=seed)
    assert story(rec)[0] == Served(0, 0, 1.0, down, (0,))
    assert story(rec)[1].start == up
    assert rec.batches.due_s.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("routing", ["random", "round_robin", "least_outstanding", "two_choices"])
def test_who_waits_behind_a_failing_replica_moves(routing: str) -> None:
    """Requests arrive as one of two replicas fails: what it held and what waited goes to the other."""
    seed, down, _ = seeds(1.0, 3.0)
    arrivals = [0.0] * 4 + [down] * 4
    rec = played(arrivals, [layer(0.5)], one(replicas=2, routing=routing), cluster=with_faults(failing()), seed=seed)
    assert outcomes(rec) == "C" * 8
    assert (rec.batches.start_s[rec.batches.replica == 0] != down).all()


# -- windows -------------------------------------------------------------------------------------------------


def test_a_window_starts_at_a_completion_and_an_arrival() -> None:
    """At 4 the old replica ends request 0, request 1 comes and goes to the new one; the old one is given back."""
    rec = windows([0.0, 4.0], [layer(4.0)], [(0.0, one()), (4.0, one(batch=2))])
    assert story(rec) == [Served(0, 0, 0.0, 4.0, (0,)), Served(1, 0, 4.0, 8.0, (1,))]
    assert rec.replicas.released_s.tolist() == [4.0, np.inf]


def test_a_replica_goes_at_the_completion_of_its_window() -> None:
    """Both replicas end at 4, when one is to go: the one with the higher number."""
    rec = windows([0.0] * 4, [layer(4.0)], [(0.0, one(replicas=2)), (4.0, one())])
    assert [(b.replica, b.start) for b in story(rec)] == [(0, 0.0), (1, 0.0), (0, 4.0), (0, 8.0)]
    assert rec.replicas.released_s.tolist() == [np.inf, 4.0]


def test_a_timer_at_the_start_of_a_window() -> None:
    """Due at 4 in the old portion, which ends then: its replica still serves what is inside."""
    rec = windows([2.0, 4.0], [layer(1.0)], [(0.0, one(batch=2, max_wait=2.0)), (4.0, one(batch=4, max_wait=2.0))])
    assert [(b.portion, b.start, b.members) for b in story(rec)] == [(0, 4.0, (0,)), (1, 6.0, (1,))]


@pytest.mark.parametrize(("arrival", "start"), [(3.0, 7.0), (4.0, 8.0), (4.5, 5.5)])
def test_a_new_wait_holds_for_who_comes_after_the_switch(arrival: float, start: float) -> None:
    """Kept portion, a full batch at 0: arrivals of the instant of the switch come before it, with the old wait of 4."""
    deployments = [(0.0, one(batch=4, max_wait=4.0)), (4.0, one(batch=4, max_wait=1.0))]
    rec = windows([0.0] * 4 + [arrival], [layer(0.5)], deployments)
    assert [b.start for b in story(rec)] == [0.0, start]


def test_a_new_wait_may_be_due_before_an_old_one() -> None:
    """Dues of 7, 8 and 5.5 in one queue: all start at 5.5."""
    rec = windows([3.0, 4.0, 4.5], [layer(0.5)], [(0.0, one(batch=4, max_wait=4.0)), (4.0, one(batch=4, max_wait=1.0))])
    assert story(rec) == [Served(0, 0, 5.5, 6.0, (0, 1, 2))]


def test_a_pool_too_small_for_both_at_a_completion() -> None:
    """One device: it comes free with the completion at 4, the start of the window; the new replica serves from 5.

    Request 1 moves over with the switch, after the arrival of 2, and stands behind it.
    """
    rec = windows([0.0, 3.0, 4.0], [layer(4.0)], [(0.0, one()), (4.0, one(batch=2))], count=1)
    assert story(rec) == [Served(0, 0, 0.0, 4.0, (0,)), Served(1, 0, 5.0, 9.0, (2, 1))]
    assert rec.replicas.held_s.tolist() == [0.0, 4.0]


def test_a_start_up_longer_than_the_window() -> None:
    """Wanted for 2 .. 3, ready at 4: the replica is there when nobody needs it any more, and goes."""
    deployments = [(0.0, one()), (2.0, one(replicas=2)), (3.0, one())]
    rec = windows([0.0, 0.0, 2.0, 3.0, 4.0], [layer(2.0)], deployments, pool={"start_up": "4s"})
    assert [(b.replica, b.start) for b in story(rec)] == [(0, 2.0 * i) for i in range(5)]
    assert rec.replicas.released_s[0] == np.inf
    assert rec.replicas.released_s[1] == 3.0


def test_a_batch_without_a_due_comes_back_to_a_queue_that_waits() -> None:
    """Started when the portion did not wait; a window gives it a ``max_wait``, then a failure brings the batch back."""
    seed, down, up = seeds(1.0, 2.0)
    deployments = [(0.0, one(batch=4)), (1.0, one(batch=4, max_wait=1.0))]
    for arrivals in ([0.0], [0.0, 0.5], [0.0, down, up, up + 4.0]):
        rec = windows(arrivals, [layer(2.0)], deployments, seed=seed, pool={"faults": failing()})
        assert outcomes(rec) == "C" * len(arrivals)
        assert story(rec)[0] == Served(0, 0, 0.0, down, (0,))
        assert 0 in story(rec)[1].members


def test_a_queue_that_waits_no_more() -> None:
    """The other way round: due at 8 of old; who comes after 4 waits for nobody, and takes the old one along."""
    rec = windows([2.0, 4.5], [layer(1.0)], [(0.0, one(batch=4, max_wait=6.0)), (4.0, one(batch=4))])
    assert story(rec) == [Served(0, 0, 4.5, 5.5, (0, 1))]


def test_requests_of_a_portion_without_replicas_move_over() -> None:
    """Two portions become one on a single device: who waits for portion 2 starts over where layer 2 is, else at 1."""
    old: Node = {"portions": [portion("1", 1), portion("2", 1)]}
    new: Node = {"portions": [portion("1-2", 2)]}
    rec = windows([0.0] * 5, [layer(1.0, "one"), layer(3.0, "two")], [(0.0, old), (4.0, new)], count=2)
    assert outcomes(rec) == "CCCCC"
    assert finishes(rec)[0] == 4.0
    assert set(rec.batches.portion[rec.batches.start_s >= 4.0].tolist()) == {2}


def test_a_drop_empties_a_drained_portion() -> None:
    """Request 0 waits from 1 until 5 in the portion of the first window; then it is past its deadline."""
    service = {"queue": {"drop": "expired"}, "slo": {"latency": "2s"}}
    rec = windows([1.0], [layer(1.0)], [(0.0, one(batch=2, max_wait=4.0)), (2.0, one(batch=3))], service=service)
    assert outcomes(rec) == "D"
    assert rec.requests.finish_s.tolist() == [5.0]
    assert rec.replicas.released_s.tolist() == [5.0, np.inf]


def test_an_answered_request_does_not_go_over() -> None:
    """Request 0 has its answer at 1.5, when its next portion has closed for want of devices: its slot ends there."""
    first: Node = {"exit_mode": "answer_early", "portions": [portion("1", 1), portion("2", 1)]}
    second: Node = {"exit_mode": "compact", "portions": [portion("1", 1, batch=2), portion("2", 1, batch=2)]}
    body = {"workload": {"trace": "arrivals.csv"}, "deployments": [{"from": "0s", **first}, {"from": "1s", **second}]}
    model: Node = {"ramps": {"after": [1]}, "exits": {"profile": [1.0]}}
    node = scenario(body, [layer(1.0), layer(1.0)], duration_s=64.0, model=model, count=2)
    rec = agreed(node, [0.5])
    assert rec.requests.finish_s.tolist() == [1.5]
    assert story(rec) == [Served(0, 0, 0.5, 1.5, (0,))]


def test_a_replica_that_leaves_with_a_transfer_takes_no_batch() -> None:
    """Both replicas are idle at 2 while their survivors travel until 5; the one that goes serves nobody more."""
    body: Node = {
        "workload": {"trace": "arrivals.csv"},
        "deployments": [
            {"from": seconds(start), "portions": [portion("1", replicas), portion("2", 2)]}
            for start, replicas in ((0.0, 2), (2.0, 1))
        ],
    }
    node = scenario(body, [layer(1.0, "one"), layer(1.0, "two")], duration_s=64.0)
    node["cluster"] |= link(4.0, overlap=True)
    rec = agreed(node, [0.0, 0.0, 3.0, 3.0])
    assert [(b.replica, b.start) for b in story(rec) if b.portion == 0] == [(0, 0.0), (1, 0.0), (0, 3.0), (0, 4.0)]
    assert rec.replicas.released_s[1] == 5.0


def test_buffers_of_a_new_serial_replica_wait_as_the_window_says() -> None:
    """The second replica comes with the second window, where half a batch waits 4 s for the rest."""

    def serial(replicas: int, max_wait: float) -> Node:
        return {"execution": "serial", "replicas": replicas} | {
            "portions": [portion("1", None), portion("2", None, batch=2, max_wait=max_wait)]
        }

    rec = windows([3.0, 3.0], [layer(1.0), layer(1.0)], [(0.0, serial(1, 0.0)), (2.0, serial(2, 4.0))])
    assert rec.requests.finish_s.tolist() == [9.0, 9.0]


def test_wishes_of_a_window_are_taken_back_by_the_next() -> None:
    """Of three replicas wanted at 2 two find devices; at 3 one is wanted: no third one joins when the old one goes."""
    old, new = one(batch=2), one(batch=1, replicas=3)
    rec = windows([0.0, 0.0, 2.0, 2.0, 2.0], [layer(8.0)], [(0.0, old), (2.0, new), (3.0, one(batch=1))], count=3)
    assert outcomes(rec) == "CCCCC"
    assert len(rec.replicas.number) == 3
    assert rec.replicas.held_s.tolist() == [0.0, 1.0, 1.0]


def test_the_way_from_a_kept_portion_is_that_of_the_window() -> None:
    """Portion 2 moves to the other pool at 1, over a slower link: the completion at 1 still takes the old one."""
    entries = [portion("1", 1), portion("2", 1)]
    body: Node = {
        "workload": {"trace": "arrivals.csv"},
        "deployments": [
            {"from": "0s", "portions": entries},
            {"from": "1s", "portions": [entries[0], portion("2", 1, pool="other")]},
        ],
    }
    pool: Node = {"device": DEVICE, "count": 8, "price_per_hour": 1.0}
    network: Node = link(1.0)["network"] | {"pairs": [{"from": "pool", "to": "other", "latency": "3s"}]}
    layers = [layer(1.0, "one"), layer(0.5, "two")]
    node = scenario(body, layers, duration_s=64.0, cluster={"pools": {"pool": pool, "other": pool}, "network": network})
    rec = agreed(node, [0.0, 8.0, 1.0])
    assert finishes(rec) == [2.5, 6.5, 12.5]


# -- closed loads --------------------------------------------------------------------------------------------


def looped(clients: int, think: float, deployment: Node, duration: float, **more: Node) -> RunRecord:
    think_time = {"mean": seconds(think), "distribution": "deterministic"}
    load = {"process": "closed", "clients": clients, "think": think_time}
    body = {"workload": load, "deployment": deployment, **more.get("service", {})}
    return agreed(scenario(body, [layer(1.0)], duration_s=duration))


def test_clients_who_do_not_think() -> None:
    """They send again at the instant of their answer, behind those who wait."""
    rec = looped(3, 0.0, one(batch=2), 3.5)
    assert rec.requests.arrival_s.tolist() == [0.0] * 3 + [1.0] * 2 + [2.0] * 2 + [3.0] * 2
    assert [b.members for b in story(rec)] == [(0, 1), (2, 3), (4, 5), (6, 7), (8,)]


def test_nobody_sends_at_the_end_of_the_load() -> None:
    """Answers at 1, 2, 3 and 4 with a duration of 4: the last client does not come back."""
    rec = looped(1, 0.0, one(), 4.0)
    assert rec.requests.arrival_s.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_clients_meet_completions() -> None:
    """A think time as long as the service: each sends as another is answered."""
    rec = looped(2, 1.0, one(), 6.0)
    assert rec.requests.arrival_s.tolist() == [1.0, 1.0, 3.0, 4.0, 5.0]
    assert finishes(rec) == [2.0, 3.0, 4.0, 5.0, 6.0]


def test_a_rejected_client_meets_the_next_completion() -> None:
    rec = looped(2, 1.0, one(), 4.0, service={"queue": {"capacity": 0}})
    assert rec.requests.arrival_s.tolist() == [1.0, 1.0, 2.0, 3.0]
    assert outcomes(rec) == "CRCC"


# -- the end of the run --------------------------------------------------------------------------------------


def test_a_completion_at_the_end_of_the_drain_counts() -> None:
    """Cut at 6: the batch that ends then is answered, the next one is still inside."""
    body: Node = {"workload": {"trace": "arrivals.csv"}, "deployment": one()}
    node = scenario(body, [layer(2.0)], duration_s=4.0, run={"drain": "2s"})
    rec = agreed(node, [0.0] * 4)
    assert outcomes(rec) == "CCCI"
    assert rec.end_s == 6.0


def test_no_arrival_at_the_end_of_the_load() -> None:
    """An arrival at the duration is none; a completion then is one."""
    body: Node = {"workload": {"trace": "arrivals.csv"}, "deployment": one()}
    rec = agreed(scenario(body, [layer(4.0)], duration_s=4.0, run={"drain": "0s"}), [0.0, 4.0])
    assert outcomes(rec) == "C"
    assert rec.end_s == 4.0
