"""Trainings on a timeline that Perfetto and chrome://tracing open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from simulator.reporting.traceformat import Event, metadata, span
from simulator.results.training import KINDS, Ops, TrainingRun

if TYPE_CHECKING:
    from simulator.results import Result

COLOURS = ("thread_state_running", "thread_state_runnable", "thread_state_iowait", "thread_state_runnable")
"""Of forward, input gradient, weight gradient, full backward: names that the viewers know."""
FIRST_PROCESS = 100_001
"""Number of the first copy of the first training; portions of services are counted from 1."""


def trainings_of(result: Result) -> list[TrainingRun]:
    """The trainings of the first replication."""
    jobs = result.jobs.get("trainings")
    runs = jobs.runs[0].values() if jobs is not None and jobs.runs else ()
    return [run for run in runs if isinstance(run, TrainingRun)]


def training_events(runs: Iterable[TrainingRun]) -> Iterator[Event]:
    """The events of trainings, times in microseconds.

    One process per copy of a pipeline, one thread per stage. Ops are complete events (``X``) named by kind and
    microbatch; all-reduce, optimizer step, and the downtime after a failure likewise.
    """
    process = FIRST_PROCESS
    for run in runs:
        copies = int(run.ops.copy.max()) + 1
        stages = int(run.ops.stage.max()) + 1
        for copy in range(copies):
            name = f"training {run.name}" + (f", copy {copy}" if copies > 1 else "")
            yield metadata("process_name", process + copy, 0, {"name": name})
            yield metadata("process_sort_index", process + copy, 0, {"sort_index": process + copy})
            for stage in range(stages):
                yield metadata("thread_name", process + copy, stage, {"name": f"stage {stage}"})
        yield from _ops(run.ops, process)
        for device, failed_s, restart_s in run.failures:
            place = {"pid": process + device // stages, "tid": device % stages}
            yield {"name": "down", "cat": "failure", "ph": "X", **span(failed_s, restart_s), **place, "args": {}}
        process += copies


def _ops(ops: Ops, process: int) -> Iterator[Event]:
    """One event per op; those that run as one have one."""
    columns = (ops.iteration, ops.copy, ops.stage, ops.chunk, ops.kind, ops.microbatch, ops.fused)
    rows = list(zip(*(column.tolist() for column in columns), ops.start_s.tolist(), ops.end_s.tolist()))
    for number, (iteration, copy, stage, chunk, kind, microbatch, fused, start_s, end_s) in enumerate(rows):
        if fused:
            continue
        event = {"ph": "X", **span(start_s, end_s), "pid": process + copy, "tid": stage}
        if microbatch < 0:
            yield {"name": KINDS[kind], "cat": "ending", **event, "args": {"iteration": iteration}}
            continue
        name = f"{KINDS[kind]}{microbatch}"
        if number + 1 < len(rows) and rows[number + 1][6]:
            name += f"+{KINDS[rows[number + 1][4]]}{rows[number + 1][5]}"
        args = {"iteration": iteration, "chunk": chunk, "microbatch": microbatch}
        yield {"name": name, "cat": KINDS[kind], "cname": COLOURS[kind], **event, "args": args}
