"""Services on a timeline that Perfetto and chrome://tracing open."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.reporting.traceformat import Event, metadata, micros, span
from simulator.reporting.waiting import queue_lengths
from simulator.results.record import RunRecord


def trace_events(record: RunRecord) -> Iterator[Event]:
    """The events, times in microseconds from the start of the run.

    One process per portion and pool, one thread per replica. Batches are complete events (``X``) with their
    size, capacity and longest wait, aborted ones are named so; transfers follow on the replica's thread, or
    as asynchronous events (``b``, ``e``) where they overlap the next batch; queue lengths are counters
    (``C``).
    """
    processes = _processes(record)
    yield from _names(record, processes)
    for batch in range(len(record.batches.start_s)):
        yield from _batch(record, processes, batch)
    for portion in range(len(record.portions)):
        process = next((number for (owner, _), number in processes.items() if owner == portion), None)
        if process is not None:
            yield from _counters(record, portion, process)


def _processes(record: RunRecord) -> dict[tuple[int, int], int]:
    """Process number by (portion, pool), counted from 1 in the record's order."""
    batches, replicas = record.batches, record.replicas
    used = {*zip(batches.portion.tolist(), replicas.pool[batches.replica].tolist())}
    used |= {*zip(replicas.portion.tolist(), replicas.pool.tolist())}
    return {key: number for number, key in enumerate(sorted(used), 1)}


def _names(record: RunRecord, processes: dict[tuple[int, int], int]) -> Iterator[Event]:
    for (portion, pool), process in processes.items():
        facts = record.portions[portion]
        name = f"{record.services[facts.service].name} layers {facts.layers} on {record.pools[pool].name}"
        yield metadata("process_name", process, 0, {"name": name})
        yield metadata("process_sort_index", process, 0, {"sort_index": process})
    batches, replicas = record.batches, record.replicas
    threads = {*zip(batches.portion.tolist(), batches.replica.tolist())}
    threads |= {(int(portion), number) for number, portion in enumerate(replicas.portion)}
    for portion, replica in sorted(threads):
        process = processes[portion, int(replicas.pool[replica])]
        name = f"replica {int(replicas.number[replica])}"
        yield metadata("thread_name", process, int(replicas.number[replica]), {"name": name})


def _batch(record: RunRecord, processes: dict[tuple[int, int], int], batch: int) -> Iterator[Event]:
    facts, replicas = record.batches, record.replicas
    replica = int(facts.replica[batch])
    process = processes[int(facts.portion[batch]), int(replicas.pool[replica])]
    place = {"pid": process, "tid": int(replicas.number[replica])}
    first, last = int(facts.offset[batch]), int(facts.offset[batch + 1])
    start_s, end_s, free_s = (float(times[batch]) for times in (facts.start_s, facts.end_s, facts.free_s))
    wait_s = start_s - float(np.min(facts.entered_s[first:last]))
    aborted = bool(facts.aborted[batch])
    args = {
        "size": last - first,
        "capacity": int(facts.capacity[batch]),
        "longest_wait_ms": round(wait_s * 1e3, 6),
    }
    name = f"batch of {last - first}" + (" (aborted)" if aborted else "")
    event = {"name": name, "cat": "batch", "ph": "X", **span(start_s, end_s), **place, "args": args}
    yield event | ({"cname": "terrible"} if aborted else {})
    if free_s <= end_s:
        return
    if float(facts.idle_s[batch]) >= free_s:
        yield {"name": "transfer", "cat": "transfer", "ph": "X", **span(end_s, free_s), **place, "args": {}}
        return
    for phase, instant_s in (("b", end_s), ("e", free_s)):
        yield {
            "name": "transfer",
            "cat": "transfer",
            "ph": phase,
            "id": batch,
            "ts": micros(instant_s),
            **place,
        }


def _counters(record: RunRecord, portion: int, process: int) -> Iterator[Event]:
    times_s, waiting = queue_lengths(record, portion)
    for instant_s, count in zip(times_s.tolist(), waiting.tolist()):
        args = {"waiting": count}
        yield {"name": "queue", "ph": "C", "pid": process, "tid": 0, "ts": micros(instant_s), "args": args}
