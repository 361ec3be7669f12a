"""Drop policies, faults and closed loops, worked out by hand or read off the order of events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.results.record import Outcome, RunRecord
from tests.support import Node, layer, poisson, portion, record, run, scenario, seconds, served, trace
from tests.theory.story import Served, finishes, outcomes, played, story

# -- drop ----------------------------------------------------------------------------------------------------


def dropping(tmp_path: Path, arrivals: list[float], policy: str, slo: float, time: float, **entry: Any) -> RunRecord:
    service: Node = {"slo": {"latency": seconds(slo)}, "queue": {"drop": policy}}
    return played(tmp_path, arrivals, [layer(time)], {"portions": [portion("1", 1, **entry)]}, service=service)


def test_expired_drops_what_is_past_its_deadline_when_a_replica_is_idle(tmp_path: Path) -> None:
    """Request 1 (deadline 3) is dropped at 4, not before; 2 (deadline 4) is not past it; 3 (deadline 5) is at
    8.
    """
    rec = dropping(tmp_path, [0.0, 1.0, 2.0, 3.0], "expired", slo=2.0, time=4.0)
    assert outcomes(rec) == "CDCD"
    assert finishes(rec) == [4.0, 4.0, 8.0, 8.0]


def test_never_serves_everybody(tmp_path: Path) -> None:
    assert outcomes(dropping(tmp_path, [0.0, 1.0, 2.0, 3.0], "never", slo=2.0, time=4.0)) == "CCCC"


def test_the_next_ones_move_up_after_a_drop(tmp_path: Path) -> None:
    """At 8 the replica would take 2 and 3 (deadline 5): dropped; it takes 4 and 5 at that same instant."""
    rec = dropping(tmp_path, [0.0, 0.0, 1.0, 1.0, 7.0, 7.0], "expired", slo=4.0, time=8.0, batch=2)
    assert outcomes(rec) == "CCDDCC"
    assert story(rec) == [Served(0, 0, 0.0, 8.0, (0, 1)), Served(0, 0, 8.0, 16.0, (4, 5))]


def test_drop_comes_before_readiness(tmp_path: Path) -> None:
    """At 8 the arrival of 1 fills the batch, but request 0 (deadline 4) is dropped first: 1 alone is not
    ready.
    """
    rec = dropping(tmp_path, [0.0, 8.0, 10.0], "expired", slo=4.0, time=1.0, batch=2, max_wait=16.0)
    assert outcomes(rec) == "DCC"
    assert finishes(rec)[0] == 8.0
    assert story(rec) == [Served(0, 0, 10.0, 11.0, (1, 2))]


def test_a_due_request_may_be_expired(tmp_path: Path) -> None:
    rec = dropping(tmp_path, [0.0], "expired", slo=4.0, time=1.0, batch=2, max_wait=16.0)
    assert outcomes(rec) == "D"
    assert finishes(rec) == [16.0]


def test_hopeless_drops_what_cannot_meet_its_deadline(tmp_path: Path) -> None:
    """At 4: 4 + 4 > 7 drops request 1; 4 + 4 > 8 does not hold for 2, it ends on its deadline and meets the
    SLO.
    """
    rec = dropping(tmp_path, [0.0, 1.0, 2.0], "hopeless", slo=6.0, time=4.0)
    assert outcomes(rec) == "CDC"
    assert finishes(rec) == [4.0, 4.0, 8.0]


def test_expired_serves_what_is_only_hopeless(tmp_path: Path) -> None:
    assert outcomes(dropping(tmp_path, [0.0, 1.0, 2.0], "expired", slo=6.0, time=4.0)) == "CCC"


def test_finish_at_the_deadline_meets_the_slo(tmp_path: Path) -> None:
    (tmp_path / "arrivals.csv").write_text("arrival_s\n0.0\n2.0\n2.5\n", encoding="utf-8")
    node = scenario(
        {
            "slo": {"latency": "2s"},
            "workload": {"process": "trace", "trace": "arrivals.csv"},
            "deployment": {"portions": [portion("1", 1)]},
        },
        [layer(2.0)],
        duration_s=8.0,
    )
    figures = run(node, tmp_path).to_dict()["services"]["s"]
    assert figures["attainment"] == 2 / 3
    assert figures["goodput"] == 2 / 8


@pytest.mark.parametrize(
    ("mode", "idle", "floor"),
    [("none", 2.5, 1.0 + 1.5 + 2.0), ("at_cut", 1.0, 1.0), ("compact", 1.0, 1.0), ("answer_early", 2.5, 1.0)],
)
def test_the_floor_is_the_time_to_the_first_possible_exit(tmp_path: Path, mode: str, idle: float, floor: float) -> None:
    """Portion 1 takes 1 s with a free ramp where all leave, the transfer 0.5 + 8/8 s, portion 2 takes 2 s.

    Both requests arrive at 0; the replica comes back at ``idle`` (with ``answer_early`` the slot travels on).
    """
    for slo, letters in ((idle + floor, "CC"), (idle + floor - 0.125, "CD")):
        rec = played(
            tmp_path,
            [0.0, 0.0],
            [layer(1.0, "one", output="8B"), layer(2.0, "two")],
            {"exit_mode": mode, "portions": [portion("1", 1), portion("2", 1)]},
            service={"slo": {"latency": seconds(slo)}, "queue": {"drop": "hopeless"}},
            model={"ramps": {"after": [1]}, "exits": {"profile": [1.0]}},
            cluster={"network": {"bandwidth": "8B/s", "latency": "0.5s"}},
        )
        assert outcomes(rec) == letters


def test_the_floor_of_a_later_portion_counts_from_there(tmp_path: Path) -> None:
    """Both leave portion 1 (batch of 2) at 1; the second finds portion 2 idle at 3: 3 + 2 against its
    deadline.
    """
    for slo, letters in ((5.0, "CC"), (4.875, "CD")):
        rec = played(
            tmp_path,
            [0.0, 0.0],
            [layer(1.0, "one"), layer(2.0, "two")],
            {"portions": [portion("1", 1, batch=2), portion("2", 1)]},
            service={"slo": {"latency": seconds(slo)}, "queue": {"drop": "hopeless"}},
        )
        assert outcomes(rec) == letters
        assert finishes(rec)[1] == (5.0 if letters == "CC" else 3.0)


def test_the_floor_is_that_of_a_batch_of_one_without_jitter(tmp_path: Path) -> None:
    """Layer 1 s + 1 s per item: floor 2 s, though the batch of 2 would take 3 s and miss."""
    rec = played(
        tmp_path,
        [0.0, 0.0],
        [layer((1.0, 1.0))],
        {"portions": [portion("1", 1, batch=2)]},
        service={
            "slo": {"latency": "2s"},
            "queue": {"drop": "hopeless"},
            "jitter": {"distribution": "exponential"},
        },
    )
    assert outcomes(rec) == "CC"


def test_nothing_in_service_is_dropped(tmp_path: Path) -> None:
    """The deadline passes at 1 while the batch runs until 4."""
    assert outcomes(dropping(tmp_path, [0.0], "expired", slo=1.0, time=4.0)) == "C"


# -- faults --------------------------------------------------------------------------------------------------


def faulty(
    seed: int = 0, *, retries: int | None = 3, mode: str = "none", batch: int = 4, replicas: int = 1
) -> RunRecord:
    """A station that is hardly ever free and breaks down about every 2 s, for 1 s; a batch takes a second."""
    model: Node = {"ramps": {"after": [1]}, "exits": {"profile": [0.5]}} if mode != "none" else {}
    node = scenario(
        {
            "workload": poisson(2.0),
            "on_fault": "drop" if retries is None else {"retries": retries},
            "deployment": {"exit_mode": mode, "portions": [portion("1-2", replicas, batch=batch)]},
        },
        [layer(0.5, "one"), layer(0.5, "two")],
        duration_s=200.0,
        seed=seed,
        model=model,
        run={"drain": "2000s"},
    )
    node["cluster"]["pools"]["pool"]["faults"] = {"mtbf": "2s", "mttr": "1s"}
    return record(node)


def followed(rec: RunRecord) -> list[tuple[Served, bool, Served | None]]:
    """Batches of a single replica in order, whether aborted, and the next one."""
    order = np.argsort(rec.batches.start_s, kind="stable")
    told, aborted = story(rec), rec.batches.aborted[order]
    return [(b, bool(a), n) for b, a, n in zip(told, aborted, [*told[1:], None])]


@pytest.mark.parametrize("seed", [0, 1])
def test_an_aborted_batch_returns_to_the_head_in_its_order(seed: int) -> None:
    rec = faulty(seed, retries=1000)
    seen = 0
    for batch, aborted, following in followed(rec):
        if aborted and following is not None:
            seen += 1
            assert following.members[: len(batch.members)] == batch.members
            assert following.start > batch.end
    assert seen > 20
    assert set(outcomes(rec)) == {"C"}


@pytest.mark.parametrize("retries", [0, 1, 3, None])
def test_requests_fail_beyond_their_retries(retries: int | None) -> None:
    """A request fails at its (retries + 1)-th abort; with ``drop`` at the first."""
    rec = faulty(retries=retries)
    aborts: dict[int, int] = {}
    ends: dict[int, float] = {}
    for batch, aborted, _ in followed(rec):
        for request in batch.members if aborted else ():
            aborts[request] = aborts.get(request, 0) + 1
            ends[request] = batch.end
    limit = (retries or 0) + 1
    failed = {i for i, letter in enumerate(outcomes(rec)) if letter == "F"}
    assert failed == {request for request, count in aborts.items() if count == limit}
    assert failed
    assert max(aborts.values()) == limit
    assert all(rec.requests.finish_s[request] == ends[request] for request in failed)
    for request, count in aborts.items():
        assert request in failed or rec.requests.attempts[request] == count + 1


def test_capacity_rejects_the_newest_not_the_one_taken_back(tmp_path: Path) -> None:
    """Request 0 is taken back while 1 waits, with room for one: 1 arrived later, so 1 is rejected at the failure."""
    seen = 0
    for seed in range(24):
        node = scenario(
            {
                "workload": trace(tmp_path, [0.0, 0.5]),
                "queue": {"capacity": 1},
                "on_fault": {"retries": 1000},
                "deployment": {"portions": [portion("1", 1)]},
            },
            [layer(2.0)],
            duration_s=400.0,
            seed=seed,
        )
        node["cluster"]["pools"]["pool"]["faults"] = {"mtbf": "4s", "mttr": "1s"}
        rec = record(node, tmp_path)
        failure = min(rec.batches.end_s[rec.batches.aborted], default=np.inf)
        if 0.5 < failure < 2.0:
            seen += 1
            assert outcomes(rec) == "CR"
            assert finishes(rec)[1] == failure
    assert seen > 2


def test_a_retry_keeps_its_factor() -> None:
    """Jitter belongs to (portion, request): served again, a request takes as long as it does without faults."""
    node = scenario(
        {
            "workload": poisson(1.0),
            "on_fault": {"retries": 1000},
            "jitter": {"distribution": "lognormal", "cv": 1.0},
            "deployment": {"portions": [portion("1", 1)]},
        },
        [layer(0.5)],
        duration_s=200.0,
        run={"drain": "2000s"},
    )
    calm = record(node)
    node["cluster"]["pools"]["pool"]["faults"] = {"mtbf": "2s", "mttr": "1s"}
    rec = record(node)
    assert np.count_nonzero(rec.requests.attempts > 1) > 10
    assert np.allclose(served(rec), served(calm), rtol=0.0, atol=1e-9)


def test_answers_given_before_a_fault_stand() -> None:
    """answer_early: whoever answered at the ramp before the abort is completed then and not served again."""
    rec = faulty(retries=1000, mode="answer_early")
    stood = again = 0
    for batch, aborted, following in followed(rec):
        if not aborted:
            continue
        answered = [r for r in batch.members if rec.requests.finish_s[r] <= batch.end]
        others = tuple(r for r in batch.members if r not in answered)
        stood += len(answered)
        if following is not None:
            again += len(others)
            assert following.members[: len(others)] == others
            assert not set(answered) & set(following.members)
    assert stood > 5
    assert again > 20
    assert set(outcomes(rec)) == {"C"}


def test_faults_follow_the_calendar_not_the_load() -> None:
    """Aborts of an idler station are instants at which the busy one failed too: up and down times ignore the
    work.
    """
    busy = faulty(retries=1000, batch=1)
    idler = faulty(retries=1000, batch=8)
    failures = set(busy.batches.end_s[busy.batches.aborted].tolist())
    others = set(idler.batches.end_s[idler.batches.aborted].tolist())
    assert len(others) > 20
    assert others <= failures


def test_a_fault_during_the_transfer_aborts_the_batch() -> None:
    """Until its transfer has ended: what was under way starts over in portion 1."""
    node = scenario(
        {
            "workload": poisson(0.5),
            "on_fault": {"retries": 1000},
            "deployment": {"portions": [portion("1", 1), portion("2", 1, pool="safe")]},
        },
        [layer(0.25, "one"), layer(0.25, "two")],
        duration_s=400.0,
        cluster={"network": {"bandwidth": "1GB/s", "latency": "1s"}},
        run={"drain": "4000s"},
    )
    pool = node["cluster"].setdefault("pools", {})
    device = {"memory": "64GiB", "memory_bandwidth": "1000GB/s", "peak": {"fp16": "1TFLOPS"}}
    pool["pool"] = {
        "device": device,
        "count": 1,
        "price_per_hour": 1.0,
        "faults": {"mtbf": "4s", "mttr": "1s"},
    }
    pool["safe"] = {"device": device, "count": 1, "price_per_hour": 1.0}
    rec = record(node)
    assert set(outcomes(rec)) == {"C"}
    first = np.flatnonzero(rec.batches.portion == 0)
    in_transfer = [i for i in first if rec.batches.aborted[i] and rec.batches.free_s[i] - rec.batches.start_s[i] > 0.25]
    assert len(in_transfer) > 5
    for i in in_transfer:
        request = rec.batches.member[rec.batches.offset[i]]
        later = [j for j in first if rec.batches.start_s[j] > rec.batches.start_s[i]]
        assert request in [rec.batches.member[rec.batches.offset[j]] for j in later]


def test_a_down_replica_takes_nothing_and_others_go_on() -> None:
    """Two replicas: after an abort the other one takes the batch up as soon as it is idle."""
    rec = faulty(retries=1000, replicas=2, batch=1)
    assert set(outcomes(rec)) == {"C"}
    told, order = story(rec), np.lexsort((rec.batches.replica, rec.batches.start_s))
    aborted = rec.batches.aborted[order]
    moved = 0
    for position, batch in enumerate(told):
        if aborted[position]:
            nxt = next(b for b in told[position + 1 :] if b.members == batch.members)
            moved += nxt.replica != batch.replica
            assert nxt.start >= batch.end
    assert moved > 5


# -- closed loop ---------------------------------------------------------------------------------------------


def looped(clients: int, duration: float, **service: object) -> RunRecord:
    node = scenario(
        {
            "workload": {
                "process": "closed",
                "clients": clients,
                "think": {"mean": "2s", "distribution": "deterministic"},
            },
            "deployment": {"portions": [portion("1", 1)]},
            **service,
        },
        [layer(1.0)],
        duration_s=duration,
    )
    return record(node)


def test_a_client_thinks_sends_waits_and_thinks_again() -> None:
    """Arrivals at 2, 5, 8; none is sent at 11 with a duration of 11."""
    rec = looped(1, 11.0)
    assert rec.requests.arrival_s.tolist() == [2.0, 5.0, 8.0]
    assert finishes(rec) == [3.0, 6.0, 9.0]


def test_clients_wait_for_each_other() -> None:
    """Both send at 2; the second waits a second; from then on they alternate without waiting."""
    rec = looped(2, 8.0)
    assert rec.requests.arrival_s.tolist() == [2.0, 2.0, 5.0, 6.0]
    assert finishes(rec) == [3.0, 4.0, 6.0, 7.0]


def test_a_rejected_client_thinks_again() -> None:
    rec = looped(2, 6.0, queue={"capacity": 0})
    assert rec.requests.arrival_s.tolist() == [2.0, 2.0, 4.0, 5.0]
    assert outcomes(rec) == "CRCC"


def test_a_client_whose_answer_comes_early_does_not_wait_for_its_slot() -> None:
    """answer_early: the answer leaves after the ramp at 1, the batch runs until 3; the client sends again at
    3.
    """
    node = scenario(
        {
            "workload": {"clients": 1, "think": {"mean": "2s", "distribution": "deterministic"}},
            "deployment": {"exit_mode": "answer_early", "portions": [portion("1-2", 1)]},
        },
        [layer(1.0, "one"), layer(4.0, "two")],
        duration_s=6.5,
        model={"ramps": {"after": [1]}, "exits": {"profile": [1.0]}},
    )
    rec = record(node)
    assert rec.requests.arrival_s.tolist() == [2.0, 5.0]
    assert story(rec) == [Served(0, 0, 2.0, 7.0, (0,)), Served(0, 0, 7.0, 12.0, (1,))]
    assert finishes(rec) == [3.0, 8.0]
    assert rec.requests.outcome.tolist() == [Outcome.COMPLETED] * 2
