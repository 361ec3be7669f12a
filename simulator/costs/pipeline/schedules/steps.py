"""Orders written as steps on the two stages of a rank, where every kind of op takes the microbatches one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from simulator.costs.pipeline.ops import B, F, Kind, Op, W


class Step(NamedTuple):
    """One op on one of a rank's sides; ``fused``: in one cell with the step before."""

    kind: Kind
    side: int
    fused: bool = False


class Side(NamedTuple):
    """The stage that is meant by a side, and its microbatches in the order in which they come."""

    stage: int
    microbatches: Sequence[int]


def ops_of(steps: Iterable[Step], sides: Sequence[Side]) -> list[Op]:
    """The ops of a rank: the n-th F of a side takes its n-th microbatch, so does its n-th backward of either kind, and
    W takes the oldest B of its side that still waits for one. Steps beyond a side's microbatches are left out.
    """
    forward, backward = [0] * len(sides), [0] * len(sides)
    split: list[deque[int]] = [deque() for _ in sides]
    ops: list[Op] = []
    for kind, side, fused in steps:
        if kind is W:
            number = split[side].popleft()
        else:
            counter = forward if kind is F else backward
            number = counter[side]
            counter[side] += 1
            if kind is B:
                split[side].append(number)
        stage, microbatches = sides[side]
        if number < len(microbatches):
            ops.append(Op(kind, stage, microbatches[number], fused))
    return ops
