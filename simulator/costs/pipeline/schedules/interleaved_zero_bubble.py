"""Interleaved zero bubble: interleaved chunks, the weight gradient put off by s backwards as in ZB-H1 (PyTorch)."""

from __future__ import annotations

from simulator.costs.pipeline.ops import Schedule, loop, one_way
from simulator.costs.pipeline.schedules.common import in_rounds, rounds, split_backward
from simulator.costs.pipeline.shape import Entry, Shape


def _build(shape: Shape) -> Schedule:
    p, v = shape.ranks, shape.chunks
    orders = [
        split_backward(rounds(s, shape), rounds(s, shape, backward=True), (v - 1) * p + p - s, s) for s in range(p)
    ]
    return one_way("interleaved-zero-bubble", p, shape.microbatches, loop(p, v), orders)


INTERLEAVED_ZERO_BUBBLE = Entry(_build, in_rounds, default_chunks=2)
