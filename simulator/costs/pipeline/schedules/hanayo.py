"""Hanayo: stages in waves over the ranks, backwards first (Liu et al., SC 2023).

With ``chunks = 2 w`` there are w waves. The order is that of a greedy run at the times of the paper, a full backward as
long as two forwards and no transfers: of what is there a rank takes a backward before a forward, then the earlier
microbatch. Memory is not limited.
"""

from __future__ import annotations

from heapq import heappop, heappush

from simulator.costs.pipeline.ops import BW, F, Op, Schedule, one_way, wave
from simulator.costs.pipeline.shape import Entry, Shape

LENGTH = {F: 1, BW: 2}
Urgency = tuple[bool, int, Op]


def _build(shape: Shape) -> Schedule:
    placement = wave(shape.ranks, shape.chunks // 2)
    orders = _greedy(placement, shape)
    return one_way("hanayo", shape.ranks, shape.microbatches, placement, orders)


def _greedy(placement: tuple[int, ...], shape: Shape) -> list[list[Op]]:
    orders: list[list[Op]] = [[] for _ in range(shape.ranks)]
    ready: list[list[Urgency]] = [[] for _ in range(shape.ranks)]
    ready[0] = [_urgency(Op(F, 0, j)) for j in range(shape.microbatches)]
    busy = [False] * shape.ranks
    ends: list[tuple[int, Op]] = []
    now = 0
    while True:
        for rank, waiting in enumerate(ready):
            if waiting and not busy[rank]:
                op = heappop(waiting)[-1]
                orders[rank].append(op)
                busy[rank] = True
                heappush(ends, (now + LENGTH[op.kind], op))
        if not ends:
            return orders
        now = ends[0][0]
        while ends and ends[0][0] == now:
            done = heappop(ends)[1]
            busy[placement[done.stage]] = False
            after = _next(done, len(placement))
            if after is not None:
                heappush(ready[placement[after.stage]], _urgency(after))


def _urgency(op: Op) -> Urgency:
    return op.kind is F, op.microbatch, op


def _next(op: Op, stages: int) -> Op | None:
    """What follows an op of the same microbatch: the next stage, the turn at the last one, and the way back."""
    if op.kind is F:
        return Op(F, op.stage + 1, op.microbatch) if op.stage < stages - 1 else Op(BW, op.stage, op.microbatch)
    return Op(BW, op.stage - 1, op.microbatch) if op.stage > 0 else None


def _refusal(shape: Shape) -> str | None:
    return f"needs an even number of chunks per rank, got {shape.chunks}" if shape.chunks % 2 else None


HANAYO = Entry(_build, _refusal, default_chunks=2)
