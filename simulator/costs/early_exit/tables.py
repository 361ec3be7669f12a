"""Exit tables: for every sample what each exit predicted, and how sure it was. Files are read by ``reading``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_COLUMNS = {
    "confidence": "columns conf_1, conf_2, ..",
    "prediction": "columns pred_1, pred_2, ..",
    "label": "column label",
    "agrees": "columns agree_1, agree_2, ..",
}


@dataclass(frozen=True, eq=False)
class ExitTable:
    """Measured rows, replayed whole: an input that is hard for one exit is hard for the others too.

    ``confidence``, ``prediction`` and ``agrees`` are (rows, exits), ``label`` is (rows,); None where the file has none.
    ``agrees`` is known only in place of predictions. Treat the arrays as read-only: they are shared.
    """

    confidence: Floats | None
    prediction: Ints | None
    label: Ints | None
    name: str = "table"
    agrees: Bools | None = None

    def __post_init__(self) -> None:
        shapes = {array.shape for array in self._wide if array is not None}
        if len(shapes) != 1:
            raise ScenarioError(
                Problem(f"needs confidences or predictions of one shape, got {sorted(shapes)}", self.name)
            )
        if self.prediction is not None and self.agrees is not None:
            raise ScenarioError(Problem("needs predictions or agreements, not both", self.name))
        (shape,) = shapes
        if len(shape) != 2 or 0 in shape:
            raise ScenarioError(Problem(f"needs at least one row and one exit, got shape {shape}", self.name))
        if self.label is not None and self.label.shape != shape[:1]:
            raise ScenarioError(Problem(f"has {shape[0]} rows but {self.label.shape} labels", self.name))
        if self.confidence is not None and not bool(((self.confidence >= 0) & (self.confidence <= 1)).all()):
            raise ScenarioError(Problem("a confidence is not within 0..1", self.name))

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(rows, exits)."""
        array = next(array for array in self._wide if array is not None)
        return array.shape[0], array.shape[1]

    @property
    def _wide(self) -> tuple[Floats | None, Ints | None, Bools | None]:
        return self.confidence, self.prediction, self.agrees

    @property
    def rows(self) -> int:
        """Number of samples."""
        return self.shape[0]

    @property
    def exits(self) -> int:
        """Number of exits, the whole model included."""
        return self.shape[1]

    def draw(self, uniform: Floats) -> Ints:
        """Row of each request: ``floor(uniform * rows)``, uniform in [0, 1)."""
        return (np.asarray(uniform) * self.rows).astype(np.int64)

    def only(self, exits: Sequence[int]) -> ExitTable:
        """Only these exits, counted from 0, in this order; the last must stay the last, as the whole model."""
        columns = list(exits)
        if not columns or columns[-1] != self.exits - 1:
            raise ScenarioError(Problem("the last exit, the whole model, cannot be left out", self.name))
        return ExitTable(
            None if self.confidence is None else self.confidence[:, columns],
            None if self.prediction is None else self.prediction[:, columns],
            self.label,
            self.name,
            None if self.agrees is None else self.agrees[:, columns],
        )

    def take(self, rows: Ints) -> ExitTable:
        """Only these rows, in this order."""
        return ExitTable(
            None if self.confidence is None else self.confidence[rows],
            None if self.prediction is None else self.prediction[rows],
            None if self.label is None else self.label[rows],
            self.name,
            None if self.agrees is None else self.agrees[rows],
        )


def joined(tables: Sequence[ExitTable]) -> ExitTable:
    """The rows of several tables one after another; they must tell the same of the same number of exits.

    >>> half = ExitTable(np.full((2, 3), 0.5), None, None)
    >>> joined([half, half, half]).shape
    (6, 3)
    """
    first = tables[0]
    for table in tables[1:]:
        if table.exits != first.exits:
            message = f"has {table.exits} exits, but {first.name} has {first.exits}: a mix needs the same exits"
            raise ScenarioError(Problem(message, table.name))
        for what, columns in _COLUMNS.items():
            has, wanted = getattr(table, what) is not None, getattr(first, what) is not None
            if has != wanted:
                lacking, having = (first, table) if has else (table, first)
                raise ScenarioError(Problem(f"has no {columns}, but {having.name} has", lacking.name))
    if len(tables) == 1:
        return first
    return ExitTable(
        _stacked([table.confidence for table in tables]),
        _stacked([table.prediction for table in tables]),
        _stacked([table.label for table in tables]),
        " + ".join(table.name for table in tables),
        _stacked([table.agrees for table in tables]),
    )


def _stacked(arrays: Sequence[NDArray[Any] | None]) -> Any:
    """The arrays one below the other; None where there are none."""
    known = [array for array in arrays if array is not None]
    return np.concatenate(known) if known else None
