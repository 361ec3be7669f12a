"""1F1B: one forward, one backward in turn once a rank has p - 1 - s microbatches ahead (PipeDream-Flush, Megatron)."""

from __future__ import annotations

from simulator.costs.pipeline.ops import Schedule, loop, one_way
from simulator.costs.pipeline.schedules.common import one_forward_one_backward, single, turns
from simulator.costs.pipeline.shape import Entry, Shape


def _build(shape: Shape) -> Schedule:
    p, m = shape.ranks, shape.microbatches
    orders = [one_forward_one_backward(turns(s, m), turns(s, m), p - 1 - s) for s in range(p)]
    return one_way("1f1b", p, m, loop(p), orders)


ONE_F_ONE_B = Entry(_build, single)
