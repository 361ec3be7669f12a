"""Sets of cuts, and the best plan for ramps at the cuts only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from simulator.planner.split.exits import ExitModel, Floats, Ints

ALL_SETS = 4096
"""All sets of ramps are looked at up to this many (12 ramps)."""
MOST_SETS = 40_000
"""Of more ramps, the sets of up to as many cuts as keep below this number (47 ramps: 3 cuts, 17,344 sets)."""


@dataclass(frozen=True, slots=True, eq=False)
class CutSets:
    """Sets of cuts with who is still there; ``complete_to``: every set of up to so many cuts is here.

    ``layers`` of the model; ``cuts`` (sets, K) ascending, filled up with the number of layers; ``survive``
    (sets, K + 1) into each portion; ``accuracy`` and ``size`` (sets,).
    """

    layers: int
    cuts: Ints
    survive: Floats
    accuracy: Floats
    complete_to: int

    @property
    def size(self) -> Ints:
        """Number of cuts."""
        size: Ints = (self.cuts < self.layers).sum(axis=1)
        return size

    def complete(self, exits: ExitModel, most_cuts: int | None) -> bool:
        """Whether every set of up to ``most_cuts`` cuts (None: any number) was looked at."""
        return self.complete_to >= min(len(exits.ramps), len(exits.ramps) if most_cuts is None else most_cuts)

    def keep(self, chosen: Ints) -> CutSets:
        """Some of the sets."""
        return CutSets(self.layers, self.cuts[chosen], self.survive[chosen], self.accuracy[chosen], self.complete_to)


def cut_sets(exits: ExitModel, most_cuts: int | None = None) -> CutSets:
    """All sets of cuts at ramps, or all up to the size that the limits above allow; the empty one is the first."""
    ramps = len(exits.ramps)
    most = ramps
    if 2**ramps > ALL_SETS:
        most = ramps if most_cuts is None else min(most_cuts, ramps)
        while most > 1 and sum(comb(ramps, size) for size in range(most + 1)) > MOST_SETS:
            most -= 1
    sets = [chosen for size in range(most + 1) for chosen in combinations(exits.ramps, size)]
    return looked_up(exits, sets, most)


def looked_up(exits: ExitModel, sets: list[tuple[int, ...]], complete_to: int = 0) -> CutSets:
    """The sets given, with survival and accuracy."""
    width = max([1, *map(len, sets)])
    cuts = np.full((len(sets), width), exits.layers, dtype=np.int64)
    for number, chosen in enumerate(sets):
        cuts[number, : len(chosen)] = chosen
    survive, accuracy = exits.look(cuts)
    return CutSets(exits.layers, cuts, survive, accuracy, complete_to)


def neighbours(
    exits: ExitModel, cuts: tuple[int, ...], most_cuts: int | None, *, moves: bool = True
) -> list[tuple[int, ...]]:
    """Sets that differ by one cut: added, taken out or (``moves``) moved."""
    others = [ramp for ramp in exits.ramps if ramp not in cuts]
    found = {tuple(sorted({*cuts, new})) for new in others}
    for old in cuts:
        rest = tuple(cut for cut in cuts if cut != old)
        found.add(rest)
        if moves:
            found |= {tuple(sorted({*rest, new})) for new in others}
    return sorted(chosen for chosen in found if most_cuts is None or len(chosen) <= most_cuts)
