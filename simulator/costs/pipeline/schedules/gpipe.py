"""GPipe: all forwards, then all full backwards, microbatches in the same order (Huang et al., NeurIPS 2019)."""

from __future__ import annotations

from simulator.costs.pipeline.ops import BW, F, Op, Schedule, loop, one_way
from simulator.costs.pipeline.schedules.common import single
from simulator.costs.pipeline.shape import Entry, Shape


def _build(shape: Shape) -> Schedule:
    numbers = range(shape.microbatches)
    orders = [[*(Op(F, s, j) for j in numbers), *(Op(BW, s, j) for j in numbers)] for s in range(shape.ranks)]
    return one_way("gpipe", shape.ranks, shape.microbatches, loop(shape.ranks), orders)


GPIPE = Entry(_build, single)
