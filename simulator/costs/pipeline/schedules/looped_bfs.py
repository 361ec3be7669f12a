"""Looped breadth-first: all microbatches through a chunk before the next, and back in reverse (Lamy-Poirier 2022)."""

from __future__ import annotations

from simulator.costs.pipeline.ops import BW, F, Op, Schedule, loop, one_way
from simulator.costs.pipeline.schedules.common import any_chunks
from simulator.costs.pipeline.shape import Entry, Shape


def _build(shape: Shape) -> Schedule:
    p, m = shape.ranks, shape.microbatches
    orders = []
    for rank in range(p):
        forwards = [Op(F, chunk * p + rank, j) for chunk in range(shape.chunks) for j in range(m)]
        orders.append([*forwards, *(Op(BW, op.stage, op.microbatch) for op in reversed(forwards))])
    return one_way("looped-bfs", p, m, loop(p, shape.chunks), orders)


LOOPED_BFS = Entry(_build, any_chunks, default_chunks=2)
