"""Which ramp answers which request: exit rows of a model, and where each row leaves in a deployment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulator.cluster.lower.layers import ModelCosts, placed
from simulator.cluster.lower.precision import AccuracyLoss, Served, kept, untold
from simulator.cluster.lowered import Exits, Floats, Ints
from simulator.costs.early_exit.sources import ExitSource, source_of
from simulator.errors import Problem, ScenarioError
from simulator.scenario.deployment import Deployment
from simulator.scenario.exits import ExitRule, ProfileExits

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ModelExits:
    """Exits of one model; ``costs`` tells its layers, ``told`` the accuracy of a model whose rows are elsewhere."""

    costs: ModelCosts
    told: float | None = None
    _fired: list[tuple[tuple[int, ...], ExitRule | None, Bools]] = field(default_factory=list)

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
    def source(self) -> ExitSource | None:
        """Exit rows with one exit per ramp and one for the model's end; None when nothing is said of exits.

        Where a router chooses exits, these are pairs (row, chosen exit): whoever works on rows needs not know of it.
        """
        written = self.costs.model.exits
        if written is None:
            return None
        self._check_ramps()
        return source_of(written, self.costs.scenario.source.folder, self.ramps, self.layers, self._placed)

    def _placed(self, path: tuple[str, ...], error: ScenarioError) -> ScenarioError:
        return placed(self.costs.scenario, ("models", self.costs.name, "exits", *path), error)

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
        return None if self.source is None else Exits(self.source.rows, self.source.correct)

    @property
    def accuracy_full(self) -> float | None:
        """Share of requests that the whole model answers right, as they are mixed at the start, where rows tell."""
        if self.lowered is None or np.isnan(self.lowered.correct[:, -1]).any():
            return None
        return float(self.lowered.rows.weights(0.0) @ self.lowered.correct[:, -1])

    @cached_property
    def loss(self) -> AccuracyLoss | None:
        """What number formats take from the right answers, where the model says it."""
        written = self.costs.model.accuracy
        if written is None:
            return None
        loss = AccuracyLoss(written, self.costs.names)
        try:
            _ = loss.by_precision
        except ScenarioError as error:
            here = ("models", self.costs.name, "accuracy", "loss")
            raise placed(self.costs.scenario, here, error) from None
        return loss

    @cached_property
    def full(self) -> float | None:
        """Accuracy of the whole model: as written, else as the rows tell."""
        if self.told is not None:
            return self.told
        written = self.costs.model.accuracy
        here = ("models", self.costs.name, "accuracy")
        if written is not None and written.full is not None:
            if self.accuracy_full is not None:
                message = f"goes not with exit rows that tell it: they say {self.accuracy_full:.4g}; remove `full`"
                raise ScenarioError(self.costs.scenario.source.problem((*here, "full"), message))
            return written.full
        if written is not None and self.accuracy_full is None:
            message = "needs `full`, the share of right answers of the whole model: no exit rows tell it"
            raise ScenarioError(self.costs.scenario.source.problem(here, message))
        return self.accuracy_full

    def answers(self, whole: bool = False) -> Floats | None:
        """Right answers as :meth:`right_answers` has them, before number formats take their part."""
        full = self.full
        right = None if self.lowered is None or self.told is not None else self.lowered.correct
        if right is None and full is not None:
            right = np.full((1, self.layers), np.nan)
            right[0, -1] = full
        elif right is not None and full is not None and whole and np.isnan(right[:, -1]).any():
            right = right.copy()
            right[:, -1] = full
        return right

    def right_answers(
        self, portions: Sequence[Sequence[Served]], whole: bool = False
    ) -> tuple[Floats | None, set[str]]:
        """Expected correctness of answers by (row, layer) with these portions, and formats of unknown cost.

        None where nothing is known of right answers. ``whole``: all requests run to the end, so that the accuracy of
        the whole model says all there is to know where the rows say nothing.
        """
        full, loss = self.full, self.loss
        right = self.answers(whole)
        if right is None or np.isnan(right).all():
            return right, set()
        unknown = untold(loss, portions)
        if loss is None or full is None:
            return right, unknown
        return right * kept(loss, full, portions), unknown

    def active(self, deployment: Deployment) -> tuple[int, ...]:
        """Layers whose ramp may answer in this deployment."""
        if deployment.exit_mode == "none":
            return ()
        if deployment.exit_mode == "at_cut":
            cuts = {portion.last for portion in deployment.cuts}
            return tuple(layer for layer in self.ramps if layer in cuts)
        if deployment.ramps is not None:
            return tuple(layer for layer in self.ramps if layer in deployment.ramps)
        return self.ramps

    def fires(self, deployment: Deployment) -> Bools:
        """Whether the active ramp after each layer answers each row, shape (rows, layers); the last always does.

        The same array wherever the same ramps run by the same rule.
        """
        active, rule = self.active(deployment), deployment.rule
        for ramps, by, fired in self._fired:
            if (ramps, by) == (active, rule):
                return fired
        fired = self._fires(active, rule)
        self._fired.append((active, rule, fired))
        return fired

    def _fires(self, active: tuple[int, ...], written: ExitRule | None) -> Bools:
        if self.source is None:
            fired = np.zeros((1, self.layers), dtype=bool)
            fired[:, -1] = True
            return fired
        rule = None if written is None else written.model_dump()
        try:
            return self.source.fires(active, rule)
        except ScenarioError as error:
            if rule is not None:
                raise
            raise self._placed(("rule",), error) from None

    def unfit(self, deployment: Deployment) -> Iterator[Problem]:
        """What a deployment says of ramps or of their rule that this model cannot do; the path is the key."""
        written = self.costs.model.exits
        if deployment.ramps is not None:
            lacking = next((layer for layer in deployment.ramps if layer not in self.ramps), None)
            if lacking is not None:
                known = ", ".join(map(str, self.ramps)) or "none"
                yield Problem(f"there is no ramp after layer {lacking}: the model's ramps follow {known}", path="ramps")
        if deployment.rule is None or written is None:
            return
        if isinstance(written, ProfileExits):
            yield Problem("goes not with exits that are a profile: it says who leaves, no rule decides", path="rule")
        elif written.router is not None:
            yield Problem("goes not with a model whose exits a `router` chooses before they run", path="rule")
        else:
            try:
                self.fires(deployment)
            except ScenarioError as error:
                yield from (Problem(problem.message, path="rule") for problem in error.problems)


def exit_layers(fired: Bools) -> Ints:
    """Layer after which each row leaves: the first that fires."""
    first: Ints = np.argmax(fired, axis=1).astype(np.int64) + 1
    return first


def survival(exits: Exits | None, leave: Ints, first_layer: int, at_s: float = 0.0) -> float:
    """Share of the requests that arrive at an instant [s] and still need layer ``first_layer``."""
    if exits is None:
        return 1.0
    return min(1.0, float(exits.rows.weights(at_s) @ (leave >= first_layer)))
