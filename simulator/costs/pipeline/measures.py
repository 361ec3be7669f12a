"""What an iteration amounts to: its length, its bubbles by two measures, and where each rank's time goes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulator.costs.pipeline.graph import graph_of
from simulator.costs.pipeline.ops import Ints, Schedule
from simulator.costs.pipeline.timeline import Timeline, durations, holds
from simulator.costs.pipeline.times import Floats, Times


@dataclass(frozen=True, eq=False)
class Measures:
    """One iteration, all times in seconds.

    ``makespan_s``: from the first rank's begin to the end of the last op. ``span_s``: the longest stretch from first to
    last op of one rank. ``ideal_s``: the work of the slowest rank, ``m (F + B + W)``. The bubble fractions are
    ``1 - ideal / makespan`` and ``1 - ideal / span``: a schedule whose ranks end askew has bubbles by the first measure
    and may have none by the second, where the optimizer step of one rank runs beside the last ops of the next.
    ``iteration_s`` is the makespan with all-reduce and optimizer step.
    """

    makespan_s: float
    span_s: float
    ideal_s: float
    iteration_s: float
    busy_s: Floats
    spans_s: Floats

    @property
    def bubble_makespan(self) -> float:
        """Idle share of the makespan on the slowest rank."""
        return _share(self.ideal_s, self.makespan_s)

    @property
    def bubble_span(self) -> float:
        """Idle share of the longest span of a rank."""
        return _share(self.ideal_s, self.span_s)


def _share(ideal: float, whole: float) -> float:
    return (whole - ideal) / whole if whole > 0.0 else 0.0


def measure(line: Timeline) -> Measures:
    """Length and bubbles of one iteration; ``ideal_s`` is without jitter.

    >>> from simulator.costs.pipeline import evaluate, make, times_of
    >>> found = measure(evaluate(make("1f1b", 2, 2), times_of(2, 1.0, 1.0, 1.0)))
    >>> found.makespan_s, found.ideal_s, round(found.bubble_makespan, 4)
    (9.0, 6.0, 0.3333)
    """
    first = line.schedule.arrays.first
    spans = line.end[first[1:] - 1] - line.start[first[:-1]]
    begin = float(line.begin.min())
    return Measures(
        makespan_s=float(line.end.max()) - begin,
        span_s=float(spans.max()),
        ideal_s=float(work_s(line.schedule, line.times).max()),
        iteration_s=float(line.finish.max()) - begin,
        busy_s=_busy(line),
        spans_s=spans,
    )


def work_s(schedule: Schedule, times: Times) -> Floats:
    """Time that each rank needs for its ops alone (ranks,) [s]; sums start at 0 and follow the order of its cells."""
    seconds = durations(schedule, times)
    bounds = graph_of(schedule).bounds
    return np.array([sum(seconds[a:b].tolist()) for a, b in pairwise(bounds)])


def _busy(line: Timeline) -> Floats:
    """Time that each rank was running cells (ranks,) [s], jitter included."""
    ops = line.schedule.arrays
    return _by_rank(ops.rank, np.where(ops.fused, 0.0, line.end - line.start), line.schedule.ranks)


@dataclass(frozen=True, eq=False)
class Breakdown:
    """Where each rank's time goes, (ranks,) [s] each; the parts add up to ``iteration_s`` for every rank.

    ``warm_up``: before its first op. ``transfer``: between its ops, while the input it waits for was on its way, or
    while it was held by what it sent. ``steady``: between its ops, while that input was still being computed.
    ``cool_down``: after its last op, all-reduce and optimizer step taken out.
    """

    iteration_s: float
    compute: Floats
    warm_up: Floats
    steady: Floats
    cool_down: Floats
    transfer: Floats
    all_reduce: Floats
    optimizer: Floats


def breakdown(line: Timeline) -> Breakdown:
    """Split one iteration by rank; it runs from the first rank's begin to the last rank's finish."""
    first = line.schedule.arrays.first
    begin, finish = float(line.begin.min()), float(line.finish.max())
    compute, all_reduce, optimizer = _busy(line), line.reduced - line.compute_end, line.finish - line.step
    warm_up = line.start[first[:-1]] - begin
    steady, transfer = _between(line)
    last_hold = line.compute_end - line.end[first[1:] - 1]
    transfer = transfer + last_hold
    rest = (finish - begin) - (compute + warm_up + steady + transfer + all_reduce + optimizer)
    cool_down = np.where(rest > 0.0, rest, 0.0)
    return Breakdown(finish - begin, compute, warm_up, steady, cool_down, transfer, all_reduce, optimizer)


def _between(line: Timeline) -> tuple[Floats, Floats]:
    """Idle time between the ops of each rank: waiting for computation, and for transfers."""
    graph, ops, ranks = graph_of(line.schedule), line.schedule.arrays, line.schedule.ranks
    head = np.flatnonzero(~ops.fused)
    start, end, hold = line.start[head], line.end[head], holds(line.schedule, line.times)[head]
    costs = np.array(line.times.transfers())
    sent = np.append(end, -np.inf)  # the last one stands for "no input"
    arrival = np.maximum(sent[graph.first] + costs[graph.first_edge], sent[graph.second] + costs[graph.second_edge])
    # the input that came last; of two, the one whose arrival is the later
    late = np.where(sent[graph.first] + costs[graph.first_edge] == arrival, sent[graph.first], sent[graph.second])
    inner = np.ones(len(head), dtype=np.bool_)
    inner[graph.bounds[:-1]] = False
    before = np.flatnonzero(inner) - 1
    mine = np.flatnonzero(inner)
    free = end[before] + hold[before]
    gap = start[mine] - free
    flight = np.clip(start[mine] - np.maximum(free, late[mine]), 0.0, gap)
    owner = ops.rank[head][mine]
    return _by_rank(owner, gap - flight, ranks), _by_rank(owner, flight + hold[before], ranks)


def _by_rank(rank: Ints, seconds: Floats, ranks: int) -> Floats:
    """Sums of what belongs to each rank."""
    total: Floats = np.bincount(rank, weights=seconds, minlength=ranks).astype(np.float64)
    return total
