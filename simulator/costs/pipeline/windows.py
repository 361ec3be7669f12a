"""Where ranks idle: contiguous windows of a timeline, and what fits into them.

The windows of GPipe and 1F1B in closed form are in ``window_forms``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.pipeline.memory import Memory, before_after
from simulator.costs.pipeline.ops import Ints
from simulator.costs.pipeline.timeline import Timeline, holds
from simulator.costs.pipeline.times import Floats

ROUNDING = 1e-12
"""Gaps shorter than this share of the longest instant are the rounding of two sums of the same times."""


class Window(NamedTuple):
    """Rank ``rank`` idles from ``start_s`` to ``end_s`` [s] and has ``free`` memory left (unit of ``Memory``).

    ``end_s`` is the very instant at which the rank is needed again: start and length would add up to a rounded one.
    """

    rank: int
    start_s: float
    end_s: float
    free: float

    @property
    def length_s(self) -> float:
        """How long it idles [s]."""
        return self.end_s - self.start_s


@dataclass(frozen=True, eq=False)
class Windows:
    """Idle windows (n,) of all ranks by rank and start: a sequence of ``Window`` with the queries of a filler."""

    rank: Ints
    start_s: Floats
    end_s: Floats
    free: Floats
    ranks: int

    def __len__(self) -> int:
        return len(self.rank)

    def __iter__(self) -> Iterator[Window]:
        columns = (self.rank.tolist(), self.start_s.tolist(), self.end_s.tolist(), self.free.tolist())
        return (Window(*row) for row in zip(*columns))

    def __getitem__(self, index: int) -> Window:
        row = self.rank[index], self.start_s[index], self.end_s[index], self.free[index]
        return Window(int(row[0]), *map(float, row[1:]))

    @cached_property
    def length_s(self) -> Floats:
        """How long each idles (n,) [s]."""
        return self.end_s - self.start_s

    @cached_property
    def bounds(self) -> Ints:
        """Rank r has the windows ``bounds[r]`` to ``bounds[r + 1]``, exclusive."""
        return np.searchsorted(self.rank, np.arange(self.ranks + 1))

    def of_rank(self, rank: int) -> list[Window]:
        """All windows of one rank, in order."""
        return [self[i] for i in range(int(self.bounds[rank]), int(self.bounds[rank + 1]))]

    def at(self, rank: int, instant_s: float) -> Window | None:
        """The window of a rank in which an instant lies (its start included, its end not); None: the rank is busy."""
        low, high = self.bounds[rank : rank + 2]
        i = int(low + np.searchsorted(self.start_s[low:high], instant_s, side="right")) - 1
        return self[i] if i >= low and instant_s < self.end_s[i] else None

    def first_fit(self, rank: int, length_s: float, *, since_s: float = 0.0, memory: float = 0.0) -> Window | None:
        """What is left, from ``since_s`` on, of the first window of a rank that can take so long a piece of so much
        memory; None: there is none."""
        low, high = self.bounds[rank : rank + 2]
        start = np.maximum(self.start_s[low:high], since_s)
        fits = np.flatnonzero((start + length_s <= self.end_s[low:high]) & (self.free[low:high] >= memory))
        if fits.size == 0:
            return None
        i = int(fits[0])
        return Window(rank, float(start[i]), float(self.end_s[low + i]), float(self.free[low + i]))

    def idle_s(self) -> Floats:
        """Idle time of each rank (ranks,) [s]."""
        idle: Floats = np.bincount(self.rank, weights=self.length_s, minlength=self.ranks).astype(np.float64)
        return idle


def windows_of(rows: Sequence[Window], ranks: int) -> Windows:
    """Windows from rows in any order."""
    ordered = sorted(rows)
    columns = list(zip(*ordered)) or [(), (), (), ()]
    start, end, free = (np.array(column, dtype=np.float64) for column in columns[1:])
    return Windows(np.array(columns[0], dtype=np.int64), start, end, free, ranks)


def idle_windows(
    lines: Timeline | Sequence[Timeline],
    *,
    memory: Memory | None = None,
    capacity: ArrayLike = np.inf,
    since_s: float | None = None,
    until_s: float | None = None,
) -> Windows:
    """Idle windows of an iteration, or of several back to back, where the end of one and the head of the next merge.

    A rank is busy while it runs a cell, while a transfer blocks it, and during all-reduce and optimizer step. The
    windows cover ``since_s`` (the first rank's begin) to ``until_s`` (the last rank's finish). ``free`` is what
    the activations of ``memory`` leave of ``capacity``, one number or one per rank (weights and optimizer state are to
    be taken off before); without ``memory`` it is the capacity.

    >>> from simulator.costs.pipeline import evaluate, make, times_of
    >>> line = evaluate(make("gpipe", 2, 2), times_of(2, 1.0, 1.0, 1.0))
    >>> [(w.start_s, w.length_s) for w in idle_windows(line).of_rank(0)]
    [(2.0, 3.0)]
    """
    several = (lines,) if isinstance(lines, Timeline) else tuple(lines)
    ranks = several[0].schedule.ranks
    start = float(several[0].begin.min()) if since_s is None else since_s
    stop = float(several[-1].finish.max()) if until_s is None else until_s
    most = np.broadcast_to(np.asarray(capacity, dtype=np.float64), (ranks,))
    # what is held after every op is the same in every iteration
    after = np.zeros(len(several[0].start)) if memory is None else before_after(several[0].schedule, memory)[1]
    parts = [_gaps([_busy(line, rank, after) for line in several], start, stop) for rank in range(ranks)]
    counts = [len(gap_start) for gap_start, _, _ in parts]
    begins, ends, held = (np.concatenate(column) for column in zip(*parts))
    owner = np.repeat(np.arange(ranks), counts)
    return Windows(owner, begins, ends, most[owner] - held, ranks)


def _busy(line: Timeline, rank: int, after: Floats) -> tuple[Floats, Floats, Floats]:
    """Start, end, and memory held afterwards, of all that keeps a rank busy in an iteration, in order of time."""
    a, b = line.schedule.arrays.first[rank : rank + 2]
    one = ~line.schedule.arrays.fused[a:b]
    last = ~np.append(line.schedule.arrays.fused[a + 1 : b], False)
    ends = line.end[a:b][last] + holds(line.schedule, line.times)[a:b][last]
    extra_start = np.array([line.compute_end[rank], line.step[rank]])
    extra_end = np.array([line.reduced[rank], line.finish[rank]])
    there = extra_end > extra_start
    start = np.concatenate([line.start[a:b][one], extra_start[there]])
    end = np.concatenate([ends, extra_end[there]])
    return start, end, np.concatenate([after[a:b][last], np.zeros(int(there.sum()))])


def _gaps(busy: Sequence[tuple[Floats, Floats, Floats]], start: float, stop: float) -> tuple[Floats, Floats, Floats]:
    """Start, end and memory held of the gaps between busy intervals within [start, stop)."""
    starts, ends, held = (np.concatenate(column) for column in zip(*busy))
    begin = np.maximum(np.concatenate([[start], ends]), start)
    end = np.minimum(np.concatenate([starts, [stop]]), stop)
    real = end - begin > ROUNDING * max(abs(start), abs(stop))
    return begin[real], end[real], np.concatenate([[0.0], held])[real]
