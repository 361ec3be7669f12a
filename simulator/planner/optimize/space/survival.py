"""Who still needs which layer under an exit rule, how surely that is known, and which answers are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from simulator.cluster.lower.exits import ModelExits, exit_layers
from simulator.cluster.lower.layers import placed
from simulator.costs.early_exit import reach
from simulator.costs.early_exit.profiles import ProfileTable
from simulator.costs.early_exit.sources import ExitSource
from simulator.errors import ScenarioError
from simulator.planner.exits.rows import run_weights, unequal
from simulator.planner.optimize.problem import Floats, Ints
from simulator.planner.split import CutSets, ExitModel, Exits, ExitsByCuts
from simulator.planner.split.cutsets import looked_up
from simulator.scenario.exits import ExitRule

Bools = NDArray[np.bool_]


def upper(share: Floats, rows: float | None, quantile: float = 0.95) -> Floats:
    """Upper end of the one-sided interval of shares measured on so many rows (Wilson's score); no rows: as they are.

    >>> upper(np.array([0.0, 0.5, 1.0]), 100.0).round(4).tolist()
    [0.0263, 0.5812, 1.0]
    """
    return share if rows is None else _wilson(share, rows, NormalDist().inv_cdf(quantile))


def lower(share: Floats, rows: float | None, quantile: float = 0.95) -> Floats:
    """Lower end of the one-sided interval.

    >>> lower(np.array([0.0, 0.5]), 100.0).round(4).tolist()
    [0.0, 0.4188]
    """
    return share if rows is None else _wilson(share, rows, -NormalDist().inv_cdf(quantile))


def _wilson(share: Floats, rows: float, z: float) -> Floats:
    square = z * z / rows
    spread = np.sqrt(share * (1.0 - share) / rows + square / (4.0 * rows))
    return np.clip((share + square / 2.0 + z * spread) / (1.0 + square), 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class RuledExits:
    """Exits of a model under one rule; ``rule`` None: the model's own, or none.

    ``rows``: how many rows the shares come from (rows of unequal weight count as fewer: 1 / sum of squares); None
    where the shares are given. ``quantile``: how surely survival is not larger than its bad end.
    """

    exits: ModelExits
    rule: ExitRule | None
    weights: Floats
    rows: float | None
    quantile: float = 0.95

    @property
    def source(self) -> ExitSource:
        """The rows."""
        source = self.exits.source
        assert source is not None
        return source

    def fires(self, active: tuple[int, ...]) -> Bools:
        """Whether the ramp after each layer answers each row."""
        return self.source.fires(active, self._written)

    @property
    def _written(self) -> Mapping[str, object] | None:
        return None if self.rule is None else self.rule.model_dump()

    @cached_property
    def model(self) -> ExitModel:
        """As the search for cuts reads it; accuracies are those of the reference precision, NaN where unknown."""
        right = self.right
        if self._alone:
            return Exits(self.fires(self.source.ramps), right, unequal(self.weights), self.source.ramps)

        def look(cuts: tuple[int, ...]) -> tuple[Floats, float]:
            leave = exit_layers(self.fires(cuts))
            share = reach(leave, self.source.layers, unequal(self.weights))
            return share[list(cuts)], float(self.weights @ right[np.arange(len(leave)), leave - 1])

        return ExitsByCuts(self.source.layers, self.source.ramps, look)

    @property
    def _alone(self) -> bool:
        """Whether a ramp answers the same rows whichever others run (not under patience)."""
        rule = self._written or self.source.rule
        return rule is None or rule.get("patience") is None

    @cached_property
    def right(self) -> Floats:
        """(rows, layers): expected correctness of an answer after each layer; NaN where unknown, 0 without a ramp."""
        right = self.exits.answers()
        if right is None:
            return np.full((len(self.weights), self.source.layers), np.nan)
        layers = self.source.layers
        here = np.isin(np.arange(1, layers + 1), (*self.source.ramps, layers))
        known: Floats = np.where(here | ~np.isnan(right), right, 0.0)
        return np.broadcast_to(known, (len(self.weights), layers))

    def right_by_portion(self, sets: CutSets) -> Floats:
        """(sets, portions): share of all requests that each portion answers rightly, at the reference precision."""
        return self._of_patterns(sets) if self._alone else self._one_by_one(sets)

    def _of_patterns(self, sets: CutSets) -> Floats:
        """Rows that fire alike counted together."""
        pattern, group = np.unique(self.fires(self.source.ramps), axis=0, return_inverse=True)
        summed = np.zeros(pattern.shape)
        np.add.at(summed, group.ravel(), self.right * self.weights[:, None])
        found = np.zeros((len(sets.cuts), sets.cuts.shape[1] + 1))
        alive: Bools = np.ones((len(sets.cuts), len(pattern)), dtype=np.bool_)
        ends = np.concatenate([sets.cuts, np.full((len(sets.cuts), 1), sets.layers)], axis=1)
        for place in range(found.shape[1]):
            at = ends[:, place] - 1  # the model's end always answers, so sets that are filled up leave nobody
            leave = alive & pattern.T[at]
            found[:, place] = np.where(leave, summed.T[at], 0.0).sum(axis=1)
            alive = alive & ~leave
        return found

    def _one_by_one(self, sets: CutSets) -> Floats:
        """Every set for itself: the ramps that run change what a ramp answers."""
        found = np.zeros((len(sets.cuts), sets.cuts.shape[1] + 1))
        for number, row in enumerate(sets.cuts.tolist()):
            cuts = tuple(cut for cut in row if cut < sets.layers)
            leave = exit_layers(self.fires(cuts))
            mass = self.weights * self.right[np.arange(len(leave)), leave - 1]
            for place, end in enumerate((*cuts, sets.layers)):
                found[number, place] = mass[leave == end].sum()
        return found

    def band(self, cuts: tuple[int, ...]) -> list[tuple[float, float, float]]:
        """Share that goes on behind each cut: measured, and the ends of its interval."""
        sets = looked_up(self.model, [cuts])
        share = sets.survive[0, 1 : len(cuts) + 1]
        low, high = (end(share, self.rows, self.quantile) for end in (lower, upper))
        return list(zip(share.tolist(), low.tolist(), high.tolist()))

    def bad_end(self, sets: CutSets) -> CutSets:
        """The same sets with every share that survives at the upper end of its interval."""
        high = upper(sets.survive, self.rows, self.quantile).copy()
        high[:, 0] = 1.0
        return replace(sets, survive=high)


def ruled_exits(exits: ModelExits, rule: ExitRule | None, quantile: float = 0.95) -> RuledExits:
    """Exits under a rule; a rule that the rows do not tell is a problem of `planner.search.rules`."""
    source, duration_s = exits.source, exits.costs.scenario.run.duration
    assert source is not None
    weights = run_weights(source.rows, duration_s)
    rows: float | None = None
    if not isinstance(source.table, ProfileTable):
        rows = float(source.table.rows) if source.router else 1.0 / float(weights @ weights)
    found = RuledExits(exits, rule, weights, rows, quantile)
    try:
        found.fires(source.ramps)
    except ScenarioError as error:
        place = ("planner", "search", "rules") if rule is not None else ("models", exits.costs.name, "exits", "rule")
        raise placed(exits.costs.scenario, place, error) from None
    return found


def whole_sets(layers: int, cuts: Ints | None = None) -> CutSets:
    """Cuts of a model that nobody leaves early; left out: none."""
    cuts = np.full((1, 1), layers, dtype=np.int64) if cuts is None else cuts
    survive = np.ones((len(cuts), cuts.shape[1] + 1))
    return CutSets(layers, cuts, survive, np.full(len(cuts), np.nan), 0)
