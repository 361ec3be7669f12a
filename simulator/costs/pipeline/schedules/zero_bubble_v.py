"""ZB-V: two chunks per rank in the shape of a V, so that the last stage is on the first rank (Qi et al., 2024)."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.costs.pipeline.ops import B, F, Schedule, W, one_way, wave
from simulator.costs.pipeline.schedules.common import two_chunks
from simulator.costs.pipeline.schedules.steps import Side, Step, ops_of
from simulator.costs.pipeline.shape import Entry, Shape

OUTER, INNER = 0, 1


def _steps(rank: int, ranks: int, microbatches: int) -> Iterator[Step]:
    """Warm-up puts ``2 p - 1`` forwards on every rank, then F B W on either stage in turn, then the backwards first.

    With fewer than ``2 p - 1`` microbatches it is the order of so many, without those that are not there.
    """
    count = max(microbatches, 2 * ranks - 1)
    behind = ranks - rank
    yield from [Step(F, OUTER)] * (2 * behind - 1)
    yield from [Step(F, INNER), Step(F, OUTER)] * rank
    yield from [Step(F, INNER), Step(B, INNER), Step(W, INNER)] * behind
    fresh = count - (2 * ranks - 1 - rank)
    for k in range(count - ranks):
        if k < fresh:
            yield Step(F, OUTER)
        yield from (Step(B, OUTER), Step(W, OUTER), Step(F, INNER), Step(B, INNER), Step(W, INNER))
    yield from [Step(B, OUTER), Step(B, INNER)] * rank
    yield from [Step(B, OUTER), Step(W, OUTER)] * behind
    yield from [Step(W, INNER)] * rank
    yield from [Step(W, OUTER)] * rank


def _build(shape: Shape) -> Schedule:
    p, numbers = shape.ranks, range(shape.microbatches)
    orders = [
        ops_of(_steps(rank, p, shape.microbatches), (Side(rank, numbers), Side(2 * p - 1 - rank, numbers)))
        for rank in range(p)
    ]
    return one_way("zb-v", p, shape.microbatches, wave(p), orders)


ZB_V = Entry(_build, two_chunks, default_chunks=2)
