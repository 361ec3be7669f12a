"""DualPipe and DualPipeV: forwards of one side fused with backwards of the other (DeepSeek-V3, 2024).

DualPipe holds the model twice: half of the microbatches enters at the first rank, half at the last. DualPipeV holds it
once, folded: the steps of rank r among p are those of DualPipe among 2 p.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.costs.pipeline.ops import BW, B, F, Schedule, W, loop, one_way, wave
from simulator.costs.pipeline.schedules.common import two_chunks
from simulator.costs.pipeline.schedules.steps import Side, Step, ops_of
from simulator.costs.pipeline.shape import Entry, Shape

NEAR, FAR = 0, 1


def _pair(forward: int, backward: int) -> tuple[Step, Step]:
    return Step(F, forward), Step(BW, backward, fused=True)


def _steps(rank: int, ranks: int, count: int) -> Iterator[Step]:
    """The eight parts, for ``count`` microbatches on each side; W always takes the oldest B that waits for it."""
    behind, ahead = ranks - rank - 1, rank + 1
    yield from [Step(F, NEAR)] * (2 * behind)
    yield from [Step(F, NEAR), Step(F, FAR)] * ahead
    yield from [Step(B, FAR), Step(W, FAR), Step(F, FAR)] * behind
    main = count - 2 * ranks + ahead
    for k in range(main):
        # the innermost rank has both ends of the first pair: fusing them would only let the backward wait
        yield from (Step(F, NEAR), Step(BW, FAR)) if k == 0 and behind == 0 else _pair(NEAR, FAR)
        yield from _pair(FAR, NEAR)
    for _ in range(behind):
        yield from (Step(BW, FAR), *_pair(FAR, NEAR))
    yield from _ending(behind, ahead)


def _ending(behind: int, ahead: int) -> Iterator[Step]:
    """Backwards of both sides, the later half split, so that their W fill the wait for the last backwards."""
    backwards = [FAR, NEAR] * ahead
    yield from (Step(BW, side) for side in backwards[:ahead])
    yield from (Step(B, side) for side in backwards[ahead:])
    weights = [*backwards[ahead:], *[NEAR] * behind]
    for side in weights[:behind]:
        yield from (Step(W, side), Step(B, NEAR))
    yield from (Step(W, side) for side in weights[behind:])


def _folded(shape: Shape) -> Schedule:
    p, numbers = shape.ranks, range(shape.microbatches)
    orders = [
        ops_of(_steps(rank, p, shape.microbatches), (Side(rank, numbers), Side(2 * p - 1 - rank, numbers)))
        for rank in range(p)
    ]
    return one_way("dualpipe-v", p, shape.microbatches, wave(p), orders)


def _both_ways(shape: Shape) -> Schedule:
    p, half = shape.ranks, shape.microbatches // 2
    ways = range(half), range(half, 2 * half)
    orders = []
    for rank in range(p):
        opposite = p - 1 - rank
        sides = Side(rank, ways[0]), Side(opposite, ways[1])
        near = min(rank, opposite)
        orders.append(tuple(ops_of(_steps(near, p // 2, half), sides if rank == near else sides[::-1])))
    down = loop(p)
    return Schedule("dualpipe", p, 2 * half, (down, down[::-1]), (0,) * half + (1,) * half, tuple(orders))


def _folded_refusal(shape: Shape) -> str | None:
    few = f"needs at least 2 p = {2 * shape.ranks} microbatches, got {shape.microbatches}"
    return two_chunks(shape) or (few if shape.microbatches < 2 * shape.ranks else None)


def _both_ways_refusal(shape: Shape) -> str | None:
    if shape.ranks % 2 or shape.microbatches % 2:
        return f"needs even numbers of ranks and microbatches, got {shape.ranks} and {shape.microbatches}"
    return _folded_refusal(shape)


DUAL_PIPE = Entry(_both_ways, _both_ways_refusal, default_chunks=2)
DUAL_PIPE_V = Entry(_folded, _folded_refusal, default_chunks=2)
