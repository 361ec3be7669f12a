"""The figures of a training from the laps that it finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from simulator.cluster.training.executor import Executor
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Timeline, breakdown, idle_windows, measure, peaks, unit_memory
from simulator.costs.pipeline.times import Floats
from simulator.results.cohort import Json
from simulator.results.training import KINDS, Ops

PARTS = ("compute", "warm_up", "steady", "cool_down", "transfer", "all_reduce", "optimizer")
ALL_REDUCE, OPTIMIZER = KINDS.index("all-reduce"), KINDS.index("optimizer")


def alone(line: Timeline) -> Timeline:
    """An iteration by itself: it begins, on every rank, where its first op starts."""
    return replace(line, begin=np.full_like(line.begin, line.start.min()))


def figures_of(executor: Executor, began_s: float) -> Json:
    """Figures of a training that has run from ``began_s`` to its last iteration's end; see ``docs/results``.

    ``makespan``, ``span``, bubbles and ``breakdown`` are means over iterations, each from its own first op. With copies
    the figures of one are the mean over all.
    """
    setup, laps = executor.setup, executor.lines
    lines = [line for copies in laps for line in copies]
    found = [measure(alone(line)) for line in lines]
    ends = [max(float(line.finish.max()) for line in copies) for copies in laps]
    elapsed = ends[-1] - began_s
    busy = np.mean([one.busy_s for one in found], axis=0)
    tail = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else elapsed
    devices, price = setup.devices, setup.pool.price_per_hour
    return {
        "schedule": setup.schedule.name,
        "iterations": len(laps),
        "iteration": tail,
        "makespan": fmean(one.makespan_s for one in found),
        "span": fmean(one.span_s for one in found),
        "ideal": found[0].ideal_s,
        "bubble_fraction": {
            "makespan": fmean(one.bubble_makespan for one in found),
            "span": fmean(one.bubble_span for one in found),
        },
        "elapsed": elapsed,
        "utilization": float(busy.mean()) * len(laps) / elapsed if elapsed > 0.0 else 0.0,
        "failures": len(executor.failures),
        "down": down_s(executor),
        "devices": devices,
        "cost_per_iteration": devices * price * elapsed / len(laps) / 3600.0,
        "breakdown": _breakdown(lines),
        "stages": _stages(setup, [copies[0] for copies in laps], busy, elapsed / len(laps)),
    }


def down_s(executor: Executor) -> float:
    """Time between a first failure and the restart [s]; failures until then belong to the same stop."""
    first: dict[float, float] = {}
    for failure in executor.failures:
        first[failure.restart_s] = min(failure.instant_s, first.get(failure.restart_s, failure.instant_s))
    return sum((restart - instant for restart, instant in first.items()), 0.0)


def _breakdown(lines: Sequence[Timeline]) -> Json:
    parts = [breakdown(alone(line)) for line in lines]
    return {name: fmean(float(getattr(one, name).mean()) for one in parts) for name in PARTS}


def _stages(setup: TrainingSetup, lines: Sequence[Timeline], busy: Floats, iteration_s: float) -> list[Json]:
    """Each stage of the first copy; its idle windows in the last iteration, from that one's first op on."""
    schedule, memory = setup.schedule, setup.memory
    held = peaks(schedule, unit_memory(schedule) if memory is None else memory)
    last = lines[-1]
    origin = float(last.start.min())
    return [
        {
            "busy": float(busy[rank]),
            "idle": iteration_s - float(busy[rank]),
            "peak_activations": float(held[rank]),
            "peak_memory": None if memory is None else float(held[rank] + setup.weights[rank]),
            "idle_windows": _windows(last, rank, origin),
        }
        for rank in range(setup.ranks)
    ]


def _windows(line: Timeline, rank: int, origin: float) -> list[list[float]]:
    """[start, length] of the windows of a rank from the end of its iteration before to the end of this one [s]."""
    since, until = float(line.begin[rank]), float(line.finish[rank])
    found = idle_windows(line, since_s=since, until_s=until).of_rank(rank)
    return [[window.start_s - origin, window.length_s] for window in found]


def ops_of(laps: Sequence[Sequence[Timeline]]) -> Ops:
    """Every op, all-reduce and optimizer step of the finished laps."""
    schedule = laps[0][0].schedule
    arrays, ranks = schedule.arrays, np.arange(schedule.ranks)
    chunk = np.array([schedule.chunk_of(op) for order in schedule.orders for op in order])
    none = np.full(2 * schedule.ranks, -1)
    stage = np.concatenate([arrays.rank, ranks, ranks])
    kind = np.concatenate([arrays.kind, np.repeat([ALL_REDUCE, OPTIMIZER], schedule.ranks)])
    row = {
        "stage": stage,
        "chunk": np.concatenate([chunk, none]),
        "kind": kind,
        "microbatch": np.concatenate([arrays.microbatch, none]),
        "fused": np.concatenate([arrays.fused, none > 0]),
    }
    lines = [line for copies in laps for line in copies]
    start = [np.concatenate([line.start, line.compute_end, line.step]) for line in lines]
    end = [np.concatenate([line.end, line.reduced, line.finish]) for line in lines]
    copies = len(laps[0])
    iteration = np.repeat(np.arange(len(laps)), copies * len(stage))
    copy = np.tile(np.repeat(np.arange(copies), len(stage)), len(laps))
    columns = {name: np.tile(values, len(lines)) for name, values in row.items()}
    start_s, end_s = np.concatenate(start), np.concatenate(end)
    there = (columns["microbatch"] >= 0) | (end_s > start_s)
    columns |= {"iteration": iteration, "copy": copy, "start_s": start_s, "end_s": end_s}
    return Ops(**{name: values[there] for name, values in columns.items()})
