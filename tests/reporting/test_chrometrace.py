"""The timeline keeps to the Trace Event Format."""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from simulator.reporting import trace_events
from simulator.reporting.traceformat import write_events
from simulator.reporting.waiting import queue_lengths
from simulator.results import Outcome, PoolInfo, PortionInfo
from tests.results.builders import Ask, Batch, Replica, record, tandem

FACTS = tandem(4, 200, max_wait=0.02, faults=True)


def test_the_file_is_one_strict_json_object(tmp_path: Path) -> None:
    path = tmp_path / "new" / "timeline.json"
    write_events(trace_events(FACTS), path)
    found = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert found["displayTimeUnit"] == "ms"
    assert found["traceEvents"] == list(trace_events(FACTS))
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_run_is_a_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    write_events(trace_events(record([], machines=[])), path)
    assert json.loads(path.read_text())["traceEvents"] == []


def test_every_event_has_what_its_phase_needs() -> None:
    needed = {
        "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"},
        "M": {"name", "ph", "pid", "tid", "args"},
        "C": {"name", "ph", "ts", "pid", "args"},
        "b": {"name", "cat", "ph", "ts", "pid", "tid", "id"},
        "e": {"name", "cat", "ph", "ts", "pid", "tid", "id"},
    }
    for event in trace_events(FACTS):
        assert needed[event["ph"]] <= set(event)
        assert event.get("ts", 0) >= 0
        assert event.get("dur", 0) >= 0


def test_processes_and_threads_are_named_before_use() -> None:
    names = {}
    for event in trace_events(FACTS):
        if event["ph"] == "M":
            names[event["name"], event["pid"], event["tid"]] = event["args"]
        elif event["ph"] == "X":
            assert ("process_name", event["pid"], 0) in names
            assert ("thread_name", event["pid"], event["tid"]) in names
    assert names["process_name", 1, 0] == {"name": "chat layers 1-2 on v100"}
    assert names["process_name", 2, 0] == {"name": "chat layers 3-4 on v100"}
    assert names["thread_name", 1, 0] == {"name": "replica 0"}


def test_batches_are_microseconds_with_size_and_wait() -> None:
    facts = record(
        [Ask(0.5, 3.0), Ask(1.0, 3.0)],
        [Batch(1.5, 3.0, [(0, 0.5), (1, 1.0)], free=3.5, aborted=False)],
    )
    batch, transfer = (event for event in trace_events(facts) if event["ph"] == "X")
    assert (batch["ts"], batch["dur"]) == (1_500_000, 1_500_000)
    assert batch["args"] == {"size": 2, "capacity": 8, "longest_wait_ms": 1000.0}
    assert (transfer["name"], transfer["ts"], transfer["dur"]) == ("transfer", 3_000_000, 500_000)


def test_aborted_batches_are_marked() -> None:
    aborted = [event for event in trace_events(FACTS) if event["name"].endswith("(aborted)")]
    assert len(aborted) == int(FACTS.batches.aborted.sum()) > 0
    assert all("cname" in event for event in aborted)


def test_events_of_a_thread_do_not_overlap() -> None:
    threads = defaultdict(list)
    for event in trace_events(FACTS):
        if event["ph"] == "X":
            threads[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in threads.values():
        spans.sort()
        assert all(left[1] <= right[0] + 1e-3 for left, right in pairwise(spans))


def test_overlapping_transfers_are_asynchronous() -> None:
    facts = record([Ask(0.0, 1.0)], [Batch(0.0, 1.0, [(0, 0.0)], free=4.0, idle=1.0)])
    begin, end = (event for event in trace_events(facts) if event["ph"] in "be")
    assert (begin["ts"], end["ts"]) == (1_000_000, 4_000_000)
    assert begin["id"] == end["id"]


def test_several_kinds_of_replica_are_several_processes() -> None:
    facts = record(
        [Ask(0.0, 1.0), Ask(0.0, 1.0)],
        [Batch(0.0, 1.0, [(0, 0.0)]), Batch(0.0, 1.0, [(1, 0.0)], replica=1)],
        machines=[Replica(), Replica(number=1, pool=1)],
        pools=[PoolInfo("v100", 1, 1.0), PoolInfo("t4", 1, 1.0)],
    )
    names = [event["args"]["name"] for event in trace_events(facts) if event["name"] == "process_name"]
    assert names == ["chat layers 1-4 on v100", "chat layers 1-4 on t4"]


def test_queue_lengths_by_hand() -> None:
    asks = [
        Ask(0.0, 2.0),
        Ask(0.5, 2.0),
        Ask(1.0, 3.0, Outcome.DROPPED),
        Ask(2.0, None, Outcome.INSIDE),
    ]
    facts = record(asks, [Batch(1.5, 2.0, [(0, 0.0), (1, 0.5)])], end=9.0)
    times, waiting = queue_lengths(facts, 0)
    assert times.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 9.0]
    assert waiting.tolist() == [1, 2, 3, 1, 2, 1, 0]


def test_drops_wait_where_they_would_have_gone_next() -> None:
    portions = [PortionInfo(0, 1, 2, 0.0), PortionInfo(0, 3, 4, 0.0)]
    facts = record([Ask(0.0, 5.0, Outcome.DROPPED)], [Batch(1.0, 2.0, [(0, 0.0)], free=3.0)], portions=portions)
    times, waiting = queue_lengths(facts, 1)
    assert (times.tolist(), waiting.tolist()) == ([3.0, 5.0], [1, 0])
    taken_back = record(
        [Ask(0.0, 5.0, Outcome.DROPPED)], [Batch(1.0, 2.0, [(0, 0.0)], aborted=True)], portions=portions
    )
    times, waiting = queue_lengths(taken_back, 0)
    assert (times.tolist(), waiting.tolist()) == ([0.0, 1.0, 2.0, 5.0], [1, 0, 1, 0])


def test_arrivals_wait_in_the_portion_of_their_window() -> None:
    portions = [PortionInfo(0, 1, 4, 0.0), PortionInfo(0, 1, 4, 5.0)]
    facts = record([Ask(1.0, 2.0, Outcome.DROPPED), Ask(6.0, 7.0, Outcome.REJECTED)], portions=portions)
    assert queue_lengths(facts, 0)[0].tolist() == [1.0, 2.0]
    assert queue_lengths(facts, 1)[0].tolist() == [6.0, 7.0]


def test_queues_are_empty_in_the_end_and_never_negative() -> None:
    for portion in range(2):
        _, waiting = queue_lengths(FACTS, portion)
        assert waiting[-1] == 0
        assert waiting.min() >= 0
        assert np.all(np.diff(waiting) != 0)
