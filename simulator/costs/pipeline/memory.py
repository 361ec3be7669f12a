"""Activations that a rank holds: what a forward leaves behind, and what is kept for the weight gradient."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.pipeline.ops import BW, B, F, Ints, Schedule, W
from simulator.costs.pipeline.times import Floats
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, eq=False)
class Memory:
    """Per virtual stage and microbatch, in any unit of size (bytes, or one microbatch on one rank):

    ``activation`` M_B: held from the start of F to the end of B; ``kept`` M_W: of it, held on to the end of W.
    A full backward frees all at its end; so does F itself where nothing runs backward.
    """

    activation: Floats
    kept: Floats

    def __post_init__(self) -> None:
        both = np.concatenate([np.ravel(self.activation), np.ravel(self.kept)])
        if np.shape(self.activation) != np.shape(self.kept) or not np.all(np.isfinite(both) & (both >= 0.0)):
            raise ScenarioError(Problem("activations: finite sizes from 0 are needed, as many kept as held"))


def memory_of(stages: int, activation: ArrayLike = 1.0, kept: ArrayLike = 0.0) -> Memory:
    """Sizes of so many virtual stages; one number stands for all of them."""
    shape = (stages,)
    return Memory(
        np.broadcast_to(np.asarray(activation, dtype=np.float64), shape).copy(),
        np.broadcast_to(np.asarray(kept, dtype=np.float64), shape).copy(),
    )


def unit_memory(schedule: Schedule) -> Memory:
    """Unit: one microbatch's activations on one of p equal stages, so 1/n with n p stages; nothing kept for W."""
    return memory_of(schedule.stages, schedule.ranks / schedule.stages)


def before_after(schedule: Schedule, memory: Memory) -> tuple[Floats, Floats]:
    """What the rank of every op holds while it runs and after it, (ops,) each.

    F takes its memory at its start; B, W and a full backward give theirs back at their end; where nothing runs
    backward, F gives back at its end what it took.
    """
    if np.shape(memory.activation) != (schedule.stages,):
        text = f"activations of {np.size(memory.activation)} stages, but schedule {schedule.name} has {schedule.stages}"
        raise ScenarioError(Problem(text))
    ops = schedule.arrays
    taken = np.where(ops.kind == F, memory.activation[ops.stage], 0.0)
    back = np.zeros((4, schedule.stages))
    back[B], back[W], back[BW] = memory.activation - memory.kept, memory.kept, memory.activation
    if schedule.forward_only:
        back[F] = memory.activation
    given = back[ops.kind, ops.stage]
    after = _running(taken - given, ops.first)
    during = after + given
    # in a fused cell the forward's share is there while the backward, listed second, runs: both run at once
    head = np.flatnonzero(ops.fused) - 1
    during[head] = np.maximum(during[head], during[head + 1])
    return during, after


def _running(change: Floats, first: Ints) -> Floats:
    """Running sums that start anew at every rank."""
    parts = [np.cumsum(change[a:b]) for a, b in pairwise(first.tolist())]
    return np.concatenate(parts) if parts else change


def peaks(schedule: Schedule, memory: Memory) -> Floats:
    """The most that each rank holds at once (ranks,); it follows from the order of ops, not from their times."""
    during, _ = before_after(schedule, memory)
    first = schedule.arrays.first
    return np.array([during[a:b].max(initial=0.0) for a, b in pairwise(first.tolist())])


@dataclass(frozen=True, eq=False)
class Curve:
    """A quantity over time that jumps: ``value[i]`` holds from ``instant_s[i]`` to the next instant; 0 before."""

    instant_s: Floats
    value: Floats


def curve(schedule: Schedule, memory: Memory, start: Floats, end: Floats, rank: int) -> Curve:
    """What one rank holds over time: jumps at the starts of F and the ends of the others."""
    a, b = schedule.arrays.first[rank : rank + 2]
    during, after = (values[a:b] for values in before_after(schedule, memory))
    fused = schedule.arrays.fused[a:b]
    head, tail = ~fused, ~np.append(fused[1:], False)
    instant = np.stack([start[a:b][head], end[a:b][tail]], axis=1).ravel()
    value = np.stack([during[head], after[tail]], axis=1).ravel()
    last = np.append(instant[1:] != instant[:-1], True)  # of several jumps at one instant only the outcome is seen
    instant, value = instant[last], value[last]
    jumps = np.append(True, value[1:] != value[:-1])
    return Curve(instant[jumps], value[jumps])
