"""Which ramp answers which request: exit rows of a model, and where each row leaves in a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.cluster.lower.layers import ModelCosts, placed
from simulator.cluster.lowered import Exits, Ints
from simulator.costs.early_exit import ExitTable, ProfileTable, correct, fires, load_table
from simulator.errors import ScenarioError
from simulator.scenario.deployment import Deployment
from simulator.scenario.exits import ProfileExits

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ModelExits:
    """Exits of one model; ``costs`` tells its layers."""

    costs: ModelCosts

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.costs.layers)

    @property
    def ramps(self) -> tuple[int, ...]:
        """Layers (from 1) that a ramp follows, the last layer never among them."""
        ramps = self.costs.model.ramps
        return () if ramps is None else ramps.layers(self.layers)

    @cached_property
    def table(self) -> ExitTable | ProfileTable | None:
        """Exit rows with one column per ramp and one for the model's end; None when nothing is said of exits."""
        written = self.costs.model.exits
        if written is None:
            return None
        self._check_ramps()
        if isinstance(written, ProfileExits):
            return ProfileTable(written.profile[: len(self.ramps)]) if self.ramps else None
        scenario = self.costs.scenario
        try:
            table = load_table(scenario.source.folder / written.table)
        except ScenarioError as error:
            raise placed(scenario, ("models", self.costs.name, "exits", "table"), error) from None
        if table.exits != len(self.ramps) + 1:
            message = (
                f"has {table.exits} exits, the model {len(self.ramps)} ramps and its end: "
                "say `ramps: after` accordingly"
            )
            raise ScenarioError(scenario.source.problem(("models", self.costs.name, "exits", "table"), message))
        return table

    def _check_ramps(self) -> None:
        """Ramps and profile fit the layers (the loader cannot know them for measured models)."""
        scenario, name = self.costs.scenario, self.costs.name
        broken = self.costs.model.ramp_rules(self.layers)
        problems = [scenario.source.problem(("models", name, *path), message) for path, message in broken]
        if problems:
            raise ScenarioError(problems)

    @cached_property
    def lowered(self) -> Exits | None:
        """Rows of the table as the engines need them."""
        if self.table is None:
            return None
        right = np.full((self.table.rows, self.layers), np.nan)
        known = self.table.correct if isinstance(self.table, ProfileTable) else correct(self.table)
        for column, layer in enumerate((*self.ramps, self.layers)):
            right[:, layer - 1] = known[:, column]
        return Exits(self.table.draw, right)

    @property
    def accuracy_full(self) -> float | None:
        """Share of rows that the whole model answers right, where the table tells."""
        if self.lowered is None or np.isnan(self.lowered.correct[:, -1]).any():
            return None
        return float(self.lowered.correct[:, -1].mean())

    def active(self, deployment: Deployment) -> tuple[int, ...]:
        """Layers whose ramp may answer in this deployment."""
        if deployment.exit_mode == "none":
            return ()
        if deployment.exit_mode == "at_cut":
            cuts = {portion.last for portion in deployment.cuts}
            return tuple(layer for layer in self.ramps if layer in cuts)
        return self.ramps

    def fires(self, deployment: Deployment) -> Bools:
        """Whether the active ramp after each layer answers each row, shape (rows, layers); the last always does."""
        if self.table is None:
            fired = np.zeros((1, self.layers), dtype=bool)
        else:
            fired = np.zeros((self.table.rows, self.layers), dtype=bool)
            active = self.active(deployment)
            columns = [self.ramps.index(layer) for layer in active]
            found = self._found(columns)
            for column, layer in zip(columns, active):
                fired[:, layer - 1] = found[:, column]
        fired[:, -1] = True
        return fired

    def _found(self, columns: list[int]) -> Bools:
        if not isinstance(self.table, ExitTable):
            assert self.table is not None
            return self.table.fires
        written: Any = self.costs.model.exits
        rule = written.rule.model_dump()
        try:
            return fires(self.table, rule, [*columns, self.table.exits - 1])
        except ScenarioError as error:
            raise placed(self.costs.scenario, ("models", self.costs.name, "exits", "rule"), error) from None


def exit_layers(fired: Bools) -> Ints:
    """Layer after which each row leaves: the first that fires."""
    first: Ints = np.argmax(fired, axis=1).astype(np.int64) + 1
    return first


def survival(exits: Exits | None, leave: Ints, first_layer: int, draws: int = 4096) -> float:
    """Share of the requests that still need layer ``first_layer``."""
    if exits is None:
        return 1.0
    rows = exits.draw((np.arange(draws) + 0.5) / draws)
    return float((leave[rows] >= first_layer).mean())
