"""A twin beside a service: which requests it is sure of, and whether its answers are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.cluster.lower.exits import ModelExits
from simulator.cluster.lower.layers import placed
from simulator.cluster.lowered import Bools, Floats, Service, Twin
from simulator.costs.early_exit import ExitTable, RowSource, load_table, make_rule
from simulator.errors import Problem, ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.twin import Twin as Written


@dataclass(frozen=True, eq=False)
class TwinAnswers:
    """What a twin says of every row, at 16 bits: the fields as those of :class:`Twin`."""

    sure: Bools | None
    correct: Floats | None
    share: float

    @property
    def accuracy(self) -> float | None:
        """Share of the rows that it answers right, sure or not; None where nobody knows."""
        return None if self.correct is None or np.isnan(self.correct).any() else float(self.correct.mean())

    def given_by(self, service: Service) -> Twin:
        """The answers of a twin lowered as ``service``, less what its number formats cost."""
        correct, told = self.correct, service.deployments[0].correct
        if correct is not None and told is not None and self.accuracy:
            correct = correct * (told[0, -1] / self.accuracy)
        return Twin(service, self.sure, correct, self.share)


def answers_of(scenario: Scenario, name: str, written: Written, exits: ModelExits) -> TwinAnswers:
    """What the twin of service ``name`` says; ``exits`` are those of the main network's model."""
    if written.share is not None:
        return TwinAnswers(None, None, written.share)
    assert written.table is not None
    assert written.rule is not None
    assert exits.source is not None
    here = ("services", name, "twin")
    key = "table"
    try:
        table = load_table(scenario.source.folder / written.table, split=written.split)
        _check_aligned(table, exits.source.table)
        key = "rule"
        fired = _fires(table, written.rule.model_dump())
    except ScenarioError as error:
        raise placed(scenario, (*here, key), error) from None
    answering = np.argmax(fired, axis=1)  # the first exit that is sure; its prediction is the twin's answer
    sure: Bools = np.any(fired, axis=1)
    correct = np.full(table.rows, np.nan)
    if table.prediction is not None and table.label is not None:
        correct[:] = table.prediction[np.arange(table.rows), answering] == table.label
    return TwinAnswers(sure, correct, _share(exits.source.rows, sure))


def _share(rows: RowSource, sure: Bools) -> float:
    return min(1.0, float(rows.weights(0.0) @ sure))


def _check_aligned(table: ExitTable, main: object) -> None:
    """Row n of both tables is the same input, as far as that can be told."""
    assert isinstance(main, ExitTable)
    if table.rows != main.rows:
        message = f"has {table.rows} rows, the model's exit table {main.rows}: row n of both must be the same input"
        raise ScenarioError(Problem(message, table.name))
    if table.label is None or main.label is None:
        return
    differ = np.flatnonzero(table.label != main.label)
    if differ.size:
        message = (
            f"row {differ[0] + 1} has label {table.label[differ[0]]}, in the model's exit table {main.label[differ[0]]}"
            ": row n of both must be the same input"
        )
        raise ScenarioError(Problem(message, table.name))


def _fires(table: ExitTable, rule: dict[str, object]) -> Bools:
    """(rows, exits): where the twin is sure. Its last exit is asked like the others: behind it is the main network."""
    for name, value in rule.items():
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) != table.exits:
            message = f"rule {name}: {len(value)} thresholds, the twin has {table.exits} exits and needs one for each"
            raise ScenarioError(Problem(message, table.name))
    return make_rule(rule).fires(table, np.arange(table.exits))
