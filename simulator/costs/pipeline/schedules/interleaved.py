"""Interleaved 1F1B: v chunks per rank, p microbatches through each chunk in turn (Narayanan et al., SC 2021)."""

from __future__ import annotations

from simulator.costs.pipeline.ops import Schedule, loop, one_way
from simulator.costs.pipeline.schedules.common import in_rounds, one_forward_one_backward, rounds
from simulator.costs.pipeline.shape import Entry, Shape


def _build(shape: Shape) -> Schedule:
    p, v = shape.ranks, shape.chunks
    orders = [
        one_forward_one_backward(rounds(s, shape), rounds(s, shape, backward=True), 2 * (p - 1 - s) + (v - 1) * p)
        for s in range(p)
    ]
    return one_way("interleaved-1f1b", p, shape.microbatches, loop(p, v), orders)


INTERLEAVED = Entry(_build, in_rounds, default_chunks=2)
