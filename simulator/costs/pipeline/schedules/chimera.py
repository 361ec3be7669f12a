"""Chimera: two pipelines in opposite directions on the same ranks (Li and Hoefler, SC 2021).

A unit is p microbatches, half of them each way. In slots of one op, the j-th microbatch of its way runs forward on its
stage s in slot ``2 j + s`` and backward in slot ``2 j + 2 p - 1 - s``; for even p no rank has two ops in one slot.
The next unit starts
2 p slots later, while the last backwards of the one before still run.
"""

from __future__ import annotations

from simulator.costs.pipeline.ops import BW, F, Op, Schedule, loop
from simulator.costs.pipeline.schedules.common import two_chunks, whole_rounds
from simulator.costs.pipeline.shape import Entry, Shape


def _order(rank: int, shape: Shape) -> list[Op]:
    """The ops of a rank by slot; of each unit, the first half of the microbatches goes down, the second up."""
    p, half = shape.ranks, shape.ranks // 2
    slots = []
    for microbatch in range(shape.microbatches):
        unit, inside = divmod(microbatch, p)
        way, j = divmod(inside, half)
        stage = p - 1 - rank if way else rank
        begin = 2 * p * unit + 2 * j
        slots.append((begin + stage, Op(F, stage, microbatch)))
        slots.append((begin + 2 * p - 1 - stage, Op(BW, stage, microbatch)))
    return [op for _, op in sorted(slots)]


def _build(shape: Shape) -> Schedule:
    p, m = shape.ranks, shape.microbatches
    orders = tuple(tuple(_order(rank, shape)) for rank in range(p))
    ways = tuple(j % p // (p // 2) for j in range(m))
    return Schedule("chimera", p, m, (loop(p), loop(p)[::-1]), ways, orders)


def _refusal(shape: Shape) -> str | None:
    if shape.ranks % 2:
        return f"needs an even number of ranks, got {shape.ranks}"
    return two_chunks(shape) or whole_rounds(shape)


CHIMERA = Entry(_build, _refusal, default_chunks=2)
