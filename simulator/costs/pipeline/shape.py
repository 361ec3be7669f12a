"""What a schedule is made for: numbers of ranks, microbatches and chunks, and what a search may know of times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simulator.costs.pipeline.memory import Memory
from simulator.costs.pipeline.ops import Schedule
from simulator.costs.pipeline.times import Times


@dataclass(frozen=True, eq=False)
class Shape:
    """``ranks`` p, ``microbatches`` m, ``chunks`` v: stages per rank.

    ``times``, ``memory`` and ``limit`` (what activations may take on a rank, in the unit of ``memory``) matter only to
    schedules that are searched for, see ``Entry.timed``.
    """

    ranks: int
    microbatches: int
    chunks: int
    times: Times | None = None
    memory: Memory | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Entry:
    """One schedule of the registry.

    ``refusal`` says why a shape is outside the domain (None: inside), ``default_chunks`` is v where none is given,
    ``timed``: the order depends on the times. ``forward_only``: nothing runs backward.
    """

    build: Callable[[Shape], Schedule]
    refusal: Callable[[Shape], str | None]
    default_chunks: int = 1
    timed: bool = False
    forward_only: bool = False
