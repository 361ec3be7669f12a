"""Every shape that the planner's section allows, as blocks of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb

import numpy as np

from simulator.planner.optimize.problem import Floats, Ints
from simulator.planner.optimize.space.blocks import (
    MODES,
    Block,
    Bools,
    Choices,
    Portions,
    choices_of,
    parallel,
    undominated,
    unruled,
)
from simulator.planner.optimize.space.ground import Ground
from simulator.planner.optimize.space.leftout import Survey
from simulator.planner.optimize.space.survival import whole_sets
from simulator.planner.optimize.space.wholes import answering_early, compact, serial, vanilla, with_all
from simulator.planner.split import CutSets, cut_sets
from simulator.planner.split.cutsets import ALL_SETS, looked_up
from simulator.planner.split.portions import portion_bounds
from simulator.scenario.deployment import ExitMode

MOST_ROWS = 600_000
"""Shapes of one kind that are looked at; beyond it, formats differ in one portion at most, then cuts are left out."""
MOST_RAMPS = 12
"""Shrinking batches are tried with every set of so many ramps; of more, with every set of up to three."""


@dataclass(eq=False)
class Enumeration:
    """Shapes of a service as they are found; ``sets`` are the sets of cuts (or ramps) that blocks number."""

    ground: Ground
    blocks: list[Block] = field(default_factory=list)
    sets: list[tuple[int, ...]] = field(default_factory=list)
    survey: Survey = field(default_factory=Survey)
    notes: list[str] = field(default_factory=list)
    """What was not looked at."""

    def run(self) -> Enumeration:
        """All of it, simplest modes first."""
        ground, modes = self.ground, self.modes()
        choices = choices_of(ground)
        sizes = range(len(ground.search.batch))
        if "none" in modes and "parallel" in ground.search.execution:
            self._add([vanilla(ground, choices, size) for size in sizes])
            if self._too_large():
                self._split(choices, "none", [(-1, self._plain_sets())])
        for rule in range(len(ground.rules)):
            self._early(rule, choices, modes)
        if "at_cut" in modes and "parallel" in ground.search.execution and ground.rules:
            self._at_cut(choices)
        return self

    def modes(self) -> tuple[ExitMode, ...]:
        """Exit modes that are asked for and that the model can do."""
        asked = self.ground.search.exit_mode or ("none", "compact", "at_cut")
        return asked if self.ground.rules else tuple(mode for mode in asked if mode == "none")

    def _early(self, rule: int, choices: Choices, modes: Sequence[ExitMode]) -> None:
        ground = self.ground
        exits, sizes = ground.rules[rule], range(len(ground.search.batch))
        if "compact" in modes and "parallel" in ground.search.execution:
            sets = with_all(exits, self._ramp_sets(rule))
            self._add(compact(ground, choices, rule, sets, self._named(sets)))
        if "answer_early" in modes and "parallel" in ground.search.execution:
            every = looked_up(exits.model, [exits.source.ramps])
            number = self._named(every)
            self._add([answering_early(ground, choices, rule, size, every, number) for size in sizes])
        if "at_cut" in modes and "serial" in ground.search.execution and not ground.twofold:
            sets = self._cut_sets(rule)
            first = self._named(sets)
            self._add([serial(ground, rule, sets, first, size) for size in sizes])

    def _add(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            good = self._good(block)
            self.survey.see(self.ground, block, good)
            self.blocks.append(block.keep(good))

    def _good(self, block: Block) -> Bools:
        ground = self.ground
        found: Bools = np.isfinite(block.service_s) & ground.in_time(block.service_s) & ground.accepts(block.accuracy)
        return found & (block.bench >= 0).all(axis=1)

    # -- sets of cuts --------------------------------------------------------------------------------------------

    def _named(self, sets: CutSets) -> int:
        """The number of the first of these sets, all of which are numbered now."""
        first = len(self.sets)
        self.sets += [tuple(cut for cut in row if cut < sets.layers) for row in sets.cuts.tolist()]
        return first

    def _ramp_sets(self, rule: int) -> CutSets:
        exits = self.ground.rules[rule].model
        few = len(exits.ramps) <= MOST_RAMPS
        if not few:
            self._note(f"compact is tried with sets of up to 3 of {len(exits.ramps)} ramps, and with all")
        return cut_sets(exits) if few else cut_sets(exits, 3)

    def _cut_sets(self, rule: int) -> CutSets:
        """Sets of 1 .. max_cuts cuts at ramps."""
        exits, most = self.ground.rules[rule].model, self.ground.search.max_cuts
        sets = cut_sets(exits, most)
        if not sets.complete(exits, most):
            self._note(f"at_cut is tried with up to {sets.complete_to} of {most} cuts")
        return sets.keep(np.flatnonzero((sets.size >= 1) & (sets.size <= most)))

    def _plain_sets(self) -> CutSets:
        """Cuts anywhere, for a model that nobody leaves early."""
        layers, most = self.ground.layers, min(self.ground.search.max_cuts, self.ground.layers - 1)
        while most > 1 and sum(comb(layers - 1, size) for size in range(most + 1)) > 10 * ALL_SETS:
            most -= 1
            self._note(f"none is tried with up to {most} cuts")
        chosen = [cuts for size in range(1, most + 1) for cuts in combinations(range(1, layers), size)]
        found = np.full((len(chosen), max(most, 1)), layers, dtype=np.int64)
        for number, cuts in enumerate(chosen):
            found[number, : len(cuts)] = cuts
        return whole_sets(layers, found)

    def _too_large(self) -> bool:
        """Whether there is a kind of replica that the whole model does not fit."""
        return any(not np.isfinite(bench.spans().full_s[0, -1, 0]) for bench in self.ground.benches)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    # -- portions on replicas of their own -----------------------------------------------------------------------

    def _at_cut(self, choices: Choices) -> None:
        """All rules together, so that shapes of one that are worse in everything than those of another can go."""
        self._split(choices, "at_cut", [(rule, self._cut_sets(rule)) for rule in range(len(self.ground.rules))])

    def _split(self, choices: Choices, mode: ExitMode, every: Sequence[tuple[int, CutSets]]) -> None:
        """Sets of cuts, the same ones under every rule, by their number of cuts."""
        size = every[0][1].size
        for count in sorted(set(size.tolist())):
            mine = np.flatnonzero(size == count)
            chosen, uniform = self._bounded(choices, every[0][1].keep(mine), count + 1)
            some = [(rule, sets.keep(mine[chosen])) for rule, sets in every]
            self._portions(choices, mode, some, count, uniform)

    def _bounded(self, choices: Choices, sets: CutSets, portions: int) -> tuple[Ints, bool]:
        """Sets that are looked at, and whether formats may differ in one portion only: not too many shapes."""
        forms, rules = choices.forms, max(len(self.ground.rules), 1)
        uniform = rules * len(sets.cuts) * (choices.places * forms) ** portions > MOST_ROWS and forms > 1
        if uniform:
            self._note(f"with {portions} portions, number formats differ in one portion at most")
        each = choices.places**portions * (forms + forms * (forms - 1) * portions if uniform else forms**portions)
        rows = max(MOST_ROWS // (each * rules), 1)
        if len(sets.cuts) <= rows:
            return np.arange(len(sets.cuts)), uniform
        self._note(f"with {portions} portions, the {rows} sets of cuts that carry most are tried")
        return np.sort(self._best(sets)[:rows]), uniform

    def _best(self, sets: CutSets) -> Ints:
        """Sets by the layer time that they ask for on the first kind of replica."""
        size = len(self.ground.search.batch) - 1
        spans = self.ground.benches[0].spans(last_ramp=True)
        start, end = portion_bounds(sets)
        taken = np.where(start < end, spans.item_s[np.minimum(start, sets.layers - 1), end, size], 0.0)
        order: Ints = np.argsort((taken * sets.survive).sum(axis=1), kind="stable")
        return order

    def _portions(
        self, choices: Choices, mode: ExitMode, every: Sequence[tuple[int, CutSets]], count: int, uniform: bool
    ) -> None:
        ground = self.ground
        several = [(rule, self._ruled(rule, sets, count)) for rule, sets in every]
        places = choices.places ** (count + 1)
        for size in range(len(ground.search.batch)):
            blocks = [parallel(ground, one, choices, MODES.index(mode), rule, size, uniform) for rule, one in several]
            good = [self._good(block) for block in blocks]
            for block, mine in zip(blocks, good):
                self.survey.see(ground, block, mine)
            for block, mine in zip(blocks, unruled(blocks, good)):
                sets = len(several[0][1].sets.cuts)
                self.blocks.append(block.keep(undominated(block, mine, sets, places, loading(ground, block))))

    def _ruled(self, rule: int, sets: CutSets, count: int) -> Portions:
        """Sets of ``count`` cuts with survival at its bad end under a rule."""
        ground = self.ground
        sets = CutSets(sets.layers, sets.cuts[:, :count], sets.survive[:, : count + 1], sets.accuracy, 0)
        if rule >= 0:
            exits = ground.rules[rule]
            right, sets = exits.right_by_portion(sets), exits.bad_end(sets)
        else:
            right = np.zeros(sets.survive.shape)
            right[:, -1] = np.nan if ground.exits.full is None else ground.exits.full
        return Portions(sets, self._named(sets), right, ramps=rule >= 0)


def loading(ground: Ground, block: Block) -> Floats:
    """(shapes, groups): what an added replica loads and starts up [s]; 0 where there is none."""
    found = np.zeros(block.bench.shape)
    for number, bench in enumerate(ground.benches):
        mine = block.bench == number
        found[mine] = bench.load_s()[block.start[mine], block.end[mine]]
    return found
