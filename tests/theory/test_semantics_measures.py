"""What is counted and when: cohort, drain, percentiles, clipped figures, breakdown; by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import Node, layer, portion, run, scenario, seconds, trace


def figures(tmp_path: Path, arrivals: list[float], node: Node, layers: list[Node] | None = None, **more: Any) -> Node:
    """The service's part of the result."""
    text = scenario({"workload": trace(tmp_path, arrivals), **node}, layers or [layer(1.0)], **more)
    result: Node = run(text, tmp_path).to_dict()["services"]["s"]
    return result


ONE: Node = {"deployment": {"portions": [portion("1", 1)]}}


def test_the_cohort_arrives_from_warmup_to_duration(tmp_path: Path) -> None:
    """2 and 7.5 count; 1.75 came before the warm-up, 8 does not arrive any more."""
    found = figures(tmp_path, [0.0, 1.75, 2.0, 7.5, 8.0], ONE, duration_s=8.0, warmup_s=2.0)
    assert (found["arrived"], found["completed"]) == (2, 2)
    assert found["latency"]["max"] == 1.75  # 1.75 starts at 1.75 and ends at 2.75, so 2 ends at 3.75


def test_the_run_goes_on_until_empty(tmp_path: Path) -> None:
    """The default drain is the duration: what arrived at 3 may end until 8."""
    found = figures(tmp_path, [3.0, 3.0, 3.0], ONE, [layer(1.5)], duration_s=4.0)
    assert (found["arrived"], found["completed"], found["inside"]) == (3, 3, 0)


@pytest.mark.parametrize(("drain", "completed"), [(0.0, 0), (1.0, 1), (1.75, 1), (2.0, 2), (100.0, 3)])
def test_what_is_left_after_the_drain_is_inside(tmp_path: Path, drain: float, completed: int) -> None:
    """Ends at 4.5, 6 and 7.5 with a duration of 4: a completion at the very end of the drain counts."""
    found = figures(
        tmp_path,
        [3.0, 3.0, 3.0],
        {**ONE, "slo": {"latency": "1h"}},
        [layer(1.5)],
        duration_s=4.0,
        run={"drain": seconds(drain)},
    )
    assert (found["completed"], found["inside"]) == (completed, 3 - completed)
    assert found["attainment"] == completed / 3


def test_throughput_goes_by_finish_within_the_window(tmp_path: Path) -> None:
    """Ends at 1, 2, 3.5, 4.5 in a window from 2 to 4: two of them (2 and 3.5), by whomever they arrived."""
    found = figures(tmp_path, [0.0, 1.0, 2.5, 3.5], ONE, duration_s=4.0, warmup_s=2.0)
    assert found["throughput"] == 2 / 2.0


def test_utilization_is_clipped(tmp_path: Path) -> None:
    """Busy 1 - 3 and 3.5 - 5.5: within 2 - 4 that is 1.5 of 2 s, on one of two replicas."""
    found = figures(
        tmp_path,
        [1.0, 3.5],
        {"deployment": {"portions": [portion("1", 2)]}},
        [layer(2.0)],
        duration_s=4.0,
        warmup_s=2.0,
    )
    assert found["portions"][0]["utilization"] == 1.5 / 2.0 / 2


def test_percentiles_are_nearest_rank(tmp_path: Path) -> None:
    """Ten at once on one replica: 1 s, 2 s, ... 10 s; the p-th is the one of rank ceil(p n)."""
    found = figures(tmp_path, [0.0] * 10, ONE, duration_s=16.0)["latency"]
    assert (found["p50"], found["p90"], found["p95"], found["p99"]) == (5.0, 9.0, 10.0, 10.0)
    assert (found["p999"], found["max"], found["mean"]) == (10.0, 10.0, 5.5)


def test_no_data_is_null(tmp_path: Path) -> None:
    """All arrive before the warm-up ends."""
    found = figures(tmp_path, [0.0], ONE, duration_s=8.0, warmup_s=4.0)
    assert found["arrived"] == found["completed"] == 0
    assert set(found["latency"].values()) == {None}
    assert found["attainment"] is None
    assert found["portions"][0]["mean_batch"] is None
    assert found["portions"][0]["queue_wait"]["mean"] is None


def test_one_replication_has_no_interval(tmp_path: Path) -> None:
    found = figures(tmp_path, [0.0, 1.0], ONE, duration_s=8.0)
    assert found["ci95"] is None


def test_missed_are_all_who_did_not_finish_in_time(tmp_path: Path) -> None:
    """Capacity 1 and an SLO of 2 s: 1 s and 2 s are met, the third of an instant is rejected, the last is
    late.
    """
    node: Node = {**ONE, "slo": {"latency": "2s"}, "queue": {"capacity": 1}}
    found = figures(tmp_path, [0.0, 0.0, 0.0, 1.5, 1.5], node, duration_s=8.0)
    # 0: 0-1, 1: 1-2, 2: rejected, 3: waits from 1.5 to 2, ends at 3 (1.5 s), 4: rejected
    assert (found["arrived"], found["completed"], found["rejected"]) == (5, 3, 2)
    assert found["attainment"] == 3 / 5
    assert found["goodput"] == 3 / 8


def test_classes_have_their_own_objective(tmp_path: Path) -> None:
    """Half of the requests have 1 s, the others 1 h; one at a time, all take 2 s."""
    node: Node = {
        **ONE,
        "slo": {"latency": "1h"},
        "classes": [
            {"name": "hasty", "share": 0.5, "slo": {"latency": "1s"}},
            {"name": "calm", "share": 0.5},
        ],
    }
    found = figures(tmp_path, [4.0 * n for n in range(20)], node, [layer(2.0)], duration_s=128.0)
    hasty, calm = found["classes"]["hasty"], found["classes"]["calm"]
    assert hasty["arrived"] + calm["arrived"] == found["arrived"] == 20
    assert hasty["arrived"] > 0
    assert (hasty["attainment"], calm["attainment"]) == (0.0, 1.0)
    assert found["attainment"] == calm["arrived"] / 20


def test_breakdown_tells_where_the_time_goes(tmp_path: Path) -> None:
    """One request waits 3 s for its batch (due at 3), is served 2 s, travels 1 s and is served 4 s; then two
    that queue.
    """
    found = figures(
        tmp_path,
        [0.0],
        {"deployment": {"portions": [portion("1", 1, batch=2, max_wait=3.0), portion("2", 1)]}},
        [layer(2.0, "one"), layer(4.0, "two")],
        duration_s=32.0,
        cluster={"network": {"bandwidth": "1GB/s", "latency": "1s"}},
    )
    assert found["breakdown"]["mean"] == {
        "fill": 3.0,
        "queue": 0.0,
        "service": 6.0,
        "transfer": 1.0,
        "retry": 0.0,
    }
    found = figures(
        tmp_path, [0.0, 0.0], {"deployment": {"portions": [portion("1", 1)]}}, [layer(2.0)], duration_s=32.0
    )
    assert found["breakdown"]["mean"] == {
        "fill": 0.0,
        "queue": 1.0,
        "service": 2.0,
        "transfer": 0.0,
        "retry": 0.0,
    }
    assert sum(found["breakdown"]["mean"].values()) == found["latency"]["mean"]


def test_mean_layers_and_exits(tmp_path: Path) -> None:
    """All leave after layer 1 of 2."""
    found = figures(
        tmp_path,
        [0.0, 4.0],
        {"deployment": {"exit_mode": "at_cut", "portions": [portion("1", 1), portion("2", 1)]}},
        [layer(1.0, "one"), layer(1.0, "two")],
        duration_s=8.0,
        model={"ramps": {"after": [1]}, "exits": {"profile": [1.0]}},
    )
    assert found["exits"] == {"1": 1.0}
    assert found["mean_layers"] == 1.0
