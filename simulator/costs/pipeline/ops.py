"""Ops and schedules as values: what every rank does, in order.

A pipeline has virtual stages 0, 1, .. and ranks (devices) that hold one or more of them. A microbatch runs forward
through the stages 0, 1, .. and backward through them in reverse. Where a schedule has two directions (Chimera,
DualPipe), each direction has its own placement of the same stages, and every microbatch goes one way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Kind(IntEnum):
    """What an op does."""

    F = 0
    """Forward."""
    B = 1
    """Gradient of the input."""
    W = 2
    """Gradient of the weights; needs B of the same stage and microbatch."""
    BW = 3
    """Full backward: B and W at once."""


F, B, W, BW = Kind.F, Kind.B, Kind.W, Kind.BW
NAMES = {F: "F", B: "B", W: "W", BW: "full backward"}


class Op(NamedTuple):
    """One op; ``fused``: it runs in one cell with the op before it on the same rank (F, then a full backward)."""

    kind: Kind
    stage: int
    microbatch: int
    fused: bool = False

    def __str__(self) -> str:
        return f"{NAMES[self.kind]} of stage {self.stage}, microbatch {self.microbatch}"


@dataclass(frozen=True, slots=True)
class Arrays:
    """All ops of a schedule, rank after rank: rank r has the ops ``first[r]`` to ``first[r + 1]``, exclusive."""

    kind: Ints
    stage: Ints
    microbatch: Ints
    fused: Bools
    rank: Ints
    first: Ints


@dataclass(frozen=True)
class Schedule:
    """Who does what in which order.

    ``placement[d][s]`` is the rank that holds stage s for microbatches of direction d, ``directions[j]`` the direction
    of microbatch j, ``orders[r]`` the ops of rank r. Whether they can be run is another question: see ``validate``.

    >>> one = Schedule("by hand", 1, 1, ((0,),), (0,), ((Op(F, 0, 0), Op(BW, 0, 0)),))
    >>> one.stages, one.chunks, str(one.orders[0][1])
    (1, 1, 'full backward of stage 0, microbatch 0')
    """

    name: str
    ranks: int
    microbatches: int
    placement: tuple[tuple[int, ...], ...]
    directions: tuple[int, ...]
    orders: tuple[tuple[Op, ...], ...]

    @property
    def stages(self) -> int:
        """Number of virtual stages that a microbatch passes."""
        return len(self.placement[0])

    @cached_property
    def held(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """``held[r]``: (direction, stage) of every portion of the model on rank r; its position is its chunk."""
        found: list[list[tuple[int, int]]] = [[] for _ in range(self.ranks)]
        for direction, ranks in enumerate(self.placement):
            for stage, rank in enumerate(ranks):
                found[rank].append((direction, stage))
        return tuple(map(tuple, found))

    @property
    def chunks(self) -> int:
        """Stages per rank (the most of any rank); both directions count."""
        return max(map(len, self.held))

    @cached_property
    def forward_only(self) -> bool:
        """Whether nothing runs backward: an inference pipeline."""
        return all(op.kind is F for op in chain.from_iterable(self.orders))

    def rank_of(self, stage: int, microbatch: int) -> int:
        """The rank that holds the stage for this microbatch."""
        return self.placement[self.directions[microbatch]][stage]

    def chunk_of(self, op: Op) -> int:
        """Which of its rank's stages an op belongs to, from 0."""
        direction = self.directions[op.microbatch]
        return self.held[self.placement[direction][op.stage]].index((direction, op.stage))

    @cached_property
    def arrays(self) -> Arrays:
        """The ops as arrays."""
        counts = [len(order) for order in self.orders]
        columns = list(zip(*chain.from_iterable(self.orders))) or [(), (), (), ()]
        kind, stage, microbatch = (np.array(column, dtype=np.int64) for column in columns[:3])
        return Arrays(
            kind,
            stage,
            microbatch,
            fused=np.array(columns[3], dtype=np.bool_),
            rank=np.repeat(np.arange(len(counts), dtype=np.int64), counts),
            first=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
        )


def loop(ranks: int, chunks: int = 1) -> tuple[int, ...]:
    """Stages dealt out in rounds: stage s on rank ``s mod p``.

    >>> loop(3, 2)
    (0, 1, 2, 0, 1, 2)
    """
    return tuple(range(ranks)) * chunks


def wave(ranks: int, waves: int = 1) -> tuple[int, ...]:
    """Stages dealt out down and up again, ``2 waves`` on every rank; neighbours at a turn need no transfer.

    >>> wave(3)
    (0, 1, 2, 2, 1, 0)
    """
    return (*range(ranks), *reversed(range(ranks))) * waves


def one_way(
    name: str, ranks: int, microbatches: int, placement: Sequence[int], orders: Iterable[Iterable[Op]]
) -> Schedule:
    """A schedule whose microbatches all go the same way."""
    return Schedule(
        name, ranks, microbatches, (tuple(placement),), (0,) * microbatches, tuple(tuple(order) for order in orders)
    )
