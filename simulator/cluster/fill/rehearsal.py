"""How a second instance is to be run: every way is tried on a few exact iterations of the training, the best wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from simulator.cluster.clock import Clock
from simulator.cluster.fill.filler import Rules
from simulator.cluster.fill.ops import OpGraph
from simulator.cluster.fill.second import Second, SecondFiller
from simulator.cluster.lowered import Jitter
from simulator.cluster.training.executor import Executor, drive
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Timeline, back_to_back, graph_of
from simulator.costs.pipeline.times import Floats
from simulator.costs.pipeline.windows import ROUNDING

LENGTH = 4.0
"""Iterations of the second instance that a rehearsal should see, by the bound on their rate."""
MOST_OPS = 6e4
"""Ops in all rehearsals together; starts are tried as far as it allows, the longest windows first."""


def rehearsed(
    setup: TrainingSetup, rules: Rules, graph: OpGraph, limit: Floats, *, barrier: bool, periods: float
) -> Second:
    """The way that ends most iterations per time; ``periods`` of the training per iteration are the least possible."""
    count = int(np.ceil(LENGTH * periods)) + 3
    calm = replace(setup, jitter=Jitter("deterministic", 0.0), iterations=count, replicas=1)
    lines = back_to_back(calm.schedule, calm.times, count, ending=calm.ending)
    ops = count * (len(graph_of(setup.schedule).rank) + len(graph.rank) / max(periods, 1e-3))
    ways = list(_ways(graph, limit, barrier, lines[-2:]))[: max(int(MOST_OPS / ops), 1)]
    return max(ways, key=lambda way: _rate(calm, rules, way, lines))


def _ways(graph: OpGraph, limit: Floats, barrier: bool, lines: tuple[Timeline, ...]) -> Iterator[Second]:
    """All ways to run it, in the order in which they are preferred among equals."""
    starts: list[int | None] = [None, *(_windows_before(lines) if barrier else ())]
    for start in starts:
        for strict in (True, False):
            yield Second(graph, limit, barrier, strict, start)


def _windows_before(lines: tuple[Timeline, ...]) -> list[int]:
    """Cells of rank 0 before which it idles, those after longer windows first."""
    before, line = lines
    head = ~line.schedule.arrays.fused
    stop = graph_of(line.schedule).bounds[1]
    start, end = line.start[head][:stop].tolist(), line.end[head][:stop].tolist()
    gaps = [start[0] - float(before.finish[0]), *(later - one for one, later in zip(end, start[1:]))]
    real = [cell for cell, gap in enumerate(gaps) if gap > ROUNDING * end[-1]]
    return sorted(real, key=lambda cell: -gaps[cell])


def _rate(setup: TrainingSetup, rules: Rules, way: Second, lines: tuple[Timeline, ...]) -> float:
    """Iterations per second in the steady state, as far as it shows; what is under way counts by its work."""
    clock = Clock()
    filler = SecondFiller(clock, setup, replace(rules, budget=0.0), way)
    executor = Executor(clock, setup, 0, filler)
    filler.attach(executor, [[line] for line in lines])
    executor.begin()
    drive(clock, executor)
    ends = filler.ends[0]
    whole = float(way.graph.work_s().sum())
    done = sum(ran.work_s for ran in filler.ran) / whole if whole else 0.0
    if len(ends) < 2:
        return done / float(lines[-1].finish.max()) * 1e-3
    middle = ends[(len(ends) - 1) // 2]
    spans = [later - one for one, later in pairwise(ends) if one >= middle]
    return len(spans) / sum(spans)
