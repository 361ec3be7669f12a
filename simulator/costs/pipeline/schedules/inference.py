"""Inference: forwards only; with several chunks per rank, p microbatches through each chunk in turn."""

from __future__ import annotations

from simulator.costs.pipeline.ops import F, Op, Schedule, loop, one_way
from simulator.costs.pipeline.schedules.common import rounds, turns, whole_rounds
from simulator.costs.pipeline.shape import Entry, Shape


def _build(shape: Shape) -> Schedule:
    p, m, v = shape.ranks, shape.microbatches, shape.chunks
    orders = [[Op(F, *turn) for turn in (turns(s, m) if v == 1 else rounds(s, shape))] for s in range(p)]
    return one_way("inference", p, m, loop(p, v), orders)


def _refusal(shape: Shape) -> str | None:
    return None if shape.chunks == 1 else whole_rounds(shape)


INFERENCE = Entry(_build, _refusal, forward_only=True)
