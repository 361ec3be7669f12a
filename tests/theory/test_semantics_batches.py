"""Time of a batch by exit mode, jitter, transfers and serial execution, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import DEVICE, Node, layer, members, portion, record, scenario, seconds, trace
from tests.theory.story import Served, affine, finishes, outcomes, played, story

EXITS: Node = {
    "ramps": {"after": [1, 2], "time": {"overhead": "0.125s", "per_item": "0.0625s"}},
    "exits": {"profile": [0.3, 0.4]},
}
LAYERS = [affine(1.0, 0.25, "one"), affine(2.0, 0.5, "two"), affine(4.0, 1.0, "three")]


def lasts(which: int, n: int) -> float:
    """Time of layer ``which`` at batch n; 0 for the ramps."""
    return [0.125 + 0.0625 * n, 1.0 + 0.25 * n, 2.0 + 0.5 * n, 4.0 + n][which]


def together(
    tmp_path: Path, mode: str, cuts: list[str], n: int = 8, seed: int = 5, **more: Any
) -> tuple[list[float], list[int], list[Served]]:
    """n requests that arrive at 0 and are served together: finishes, exits, batches."""
    deployment: Node = {"exit_mode": mode, "portions": [portion(cut, 1, batch=8) for cut in cuts]}
    rec = played(tmp_path, [0.0] * n, LAYERS, deployment, model=EXITS, seed=seed, **more)
    return finishes(rec), rec.requests.exit_layer.tolist(), story(rec)


# -- exit modes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [["1-3"], ["1", "2-3"]])
def test_none_ignores_ramps(tmp_path: Path, cuts: list[str]) -> None:
    finish, exits, _ = together(tmp_path, "none", cuts)
    assert exits == [3] * 8
    assert finish == [lasts(1, 8) + lasts(2, 8) + lasts(3, 8)] * 8


@pytest.mark.parametrize("seed", [5, 6, 7])
@pytest.mark.parametrize("cuts", [["1-3"], ["1", "2-3"], ["1", "2", "3"]])
def test_compact_shrinks_layer_by_layer(tmp_path: Path, cuts: list[str], seed: int) -> None:
    """Each layer and ramp at the survivors' count; a firing request leaves after its ramp's time."""
    finish, exits, told = together(tmp_path, "compact", cuts, seed=seed)
    left_1, left_2 = sum(e > 1 for e in exits), sum(e > 2 for e in exits)
    assert 0 < left_2 < left_1 < 8
    first = lasts(1, 8) + lasts(0, 8)
    second = first + lasts(2, left_1) + lasts(0, left_1)
    third = second + lasts(3, left_2)
    assert finish == [{1: first, 2: second, 3: third}[e] for e in exits]
    if cuts == ["1-3"]:
        assert told == [Served(0, 0, 0.0, third, tuple(range(8)))]


def test_an_empty_compact_batch_ends(tmp_path: Path) -> None:
    """All leave at ramp 1: the replica is free at once, and nothing enters portion 2."""
    model = {**EXITS, "exits": {"profile": [1.0, 0.0]}}
    deployment: Node = {"exit_mode": "compact", "portions": [portion("1-2", 1, batch=2), portion("3", 1)]}
    rec = played(tmp_path, [0.0, 0.0, 0.5], LAYERS, deployment, model=model)
    first = lasts(1, 2) + lasts(0, 2)
    second = first + lasts(1, 1) + lasts(0, 1)
    assert story(rec) == [Served(0, 0, 0.0, first, (0, 1)), Served(0, 0, first, second, (2,))]
    assert rec.requests.exit_layer.tolist() == [1, 1, 1]


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_at_cut_splits_where_the_cuts_are(tmp_path: Path, seed: int) -> None:
    """Layers and the cut's ramp at the batch's size; no ramp in the last portion."""
    finish, exits, told = together(tmp_path, "at_cut", ["1", "2", "3"], seed=seed)
    left_1, left_2 = sum(e > 1 for e in exits), sum(e > 2 for e in exits)
    first = lasts(1, 8) + lasts(0, 8)
    second = first + (lasts(2, left_1) + lasts(0, left_1))
    third = second + lasts(3, left_2)
    assert finish == [{1: first, 2: second, 3: third}[e] for e in exits]
    assert [len(batch.members) for batch in told] == [8, left_1, left_2]


@pytest.mark.parametrize(("cuts", "ramp"), [(["1", "2-3"], 1), (["1-2", "3"], 2)])
def test_at_cut_uses_no_other_ramp(tmp_path: Path, cuts: list[str], ramp: int) -> None:
    """One cut: the other ramp costs nothing and answers nobody, whoever would have left there leaves at the
    next.
    """
    finish, exits, _ = together(tmp_path, "at_cut", cuts)
    left = sum(e > ramp for e in exits)
    assert set(exits) == {ramp, 3}
    portions = [[1, 0], [2, 3]] if ramp == 1 else [[1, 2, 0], [3]]
    first = sum(lasts(step, 8) for step in portions[0])
    second = first + sum(lasts(step, left) for step in portions[1])
    assert finish == [first if e == ramp else second for e in exits]
    # The rows are the same for every deployment: at the cut after 2 leave those of both ramps.
    full = together(tmp_path, "at_cut", ["1", "2", "3"])[1]
    assert [e == ramp for e in exits] == [e <= ramp for e in full]


@pytest.mark.parametrize("cuts", [["1-3"], ["1", "2-3"]])
def test_answer_early_keeps_the_slot(tmp_path: Path, cuts: list[str]) -> None:
    """Full size throughout; an answer leaves after its ramp, its slot stays in the batch and in later
    portions.
    """
    finish, exits, told = together(tmp_path, "answer_early", cuts)
    assert set(exits) == {1, 2, 3}
    first = lasts(1, 8) + lasts(0, 8)
    second = first + lasts(2, 8) + lasts(0, 8)
    third = second + lasts(3, 8)
    assert finish == [{1: first, 2: second, 3: third}[e] for e in exits]
    assert all(batch.members == tuple(range(8)) for batch in told)
    assert told[-1].end == third


def test_answer_early_counts_a_request_once(tmp_path: Path) -> None:
    deployment: Node = {
        "exit_mode": "answer_early",
        "portions": [portion("1", 1, batch=8), portion("2-3", 1, batch=8)],
    }
    rec = played(tmp_path, [0.0] * 8, LAYERS, deployment, model=EXITS, seed=5)
    assert outcomes(rec) == "C" * 8
    assert len(rec.requests.number) == 8


# -- jitter --------------------------------------------------------------------------------------------------


def factors(tmp_path: Path, batch: int) -> tuple[dict[tuple[int, int], float], list[tuple[int, ...]]]:
    """Factor by (portion, first request) and all batches, for 32 requests in groups of ``batch``."""
    deployment: Node = {"portions": [portion("1", 32, batch=batch), portion("2", 32, batch=batch)]}
    rec = played(
        tmp_path,
        [0.25 * (n // batch) for n in range(32)],
        [layer(1.0, "one"), layer(2.0, "two")],
        deployment,
        service={"jitter": {"distribution": "exponential"}},
        seed=3,
    )
    told = story(rec)
    return {(b.portion, b.members[0]): (b.end - b.start) / (b.portion + 1) for b in told}, [b.members for b in told]


def test_a_batch_uses_the_factor_of_its_first_request(tmp_path: Path) -> None:
    """One factor per (portion, request), the same in every deployment."""
    alone, _ = factors(tmp_path, 1)
    in_fours, batches = factors(tmp_path, 4)
    assert len(alone) == 64
    assert len(in_fours) == len(batches) == 16
    for key, factor in in_fours.items():
        assert factor == pytest.approx(alone[key], rel=1e-9)
    assert len({round(factor, 9) for factor in alone.values()}) == 64  # portions draw from streams of their own


def test_answers_on_the_way_are_stretched_by_the_factor(tmp_path: Path) -> None:
    """A ramp's answer leaves at start + factor x (time so far)."""
    plain, exits, _ = together(tmp_path, "answer_early", ["1-3"])
    jittered: Node = {"service": {"jitter": {"distribution": "lognormal", "cv": 0.5}}}
    finish, same, told = together(tmp_path, "answer_early", ["1-3"], **jittered)
    assert same == exits
    assert np.array(finish) == pytest.approx(np.array(plain) * told[0].end / max(plain), rel=1e-12)


# -- transfer ------------------------------------------------------------------------------------------------


def linked(
    tmp_path: Path,
    arrivals: list[float],
    batch: int = 1,
    senders: int = 1,
    profile: float | None = None,
    **network: object,
) -> list[Served]:
    """Layer of 1 s, 8 B per survivor over 8 B/s after 0.5 s, layer of 1/8 s on many replicas."""
    deployment: Node = {
        "exit_mode": "none" if profile is None else "at_cut",
        "portions": [portion("1", senders, batch=batch), portion("2", 16)],
    }
    model: Node = {}
    if profile is not None:
        model = {"ramps": {"after": [1]}, "exits": {"profile": [profile]}}
    rec = played(
        tmp_path,
        arrivals,
        [layer(1.0, "one", output="8B"), layer(0.125, "two")],
        deployment,
        model=model,
        cluster={"network": {"bandwidth": "8B/s", "latency": "0.5s", **network}},
    )
    return story(rec)


def starts(told: list[Served], index: int) -> list[float]:
    return [batch.start for batch in told if batch.portion == index]


def test_the_sender_is_idle_again_when_the_transfer_arrives(tmp_path: Path) -> None:
    """1 s of service, 0.5 + 8/8 s of transfer."""
    told = linked(tmp_path, [0.0, 0.0, 0.0])
    assert starts(told, 0) == [0.0, 2.5, 5.0]
    assert starts(told, 1) == [2.5, 5.0, 7.5]


def test_a_transfer_grows_with_the_survivors(tmp_path: Path) -> None:
    told = linked(tmp_path, [0.0] * 4, batch=4)
    assert starts(told, 1) == [1.0 + 0.5 + 4.0] * 4


def test_overlapping_transfers_queue_on_the_senders_link(tmp_path: Path) -> None:
    """Services end at 1, 2, 3; transfers take 1.5 s each, one after another: 2.5, 4, 5.5."""
    told = linked(tmp_path, [0.0, 0.0, 0.0], overlap=True)
    assert starts(told, 0) == [0.0, 1.0, 2.0]
    assert starts(told, 1) == [2.5, 4.0, 5.5]


def test_every_sender_has_its_own_link(tmp_path: Path) -> None:
    told = linked(tmp_path, [0.0, 0.0], senders=2)
    assert starts(told, 1) == [2.5, 2.5]


@pytest.mark.parametrize("network", [{}, {"overlap": True}, {"shared": True}, {"overlap": True, "shared": True}])
def test_no_survivors_cost_no_transfer(tmp_path: Path, network: Node) -> None:
    told = linked(tmp_path, [0.0, 0.0], profile=1.0, **network)
    assert starts(told, 0) == [0.0, 1.0]
    assert starts(told, 1) == []


def test_a_shared_link_is_divided_fairly(tmp_path: Path) -> None:
    """Both end at 1, wait 0.5 s of latency, and get 4 B/s each: 2 s for 8 B."""
    told = linked(tmp_path, [0.0, 0.0], senders=2, shared=True)
    assert starts(told, 1) == [3.5, 3.5]


def test_a_shared_link_alone_is_the_whole_link(tmp_path: Path) -> None:
    assert starts(linked(tmp_path, [0.0], shared=True), 1) == [2.5]


def test_transfers_join_and_leave_a_shared_link(tmp_path: Path) -> None:
    """Bytes flow from 1.5 and 2: at 2 the first has 4 B left, both at 4 B/s; it ends at 3, the other 0.5 s
    later.
    """
    told = linked(tmp_path, [0.0, 0.5], senders=2, shared=True)
    assert starts(told, 1) == [3.0, 3.5]


def test_pairs_of_pools_have_their_own_link(tmp_path: Path) -> None:
    pool: Node = {"device": DEVICE, "count": 2, "price_per_hour": 1.0}
    pairs = [{"from": "pool", "to": "other", "bandwidth": "2B/s", "latency": "0.25s"}]
    rec = played(
        tmp_path,
        [0.0],
        [layer(1.0, "one", output="8B"), layer(1.0, "two", output="8B"), layer(1.0, "three")],
        {"portions": [portion("1", 1), portion("2", 1, pool="other"), portion("3", 1)]},
        cluster={
            "pools": {"pool": pool, "other": pool},
            "network": {"bandwidth": "8B/s", "latency": "0.5s", "pairs": pairs},
        },
    )
    assert [b.start for b in story(rec)] == [0.0, 1.0 + 0.25 + 4.0, 5.25 + 1.0 + 0.5 + 1.0]


def three_pools(shared: bool, slow: tuple[str, str]) -> Node:
    """Pools a, b and c over 8 B/s, and 0.5 B/s between two of them."""
    pool: Node = {"device": DEVICE, "count": 4, "price_per_hour": 1.0}
    pairs = [{"from": slow[0], "to": slow[1], "bandwidth": "0.5B/s"}]
    return {
        "pools": {"a": pool, "b": pool, "c": pool},
        "network": {"bandwidth": "8B/s", "shared": shared, "pairs": pairs},
    }


@pytest.mark.parametrize("shared", [False, True])
def test_every_kind_sends_over_the_link_of_its_own_pool(tmp_path: Path, shared: bool) -> None:
    """8 B from a to c take 1 s, from b to c 16 s; shared links of different pairs do not meet."""
    rec = played(
        tmp_path,
        [0.0, 0.0],
        [layer(1.0, "one", output="8B"), layer(1.0, "two")],
        {"portions": [portion("1", 1, pool="a"), portion("1", 1, pool="b"), portion("2", 2, pool="c")]},
        cluster=three_pools(shared, ("b", "c")),
    )
    assert starts(story(rec), 1) == [2.0, 17.0]


def test_a_kept_portion_sends_over_the_links_of_its_window(tmp_path: Path) -> None:
    """Portion 1 stays on a; portion 2 moves from b (1 s away) to c (16 s away) at 8."""
    windows = [
        {"from": seconds(at), "portions": [portion("1", 1, pool="a"), portion("2", 1, pool=to)]}
        for at, to in ((0.0, "b"), (8.0, "c"))
    ]
    node = scenario(
        {"workload": trace(tmp_path, [0.0, 9.0]), "deployments": windows},
        [layer(1.0, "one", output="8B"), layer(1.0, "two")],
        duration_s=64.0,
        cluster=three_pools(False, ("a", "c")),
    )
    assert finishes(record(node, tmp_path)) == [3.0, 27.0]


# -- serial execution ----------------------------------------------------------------------------------------


def serial(tmp_path: Path, arrivals: list[float], portions: list[Node], replicas: int = 1, **more: Any) -> list[Served]:
    deployment: Node = {"execution": "serial", "replicas": replicas, "portions": portions}
    return story(played(tmp_path, arrivals, [layer(1.0, "one"), layer(2.0, "two")], deployment, **more))


def test_serial_serves_the_deepest_ready_buffer_first(tmp_path: Path) -> None:
    told = serial(tmp_path, [0.0, 0.5], [portion("1", None), portion("2", None)])
    assert [(b.portion, b.start, b.members) for b in told] == [
        (0, 0.0, (0,)),
        (1, 1.0, (0,)),
        (0, 3.0, (1,)),
        (1, 4.0, (1,)),
    ]


def test_a_buffer_that_is_not_ready_lets_the_queue_go_first(tmp_path: Path) -> None:
    """Portion 2 wants 4: two batches of portion 1 fill it; it starts full at 2, before its due 9."""
    told = serial(
        tmp_path,
        [0.0, 0.0, 1.0, 1.0],
        [portion("1", None, batch=2), portion("2", None, batch=4, max_wait=8.0)],
    )
    assert told == [
        Served(0, 0, 0.0, 1.0, (0, 1)),
        Served(0, 0, 1.0, 2.0, (2, 3)),
        Served(1, 0, 2.0, 4.0, (0, 1, 2, 3)),
    ]


def test_a_buffer_has_its_own_timer(tmp_path: Path) -> None:
    """The survivor enters its buffer at 1, due at 5."""
    told = serial(tmp_path, [0.0], [portion("1", None), portion("2", None, batch=2, max_wait=4.0)])
    assert told == [Served(0, 0, 0.0, 1.0, (0,)), Served(1, 0, 5.0, 7.0, (0,))]


def test_survivors_stay_on_their_replica_without_transfer(tmp_path: Path) -> None:
    """A slow network costs nothing; two replicas keep their own survivors although a batch of two would fill."""
    told = serial(
        tmp_path,
        [0.0, 0.0],
        [portion("1", None), portion("2", None, batch=2, max_wait=3.0)],
        replicas=2,
        cluster={"network": {"bandwidth": "1B/s", "latency": "9s"}},
    )
    assert told == [
        Served(0, 0, 0.0, 1.0, (0,)),
        Served(0, 1, 0.0, 1.0, (1,)),
        Served(1, 0, 4.0, 6.0, (0,)),
        Served(1, 1, 4.0, 6.0, (1,)),
    ]


def test_serial_replicas_share_the_service_queue(tmp_path: Path) -> None:
    told = serial(tmp_path, [0.0, 0.0, 0.0], [portion("1-2", None)], replicas=2)
    assert told == [Served(0, 0, 0.0, 3.0, (0,)), Served(0, 1, 0.0, 3.0, (1,)), Served(0, 0, 3.0, 6.0, (2,))]


def test_serial_with_early_leaving(tmp_path: Path) -> None:
    """at_cut on one replica: whoever leaves after portion 1 never enters the buffer."""
    node = scenario(
        {
            "workload": trace(tmp_path, [0.0] * 8),
            "deployment": {
                "execution": "serial",
                "replicas": 1,
                "exit_mode": "at_cut",
                "portions": [portion("1", None, batch=8), portion("2", None, batch=8)],
            },
        },
        [layer(1.0, "one"), layer(2.0, "two")],
        duration_s=64.0,
        model={"ramps": {"after": [1], "time": seconds(0.5)}, "exits": {"profile": [0.5]}},
    )
    rec = record(node, tmp_path)
    exits = rec.requests.exit_layer.tolist()
    assert set(exits) == {1, 2}
    assert finishes(rec) == [1.5 if e == 1 else 3.5 for e in exits]
    assert len(members(rec)) == 8 + exits.count(2)
