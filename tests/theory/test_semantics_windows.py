"""Deployment windows: who serves whom across a change, when replicas come and go, what is held and billed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.results.record import RunRecord
from tests.support import DEVICE, Node, layer, portion, run, scenario, seconds, trace
from tests.theory.story import Served, finishes, outcomes, story

GIVE = "8B"


def windows(
    tmp_path: Path,
    arrivals: list[float],
    deployments: list[tuple[float, list[Node]]],
    layers: list[Node],
    count: int = 16,
    pool: Node | None = None,
    duration: float = 32.0,
) -> Any:
    """A run of several deployments; 8 B of weights per layer over 4 B/s and 1 s of start-up make 3 s of
    loading.
    """
    node = scenario(
        {
            "workload": trace(tmp_path, arrivals),
            "deployments": [{"from": seconds(start), "portions": portions} for start, portions in deployments],
        },
        layers,
        duration_s=duration,
        cluster={
            "pools": {
                "pool": {
                    "device": DEVICE,
                    "count": count,
                    "price_per_hour": 3600.0,
                    "load_bandwidth": "4B/s",
                    "start_up": "1s",
                    **(pool or {}),
                }
            }
        },
    )
    return run(node, tmp_path)


def told(result: Any) -> RunRecord:
    (only,) = result.records
    assert isinstance(only, RunRecord)
    return only


def held(rec: RunRecord) -> list[tuple[int, float, float, float]]:
    """(number, held, ready, released) of each replica."""
    replicas = rec.replicas
    columns = (replicas.number, replicas.held_s, replicas.ready_s, replicas.released_s)
    return sorted((int(n), float(h), float(r), float(g)) for n, h, r, g in zip(*columns))


ONE = [layer(4.0, "one", weights=GIVE)]


def test_added_replicas_are_ready_at_window_start(tmp_path: Path) -> None:
    """1 -> 2 replicas at 8: the second loads from 5 (3 s), serves from 8 on, not before."""
    result = windows(tmp_path, [6.0, 6.5, 7.0], [(0.0, [portion("1", 1)]), (8.0, [portion("1", 2)])], ONE)
    rec = told(result)
    assert story(rec) == [
        Served(0, 0, 6.0, 10.0, (0,)),
        Served(0, 1, 8.0, 12.0, (1,)),
        Served(0, 0, 10.0, 14.0, (2,)),
    ]
    (first, second) = held(rec)
    assert second[:3] == (1, 5.0, 8.0)
    assert first[2] == 0.0


def test_equal_portions_keep_queue_and_replicas(tmp_path: Path) -> None:
    """Only max_wait changes: the same replica, and the queue of the old window is served in order."""
    result = windows(
        tmp_path,
        [7.0, 7.5, 8.5],
        [(0.0, [portion("1", 1)]), (8.0, [portion("1", 1, max_wait=1.0)])],
        ONE,
    )
    rec = told(result)
    assert len(rec.replicas.number) == 1
    assert story(rec) == [
        Served(0, 0, 7.0, 11.0, (0,)),
        Served(0, 0, 11.0, 15.0, (1,)),
        Served(0, 0, 15.0, 19.0, (2,)),
    ]


def test_idle_replicas_are_removed_first(tmp_path: Path) -> None:
    """2 -> 1 at 8: replica 0 serves until 10, replica 1 is idle and goes at 8."""
    result = windows(tmp_path, [6.0, 9.0], [(0.0, [portion("1", 2)]), (8.0, [portion("1", 1)])], ONE)
    rec = told(result)
    assert story(rec) == [Served(0, 0, 6.0, 10.0, (0,)), Served(0, 0, 10.0, 14.0, (1,))]
    assert held(rec)[1][3] == 8.0


def test_the_idle_one_goes_even_with_the_lowest_index(tmp_path: Path) -> None:
    """Replica 0 ends at 6, replica 1 serves from 4.5 to 8.5: at 8 replica 0 is the idle one."""
    result = windows(tmp_path, [2.0, 4.5, 9.0], [(0.0, [portion("1", 2)]), (8.0, [portion("1", 1)])], ONE)
    rec = told(result)
    assert [(b.replica, b.start) for b in story(rec)] == [(0, 2.0), (1, 4.5), (1, 9.0)]
    assert held(rec)[0][3] == 8.0


def test_of_busy_replicas_the_highest_index_goes_after_its_batch(tmp_path: Path) -> None:
    """Both busy at 8; replica 1 finishes its batch at 11 and is released then."""
    result = windows(tmp_path, [6.0, 7.0, 7.5], [(0.0, [portion("1", 2)]), (8.0, [portion("1", 1)])], ONE)
    rec = told(result)
    assert story(rec) == [
        Served(0, 0, 6.0, 10.0, (0,)),
        Served(0, 1, 7.0, 11.0, (1,)),
        Served(0, 0, 10.0, 14.0, (2,)),
    ]
    assert held(rec)[1][3] == 11.0


def test_arrivals_enter_the_new_deployment_from_the_start_instant(tmp_path: Path) -> None:
    """Batch 1 -> 2 is a new portion: 7.5 queues at the old one, 8 goes to the new one though it came later."""
    result = windows(tmp_path, [6.0, 7.5, 8.0, 8.0], [(0.0, [portion("1", 1)]), (8.0, [portion("1", 1, batch=2)])], ONE)
    rec = told(result)
    assert story(rec) == [
        Served(0, 0, 6.0, 10.0, (0,)),
        Served(1, 0, 8.0, 12.0, (2, 3)),
        Served(0, 0, 10.0, 14.0, (1,)),
    ]
    assert sorted(released for *_, released in held(rec))[0] == 14.0  # old portion: released once empty


def test_old_portions_stay_until_nothing_upstream_can_reach_them(tmp_path: Path) -> None:
    """Two old portions; the second has been empty for long at 8, but request 0 still comes to it at 10."""
    layers = [layer(4.0, "one", weights=GIVE), layer(1.0, "two", weights=GIVE)]
    old, new = [portion("1", 1), portion("2", 1)], [portion("1-2", 1)]
    result = windows(tmp_path, [6.0, 9.0], [(0.0, old), (8.0, new)], layers)
    rec = told(result)
    assert story(rec) == [
        Served(0, 0, 6.0, 10.0, (0,)),
        Served(2, 0, 9.0, 14.0, (1,)),
        Served(1, 0, 10.0, 11.0, (0,)),
    ]
    released = {int(rec.replicas.portion[i]): float(rec.replicas.released_s[i]) for i in range(3)}
    assert released[0] == 10.0
    assert released[1] == 11.0


def test_a_pool_that_cannot_hold_both_changes_over_as_devices_come_free(tmp_path: Path) -> None:
    """One device: the old replica finishes at 10 what it took at 6; the new one loads from 10 and serves at
    13.
    """
    result = windows(tmp_path, [6.0, 9.0], [(0.0, [portion("1", 1)]), (8.0, [portion("1", 1, batch=2)])], ONE, count=1)
    rec = told(result)
    assert story(rec) == [Served(0, 0, 6.0, 10.0, (0,)), Served(1, 0, 13.0, 17.0, (1,))]
    assert outcomes(rec) == "CC"
    by_portion = {
        int(p): (float(h), float(g))
        for p, h, g in zip(rec.replicas.portion, rec.replicas.held_s, rec.replicas.released_s)
    }
    assert by_portion[0][1] == 10.0
    assert by_portion[1][0] == 10.0


def test_three_windows_go_and_come_back(tmp_path: Path) -> None:
    """1, 2 and again 1 replicas: each window serves with what it has."""
    result = windows(
        tmp_path,
        [1.0, 1.0, 9.0, 9.0, 17.0, 17.0],
        [(0.0, [portion("1", 1)]), (8.0, [portion("1", 2)]), (16.0, [portion("1", 1)])],
        ONE,
    )
    assert finishes(told(result)) == [5.0, 9.0, 13.0, 13.0, 21.0, 25.0]


def test_every_held_device_is_billed(tmp_path: Path) -> None:
    """1 device for 32 s and another from 5 (loading) to 16: 43 device-seconds within the duration of 32 s."""
    result = windows(
        tmp_path,
        [1.0],
        [(0.0, [portion("1", 1)]), (8.0, [portion("1", 2)]), (16.0, [portion("1", 1)])],
        ONE,
    )
    figures = result.to_dict()["services"]["s"]
    assert figures["device_hours"] * 3600 == 43.0
    assert figures["cost_per_hour"] == 3600.0 * 43.0 / 32.0


def test_devices_of_a_replica_count(tmp_path: Path) -> None:
    """devices_per_replica 2: twice the device-hours, and two replicas fill a pool of four."""
    result = windows(tmp_path, [1.0], [(0.0, [portion("1", 2)])], ONE, count=4, pool={"devices_per_replica": 2})
    assert told(result).replicas.devices.tolist() == [2, 2]
    assert result.to_dict()["services"]["s"]["device_hours"] * 3600 == 4 * 32.0


def test_one_deployment_is_a_window_of_the_whole_run(tmp_path: Path) -> None:
    """``deployments`` with one entry and ``deployment`` give the same finishes."""
    arrivals = [0.0, 0.5, 3.0]
    result = windows(tmp_path, arrivals, [(0.0, [portion("1", 2)])], ONE)
    node = scenario(
        {"workload": trace(tmp_path, arrivals), "deployment": {"portions": [portion("1", 2)]}},
        ONE,
        duration_s=32.0,
    )
    assert finishes(told(result)) == finishes(told(run(node, tmp_path)))
