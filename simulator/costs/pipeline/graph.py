"""What waits for what: the inputs of every cell of a schedule, and an order in which all can run.

A cell is what a rank runs in one go: one op, or a fused forward and full backward. F of stage s waits for F of s - 1,
a backward of stage s for that of s + 1, each of the same microbatch. What a rank needs of itself (F before B before W)
is a matter of its order, see ``checks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.costs.pipeline.checks import check_ops, stuck
from simulator.costs.pipeline.ops import Arrays, Ints, Kind, Schedule
from simulator.errors import ScenarioError

NONE = -1


@dataclass(frozen=True, slots=True)
class Graph:
    """Cells 0, 1, .. rank after rank, as lists for loops in plain Python.

    ``cell[i]`` is the cell of op i, ``order`` an order of all cells in which inputs come first. Cell c runs on
    ``rank[c]`` and waits for the cells ``first[c]`` and ``second[c]`` (-1: none; the second only if fused) and for the
    transfers along the edges ``first_edge[c]`` and ``second_edge[c]``, see ``Times.transfers``. A finished cell sends
    along the edges ``sends[0][c]`` and ``sends[1][c]`` (the second only if fused). Edge 0 costs nothing: same rank, or
    nothing to transfer. Edge ``1 + s`` takes activations from stage s to s + 1, edge ``stages + s`` gradients back.
    """

    cell: Ints
    order: list[int]
    rank: list[int]
    first: list[int]
    first_edge: list[int]
    second: list[int]
    second_edge: list[int]
    sends: tuple[list[int], list[int]]
    bounds: list[int]
    """Rank r has the cells ``bounds[r]`` to ``bounds[r + 1]``, exclusive."""


def graph_of(schedule: Schedule) -> Graph:
    """The graph of a schedule, kept with it; ScenarioError names what is missing, misplaced or waits for ever."""
    kept: dict[str, Any] = schedule.__dict__
    if "_graph" not in kept:
        kept["_graph"] = _build(schedule)
    found: Graph = kept["_graph"]
    return found


def _build(schedule: Schedule) -> Graph:
    problems = check_ops(schedule)
    if problems:
        raise ScenarioError(problems)
    ops = schedule.arrays
    source, edge = _inputs(schedule, ops)
    cell = np.cumsum(~ops.fused, dtype=np.int64) - 1
    head = np.flatnonzero(~ops.fused)
    second = np.full(len(head), NONE, dtype=np.int64)
    second_edge = np.zeros(len(head), dtype=np.int64)
    rows = np.flatnonzero(ops.fused)
    input_cell = np.where(source == NONE, NONE, cell[source])
    second[cell[rows]], second_edge[cell[rows]] = input_cell[rows], edge[rows]
    out = np.zeros(len(cell), dtype=np.int64)
    out[source[source != NONE]] = edge[source != NONE]
    second_out = np.zeros(len(head), dtype=np.int64)
    second_out[cell[rows]] = out[rows]
    bounds = np.concatenate([[0], np.cumsum(np.bincount(ops.rank[head], minlength=schedule.ranks))]).tolist()
    first = input_cell[head].tolist()
    order = _run(first, second.tolist(), bounds)
    if len(order) < len(head):
        raise ScenarioError(stuck(schedule, order, cell, source))
    return Graph(
        cell,
        order,
        ops.rank[head].tolist(),
        first,
        edge[head].tolist(),
        second.tolist(),
        second_edge.tolist(),
        (out[head].tolist(), second_out.tolist()),
        bounds,
    )


def _inputs(schedule: Schedule, ops: Arrays) -> tuple[Ints, Ints]:
    """For every op, the op of another stage that it waits for (-1: none), and the edge between them (0: same rank)."""
    stages, count = schedule.stages, len(ops.kind)
    forward = ops.kind == Kind.F
    backward = (ops.kind == Kind.B) | (ops.kind == Kind.BW)
    # one row more than stages on both sides, so that what lies outside is -1
    at = np.full((2, stages + 2, schedule.microbatches), NONE, dtype=np.int64)
    number = np.arange(count)
    at[0, ops.stage[forward] + 1, ops.microbatch[forward]] = number[forward]
    at[1, ops.stage[backward] + 1, ops.microbatch[backward]] = number[backward]
    source = np.full(count, NONE, dtype=np.int64)
    source[forward] = at[0, ops.stage[forward], ops.microbatch[forward]]
    source[backward] = at[1, ops.stage[backward] + 2, ops.microbatch[backward]]
    edge = np.where(forward, ops.stage, stages + ops.stage)
    apart = (source != NONE) & (ops.rank[source] != ops.rank)
    return source, np.where(apart, edge, 0)


def _run(first: list[int], second: list[int], bounds: list[int]) -> list[int]:
    """Cells in an order that respects inputs and ranks; shorter than all of them where some wait for ever."""
    order: list[int] = []
    at = bounds[:-1].copy()
    done = bytearray(len(first) + 1)
    done[NONE] = 1
    waiting: dict[int, list[int]] = {}
    ready = list(range(len(at) - 1, -1, -1))
    while ready:
        rank = ready.pop()
        here, stop = at[rank], bounds[rank + 1]
        while here < stop:
            missing = first[here] if not done[first[here]] else second[here]
            if not done[missing]:
                waiting.setdefault(missing, []).append(rank)
                break
            done[here] = 1
            order.append(here)
            if here in waiting:
                ready.extend(waiting.pop(here))
            here += 1
        at[rank] = here
    return order
