"""Which piece goes next into an idle window: one class each, one line in ``POLICIES``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from simulator.costs.pipeline.filling.fit import Fit

MOST_NODES = 2_000
"""Mixes that are looked at for one window; beyond it the best so far is taken."""
FAR = 20.0
"""Windows longer than so many of the longest pieces: which piece goes first decides nothing there."""


class Candidate(NamedTuple):
    """A piece that fits what is left of a window: of ``job``, for ``seconds``; ``left``: how many there are of it.

    ``deadline_s``: when its job should be done. ``change``: whether taking it costs the switch.
    """

    job: int
    seconds: float
    left: float = math.inf
    deadline_s: float = math.inf
    change: bool = True


class Policy(Protocol):
    """Chooses among candidates, in the order of their jobs; there is at least one."""

    def choose(self, candidates: Sequence[Candidate], room_s: float, fit: Fit) -> Candidate:
        """The one to start; ``room_s`` is left of the window [s]."""
        ...


class FirstFit:
    """The first job in the order in which they are written."""

    def choose(self, candidates: Sequence[Candidate], room_s: float, fit: Fit) -> Candidate:
        """The first."""
        return candidates[0]


class BestFit:
    """The longest piece: the one that leaves least of the window."""

    def choose(self, candidates: Sequence[Candidate], room_s: float, fit: Fit) -> Candidate:
        """The longest."""
        return max(candidates, key=lambda one: one.seconds)


class ShortestFirst:
    """The shortest piece: most pieces per time."""

    def choose(self, candidates: Sequence[Candidate], room_s: float, fit: Fit) -> Candidate:
        """The shortest."""
        return min(candidates, key=lambda one: one.seconds)


class DeadlineFirst:
    """The piece of the job whose deadline is the next; those without one wait, longest piece first."""

    def choose(self, candidates: Sequence[Candidate], room_s: float, fit: Fit) -> Candidate:
        """The most urgent."""
        return min(candidates, key=lambda one: (one.deadline_s, -one.seconds))


class Utilization:
    """The mix of pieces that leaves least of the window, then its longest piece; a job already there goes first."""

    def choose(self, candidates: Sequence[Candidate], room_s: float, fit: Fit) -> Candidate:
        """The first piece of the best mix."""
        if room_s > FAR * max(one.seconds for one in candidates):
            return min(candidates, key=lambda one: (one.change, -one.seconds))
        mix = best_mix(candidates, room_s, fit)
        taken = [one for one, count in zip(candidates, mix) if count]
        return min(taken, key=lambda one: (one.change, -one.seconds))


POLICIES: dict[str, Policy] = {
    "first_fit": FirstFit(),
    "best_fit": BestFit(),
    "shortest_first": ShortestFirst(),
    "deadline": DeadlineFirst(),
    "utilization": Utilization(),
}


def best_mix(candidates: Sequence[Candidate], room_s: float, fit: Fit) -> tuple[int, ...]:
    """How many pieces of each candidate fill a window best; exact unless there are very many mixes (``MOST_NODES``).

    Depth first from the longest piece, most of them first; a branch ends where even a full rest would not be better.

    >>> best_mix([Candidate(0, 3.0), Candidate(1, 2.5)], 5.0, Fit())
    (0, 2)
    """
    order = sorted(range(len(candidates)), key=lambda i: -candidates[i].seconds)
    search = _Mix([candidates[i] for i in order], fit)
    search.look(0, fit.limit_s(room_s), 0.0)
    found = [0] * len(candidates)
    for i, count in zip(order, search.best):
        found[i] = count
    return tuple(found)


class _Mix:
    def __init__(self, pieces: Sequence[Candidate], fit: Fit) -> None:
        self.pieces, self.fit = pieces, fit
        self.counts = [0] * len(pieces)
        self.best = [0] * len(pieces)
        self.filled = 0.0
        self.nodes = 0

    def look(self, at: int, room_s: float, filled: float) -> None:
        self.nodes += 1
        if filled > self.filled:
            self.filled, self.best = filled, self.counts.copy()
        if at == len(self.pieces) or self.nodes > MOST_NODES:
            return
        if filled + room_s <= self.filled * (1.0 + 1e-12):
            return
        piece = self.pieces[at]
        lead = self.fit.switch_s if piece.change else 0.0
        spare = self.fit.margin * piece.seconds  # the last one needs it; what comes after it may use it
        most = int(min(max((room_s - lead - spare) / piece.seconds, 0.0) + 1e-9, piece.left))
        for count in range(most, -1, -1):
            self.counts[at] = count
            used = lead + count * piece.seconds if count else 0.0
            self.look(at + 1, max(room_s - used, 0.0), filled + count * piece.seconds)
        self.counts[at] = 0
