"""Streams on a timeline that Perfetto and chrome://tracing open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from simulator.reporting.traceformat import Event, metadata, span
from simulator.results.stream import KINDS, Actions, StreamRun

if TYPE_CHECKING:
    from simulator.results import Result

FIRST_PROCESS = 200_001
"""Number of the first device of the first stream; portions of services and trainings have smaller ones."""
COLOURS = (
    "thread_state_iowait",
    "thread_state_running",
    "thread_state_runnable",
    "thread_state_unknown",
    "thread_state_uninterruptible",
)
"""By kind: names that the viewers know."""


def streams_of(result: Result) -> list[StreamRun]:
    """The streams of the first replication."""
    jobs = result.jobs.get("streams")
    runs = jobs.runs[0].values() if jobs is not None and jobs.runs else ()
    return [run for run in runs if isinstance(run, StreamRun)]


def stream_events(runs: Iterable[StreamRun]) -> Iterator[Event]:
    """The events of streams, times in microseconds.

    One process per device, one thread each for loads, computing, returns, updates and reads of the disk. Each is a
    complete event (``X``) named by its layer; failures of the server are those of a thread of their own.
    """
    process = FIRST_PROCESS
    for run in runs:
        devices = int(run.actions.device.max()) + 1
        for device in range(devices):
            name = f"stream {run.name}" + (f", device {device}" if devices > 1 else "")
            yield metadata("process_name", process + device, 0, {"name": name})
            yield metadata("process_sort_index", process + device, 0, {"sort_index": process + device})
            for thread in sorted({int(kind) for kind in run.actions.kind}):
                yield metadata("thread_name", process + device, thread, {"name": KINDS[thread]})
        yield from _actions(run.actions, process)
        for failed_s, repaired_s in run.failures:
            place = {"pid": process, "tid": len(KINDS)}
            yield {
                "name": "server down",
                "cat": "failure",
                "ph": "X",
                **span(failed_s, repaired_s),
                **place,
                "args": {},
            }
        process += devices


def _actions(actions: Actions, process: int) -> Iterator[Event]:
    columns = (actions.step, actions.device, actions.kind, actions.layer, actions.backward)
    rows = zip(*(column.tolist() for column in columns), actions.start_s.tolist(), actions.end_s.tolist())
    for step, device, kind, layer, backward, start_s, end_s in rows:
        yield {
            "name": f"{'B' if backward else 'F'}{layer}",
            "cat": KINDS[kind],
            "cname": COLOURS[kind],
            "ph": "X",
            **span(start_s, end_s),
            "pid": process + device,
            "tid": kind,
            "args": {"step": step},
        }
