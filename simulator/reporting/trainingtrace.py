"""Trainings on a timeline that Perfetto and chrome://tracing open, and as tables in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.files import write_text, write_whole
from simulator.reporting.chrometrace import trace_events
from simulator.reporting.folder import TableFormat, check_target, write_frames
from simulator.results.training import KINDS, Ops, TrainingRun

if TYPE_CHECKING:
    import pandas as pd

    from simulator.results import Result

Event = dict[str, Any]

COLOURS = ("thread_state_running", "thread_state_runnable", "thread_state_iowait", "thread_state_runnable")
"""Of forward, input gradient, weight gradient, full backward: names that the viewers know."""
FIRST_PROCESS = 100_001
"""Number of the first copy of the first training; portions of services are counted from 1."""


def trainings_of(result: Result) -> list[TrainingRun]:
    """The trainings of the first replication."""
    jobs = result.jobs.get("trainings")
    runs = jobs.runs[0].values() if jobs is not None and jobs.runs else ()
    return [run for run in runs if isinstance(run, TrainingRun)]


def write_trace(result: Result, path: Path) -> None:
    """Write the first replication, services and trainings, to ``path``, whole or not at all."""
    services = trace_events(result.records[0]) if result.runs else ()
    events = chain(services, training_events(trainings_of(result)))

    def write(draft: Path) -> None:
        with draft.open("w", encoding="utf-8") as out:
            out.write('{"displayTimeUnit": "ms", "traceEvents": [')
            for number, event in enumerate(events):
                out.write((",\n" if number else "\n") + json.dumps(event, allow_nan=False))
            out.write("\n]}\n")

    write_whole(path, write)


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
            yield _metadata("process_name", process + copy, 0, {"name": name})
            yield _metadata("process_sort_index", process + copy, 0, {"sort_index": process + copy})
            for stage in range(stages):
                yield _metadata("thread_name", process + copy, stage, {"name": f"stage {stage}"})
        yield from _ops(run.ops, process)
        for device, failed_s, restart_s in run.failures:
            place = {"pid": process + device // stages, "tid": device % stages}
            yield {"name": "down", "cat": "failure", "ph": "X", **_span(failed_s, restart_s), **place, "args": {}}
        process += copies


def _ops(ops: Ops, process: int) -> Iterator[Event]:
    """One event per op; those that run as one have one."""
    columns = (ops.iteration, ops.copy, ops.stage, ops.chunk, ops.kind, ops.microbatch, ops.fused)
    rows = list(zip(*(column.tolist() for column in columns), ops.start_s.tolist(), ops.end_s.tolist()))
    for number, (iteration, copy, stage, chunk, kind, microbatch, fused, start_s, end_s) in enumerate(rows):
        if fused:
            continue
        event = {"ph": "X", **_span(start_s, end_s), "pid": process + copy, "tid": stage}
        if microbatch < 0:
            yield {"name": KINDS[kind], "cat": "ending", **event, "args": {"iteration": iteration}}
            continue
        name = f"{KINDS[kind]}{microbatch}"
        if number + 1 < len(rows) and rows[number + 1][6]:
            name += f"+{KINDS[rows[number + 1][4]]}{rows[number + 1][5]}"
        args = {"iteration": iteration, "chunk": chunk, "microbatch": microbatch}
        yield {"name": name, "cat": KINDS[kind], "cname": COLOURS[kind], **event, "args": args}


def training_table(folder: Path, table_format: str) -> Path:
    """The file with the ops of all trainings."""
    return folder / f"trainings.{table_format}"


def write_tables(result: Result, folder: Path, table_format: TableFormat = "csv") -> list[Path]:
    """Write ``result.json``, the tables of the services and ``trainings.csv`` (or parquet): one row per op of every
    training and replication; what the scenario does not have is left out."""
    if result.runs:
        paths = write_frames(result, folder, table_format)
    else:
        check_target(folder, table_format)
        paths = [folder / "result.json"]
        write_text(paths[0], result.to_json() + "\n")
    frames = list(_frames(result))
    if frames:
        import pandas as pd

        paths.append(training_table(folder, table_format))
        write_whole(paths[-1], partial(_write, pd.concat(frames, ignore_index=True)))
    return paths


def _frames(result: Result) -> Iterator[pd.DataFrame]:
    jobs = result.jobs.get("trainings")
    for replication, runs in enumerate(jobs.runs if jobs is not None else ()):
        for name, run in runs.items():
            if isinstance(run, TrainingRun):
                frame = run.timeline.copy()
                frame.insert(0, "training", name)
                frame.insert(0, "replication", replication)
                yield frame


def _write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, lineterminator="\n")


def _metadata(kind: str, process: int, thread: int, args: Event) -> Event:
    return {"name": kind, "ph": "M", "pid": process, "tid": thread, "args": args}


def _span(start_s: float, end_s: float) -> dict[str, float]:
    """Start and length; the end is rounded, not the length, so that neighbours neither overlap nor part."""
    start, end = round(start_s * 1e6, 3), round(end_s * 1e6, 3)
    return {"ts": start, "dur": round(end - start, 3)}
