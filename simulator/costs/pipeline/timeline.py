"""When every op of a schedule runs: the longest path over its ops, exact for given times.

The meaning, and the order of the additions, to the last bit. All instants and durations are float64 seconds:

- A rank runs its cells in order. ``start = max(free, arrivals)``; ``end = start + duration``.
- The result of a cell is at the next stage at ``arrival = end + transfer``, ``arrival = end`` on the same rank.
- ``duration`` is the stage's time of the op, ``B + W`` for a full backward, and ``(F + (B + W)) * fused`` for a fused
  cell (the product is left out where ``fused`` is 1), times the op's jitter factor if there are any (of a cell, that of
  its first op).
- ``free`` is ``end``; without overlap it is the latest arrival of what the cell sends to other ranks.
- When a rank has run all its cells at ``compute_end = free``, its all-reduce ends at ``compute_end + all_reduce``. Then
  its optimizer step starts, at once, or (``synchronous``) when the last rank's all-reduce has ended, and takes
  ``optimizer``. The next iteration of the rank starts where its step ends; nothing else binds iterations together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.pipeline.graph import Graph, graph_of
from simulator.costs.pipeline.ops import BW, Kind, Schedule
from simulator.costs.pipeline.times import Floats, Times
from simulator.errors import Problem, ScenarioError

NEVER = float("-inf")


@dataclass(frozen=True, eq=False)
class Ending:
    """What ends an iteration: per rank (or one number for all) ``all_reduce`` and ``optimizer`` [s].

    ``synchronous``: no optimizer step starts before every rank's all-reduce has ended (a global gradient norm).
    """

    all_reduce: ArrayLike = 0.0
    optimizer: ArrayLike = 0.0
    synchronous: bool = False


NO_ENDING = Ending()


@dataclass(frozen=True, eq=False)
class Timeline:
    """One iteration. ``start`` and ``end`` (ops,) [s] are in the order of ``schedule.arrays``; the others (ranks,).

    ``begin``: the rank is at the iteration's disposal; ``compute_end``: all its ops have run, and all it had to send
    is sent where transfers block; ``reduced``: its all-reduce has ended; ``step``: its optimizer step starts;
    ``finish``: that has ended.
    """

    schedule: Schedule
    times: Times
    start: Floats
    end: Floats
    begin: Floats
    compute_end: Floats
    reduced: Floats
    step: Floats
    finish: Floats

    def of_rank(self, values: NDArray[np.generic], rank: int) -> NDArray[np.generic]:
        """The part of an array over ops that belongs to one rank."""
        first = self.schedule.arrays.first
        return values[first[rank] : first[rank + 1]]


def durations(schedule: Schedule, times: Times, factors: ArrayLike | None = None) -> Floats:
    """Time of every cell (cells,) [s], in the order of the graph; ``factors`` (ops,) multiply them."""
    if times.stages != schedule.stages:
        text = f"times of {times.stages} stages, but schedule {schedule.name} has {schedule.stages}"
        raise ScenarioError(Problem(text))
    ops = schedule.arrays
    table = np.stack([times.per_stage(kind) for kind in Kind])
    head = np.flatnonzero(~ops.fused)
    seconds: Floats = table[ops.kind, ops.stage][head]
    rows = np.flatnonzero(ops.fused)
    cells = graph_of(schedule).cell[rows]
    seconds[cells] += table[BW, ops.stage[rows]]
    if times.fused != 1.0:
        seconds[cells] *= times.fused
    if factors is not None:
        given = np.asarray(factors, dtype=np.float64)
        if given.shape != ops.kind.shape or not np.all(np.isfinite(given) & (given >= 0.0)):
            raise ScenarioError(
                Problem(f"jitter factors: {len(ops.kind)} finite numbers from 0 are needed, one per op")
            )
        seconds = seconds * given[head]
    return seconds


def evaluate(
    schedule: Schedule,
    times: Times,
    *,
    ending: Ending = NO_ENDING,
    begin: ArrayLike = 0.0,
    factors: ArrayLike | None = None,
) -> Timeline:
    """Run one iteration; ``begin``: instant, of all ranks or of each, from which on it may run.

    >>> from simulator.costs.pipeline import make, times_of
    >>> line = evaluate(make("1f1b", 2, 2), times_of(2, 1.0, 1.0, 1.0))
    >>> float(line.finish.max())
    9.0
    """
    graph = graph_of(schedule)
    seconds = durations(schedule, times, factors)
    ready = _per_rank(begin, schedule.ranks)
    start, end, free = _run(graph, seconds.tolist(), times, ready.tolist())
    compute_end = np.array(free)
    reduced = compute_end + _per_rank(ending.all_reduce, schedule.ranks)
    step = np.full(schedule.ranks, reduced.max()) if ending.synchronous else reduced
    finish = step + _per_rank(ending.optimizer, schedule.ranks)
    starts, ends = np.array(start)[graph.cell], np.array(end)[graph.cell]
    return Timeline(schedule, times, starts, ends, ready, compute_end, reduced, step, finish)


def back_to_back(
    schedule: Schedule,
    times: Times,
    iterations: int,
    *,
    ending: Ending = NO_ENDING,
    begin: ArrayLike = 0.0,
    factors: Sequence[ArrayLike] | None = None,
) -> tuple[Timeline, ...]:
    """Run so many iterations one after the other; each rank goes on as soon as it has made its own step.

    ``factors``: those of each iteration.
    """
    lines: list[Timeline] = []
    for number in range(iterations):
        jitter = None if factors is None else factors[number]
        line = evaluate(schedule, times, ending=ending, begin=begin, factors=jitter)
        lines.append(line)
        begin = line.finish
    return tuple(lines)


def _per_rank(value: ArrayLike, ranks: int) -> Floats:
    given = np.asarray(value, dtype=np.float64)
    if given.shape not in ((), (ranks,)):
        raise ScenarioError(Problem(f"needs one number, or one for each of {ranks} ranks, got shape {given.shape}"))
    return np.full(ranks, given) if given.ndim == 0 else given.copy()


def _run(
    graph: Graph, seconds: list[float], times: Times, free: list[float]
) -> tuple[list[float], list[float], list[float]]:
    """Start and end of every cell, and when each rank is free at last."""
    costs = times.transfers()
    start = [0.0] * len(seconds)
    end = [0.0] * len(seconds) + [NEVER]  # the last one stands for "no input"
    ranks, first, second = graph.rank, graph.first, graph.second
    first_cost = [costs[edge] for edge in graph.first_edge]
    second_cost = [costs[edge] for edge in graph.second_edge]
    held = None if times.overlap else [max(costs[a], costs[b]) for a, b in zip(*graph.sends)]
    for cell in graph.order:
        rank = ranks[cell]
        now = free[rank]
        arrival = end[first[cell]] + first_cost[cell]
        if arrival > now:
            now = arrival
        if second[cell] >= 0:
            arrival = end[second[cell]] + second_cost[cell]
            if arrival > now:
                now = arrival
        start[cell] = now
        now += seconds[cell]
        end[cell] = now
        free[rank] = now if held is None else now + held[cell]
    end.pop()
    return start, end, free


def holds(schedule: Schedule, times: Times) -> Floats:
    """How long a rank is held after every op by what it sends (ops,) [s]; 0 where transfers overlap with compute."""
    graph = graph_of(schedule)
    if times.overlap:
        return np.zeros(len(graph.cell))
    costs = np.array(times.transfers())
    held: Floats = np.maximum(costs[graph.sends[0]], costs[graph.sends[1]])[graph.cell]
    return held
