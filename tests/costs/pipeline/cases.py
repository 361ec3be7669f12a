"""Shapes and times for the tests of pipelines, and a second way to run a schedule: plainly, op by op."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from simulator.costs.pipeline import BW, SCHEDULES, B, F, Schedule, Times, W, make, refusal, times_of

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "pipelines"
SEARCHED = [name for name, entry in SCHEDULES.items() if entry.timed]
FIXED = [name for name in SCHEDULES if name not in SEARCHED]


@cache
def rows(name: str) -> list[dict[str, str]]:
    """A table of the shared data."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the table {name} is not beside this checkout")
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def seconds(low: float = 0.01, high: float = 10.0) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


@st.composite
def schedules(draw: st.DrawFn, names: list[str] = FIXED, most: int = 6) -> Schedule:
    """Any schedule of the registry, anywhere in its domain."""
    name = draw(st.sampled_from(names))
    ranks = draw(st.integers(1, most))
    chunks = draw(st.sampled_from([None, 1, 2, 3, 4]))
    counts = [m for m in range(1, 4 * most) if refusal(name, ranks, m, chunks) is None]
    if not counts:  # Chimera and DualPipe need even ranks, others another number of chunks
        ranks, chunks = 2 * ((ranks + 1) // 2), None
        counts = [m for m in range(1, 8 * most) if refusal(name, ranks, m, chunks) is None]
    return make(name, ranks, draw(st.sampled_from(counts)), chunks)


@st.composite
def stage_times(draw: st.DrawFn, stages: int) -> Times:
    """Unequal stages and boundaries, with or without overlap."""

    def array(size: int, low: float) -> list[float]:
        return draw(st.lists(seconds(low), min_size=size, max_size=size))

    parts = [array(stages, 0.0) for _ in range(3)]
    costs = [array(stages - 1, 0.0) for _ in range(2)]
    fused = draw(st.sampled_from([1.0, 0.8]))
    return times_of(stages, *parts, *costs, fused=fused, overlap=draw(st.booleans()))


def walk(
    schedule: Schedule, times: Times, factor: Callable[[int], float] = lambda i: 1.0, begin: Any = None
) -> tuple[list[float], list[float], list[float]]:
    """Start and end of every op and when each rank is free, found by asking every rank in turn what it can run.

    Raises RuntimeError where nobody can go on.
    """
    cells = [_cells(order) for order in schedule.orders]
    offset = np.concatenate([[0], np.cumsum([len(order) for order in schedule.orders])]).tolist()
    free = [0.0] * schedule.ranks if begin is None else list(begin)
    at = [0] * schedule.ranks
    ended: dict[tuple[str, int, int], float] = {}
    start, end = [0.0] * offset[-1], [0.0] * offset[-1]
    while any(at[r] < len(cells[r]) for r in range(schedule.ranks)):
        moved = False
        for rank in range(schedule.ranks):
            if at[rank] == len(cells[rank]):
                continue
            cell = cells[rank][at[rank]]
            arrivals = [_arrival(schedule, times, ended, schedule.orders[rank][i]) for i in cell]
            if any(arrival is None for arrival in arrivals):
                continue
            ops = [schedule.orders[rank][i] for i in cell]
            begins = max([free[rank], *(a for a in arrivals if a is not None)])
            length = _length(times, ops) * factor(offset[rank] + cell[0])
            ends = begins + length
            for i, op in zip(cell, ops):
                start[offset[rank] + i], end[offset[rank] + i] = begins, ends
                ended[_key(op)] = ends
            free[rank] = ends
            if not times.overlap:
                free[rank] = ends + max(_sending(schedule, times, op) for op in ops)
            at[rank] += 1
            moved = True
        if not moved:
            raise RuntimeError("deadlock")
    return start, end, free


def _cells(order: Any) -> list[list[int]]:
    cells: list[list[int]] = []
    for i, op in enumerate(order):
        if op.fused:
            cells[-1].append(i)
        else:
            cells.append([i])
    return cells


def _key(op: Any) -> tuple[str, int, int]:
    return "F" if op.kind is F else "W" if op.kind is W else "B", op.stage, op.microbatch


def _cost(schedule: Schedule, times: Times, op: Any, to: int) -> float:
    """Transfer from an op's stage to a neighbouring one."""
    if not 0 <= to < schedule.stages or schedule.rank_of(op.stage, op.microbatch) == schedule.rank_of(
        to, op.microbatch
    ):
        return 0.0
    return float(times.transfer[op.stage] if to > op.stage else times.transfer_back[to])


def _sending(schedule: Schedule, times: Times, op: Any) -> float:
    return 0.0 if op.kind is W else _cost(schedule, times, op, op.stage + (1 if op.kind is F else -1))


def _arrival(schedule: Schedule, times: Times, ended: dict[tuple[str, int, int], float], op: Any) -> float | None:
    """When an op's inputs are there; None: not yet known."""
    stage, microbatch = op.stage, op.microbatch
    if op.kind is F:
        needs = [("F", stage - 1, microbatch)] if stage else []
    elif op.kind is W:
        needs = [("B", stage, microbatch)]
    else:
        needs = [("F", stage, microbatch)]
        if stage < schedule.stages - 1:
            needs.append(("B", stage + 1, microbatch))
    if any(need not in ended for need in needs):
        return None
    latest = float("-inf")
    for need in needs:
        source = op._replace(stage=need[1])
        latest = max(latest, ended[need] + (_cost(schedule, times, source, stage) if need[1] != stage else 0.0))
    return latest


def _length(times: Times, ops: Any) -> float:
    lengths = []
    for op in ops:
        whole = float(times.backward_input[op.stage]) + float(times.backward_weight[op.stage])
        parts = {F: times.forward[op.stage], B: times.backward_input[op.stage], W: times.backward_weight[op.stage]}
        lengths.append(whole if op.kind is BW else float(parts[op.kind]))
    length = lengths[0]
    if len(lengths) == 2:
        length = (lengths[0] + lengths[1]) * times.fused
    return length
