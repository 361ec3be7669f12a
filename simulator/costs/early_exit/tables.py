"""Exit tables: for every sample what each exit predicted, and how sure it was.

A table is a csv or csv.gz file with a header and one row per sample. Columns, exits counted from 1, the last
one being the whole model: ``conf_1 .. conf_K`` (largest softmax probability, 0..1), ``pred_1 .. pred_K``
(predicted class), or ``preds`` (one digit per exit in one text) instead of the latter; ``label`` (true class)
and ``split`` are optional. At least confidences or predictions are needed; other columns are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit.columns import Columns, open_columns
from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Array = TypeVar("Array", bound=NDArray[Any])


@dataclass(frozen=True, eq=False)
class ExitTable:
    """Measured rows, replayed whole: an input that is hard for one exit is hard for the others too.

    ``confidence`` and ``prediction`` are (rows, exits), ``label`` is (rows,); None where the file has none.
    Treat the arrays as read-only: they are shared.
    """

    confidence: Floats | None
    prediction: Ints | None
    label: Ints | None
    name: str = "table"

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.confidence, self.prediction) if array is not None}
        if len(shapes) != 1:
            raise ScenarioError(
                Problem(f"needs confidences or predictions of one shape, got {sorted(shapes)}", self.name)
            )
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
        array = self.confidence if self.confidence is not None else self.prediction
        assert array is not None
        return array.shape[0], array.shape[1]

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


def load_table(path: Path | str, *, split: str | None = None) -> ExitTable:
    """Read an exit table from csv or csv.gz; ``split`` keeps the rows whose column ``split`` has that value.

    Raises ScenarioError with file, line and column for everything that is wrong, up to 20 problems at once.
    """
    columns = open_columns(Path(path))
    confidences = _numbered(columns, "conf")
    predictions = _numbered(columns, "pred")
    packed = "preds" in columns.cells
    _check_sets(columns, confidences, predictions, packed)
    if split is not None:
        columns = _only(columns, split)
    problems: list[Problem] = []
    confidence = _collect(problems, lambda: _confidences(columns, confidences))
    prediction = _collect(problems, lambda: _predictions(columns, predictions))
    label = _collect(problems, lambda: _labels(columns))
    if problems:
        raise ScenarioError(problems)
    if confidence is not None and prediction is not None and confidence.shape != prediction.shape:
        columns.fail("preds", f"{prediction.shape[1]} exits, but there are {confidence.shape[1]} of conf_k")
    return ExitTable(confidence, prediction, label, name=str(columns.path))


def _collect(problems: list[Problem], read: Callable[[], Array | None]) -> Array | None:
    """What ``read`` gives, or None and its problems added: so that one run reports all of them."""
    try:
        return read()
    except ScenarioError as error:
        problems.extend(error.problems)
        return None


def _numbered(columns: Columns, stem: str) -> list[str]:
    """The columns ``stem_1 .. stem_K`` in the order of the file; gaps and a wrong order are refused."""
    numbers = {name: name[len(stem) + 1 :] for name in columns.cells if name.startswith(f"{stem}_")}
    found = {name: int(digits) for name, digits in numbers.items() if digits.isascii() and digits.isdecimal()}
    odd = [name for name, number in found.items() if name != f"{stem}_{number}" or number == 0]
    if odd:
        columns.fail(odd[0], f"exits count from 1: {stem}_1, {stem}_2, ..")
    missing = [name for name in _names(stem, 1, len(found)) if name not in found]
    if missing:
        columns.fail(None, f"{_missing(missing)} (found {', '.join(found)})")
    wanted = _names(stem, 1, len(found))
    if list(found) != wanted:
        columns.fail(None, f"exits out of order: {', '.join(found)}; write them as {', '.join(wanted)}")
    return wanted


def _names(stem: str, first: int, last: int) -> list[str]:
    return [f"{stem}_{k}" for k in range(first, last + 1)]


def _missing(names: list[str]) -> str:
    return f"missing column{'s' * (len(names) > 1)} {', '.join(names)}"


def _check_sets(columns: Columns, confidences: list[str], predictions: list[str], packed: bool) -> None:
    if not (confidences or predictions or packed):
        found = ", ".join(columns.cells)
        columns.fail(None, f"missing columns conf_1, conf_2, .. or pred_1, pred_2, .. or preds; found: {found}")
    if packed and predictions:
        columns.fail("preds", "give the predictions once: either preds or pred_1, pred_2, ..")
    if confidences and predictions and len(confidences) != len(predictions):
        fewer, more = sorted((confidences, predictions), key=len)
        lacking = _names(fewer[0][:4], len(fewer) + 1, len(more))
        columns.fail(None, f"{_missing(lacking)}: as many conf_k as pred_k are needed")


def _only(columns: Columns, split: str) -> Columns:
    if "split" not in columns.cells:
        columns.fail(None, f"missing column split, needed to select {split!r}")
    kept = [i for i, value in enumerate(columns.cells["split"]) if value == split]
    if not kept:
        known = ", ".join(sorted(set(columns.cells["split"])))
        columns.fail("split", f"no row has split {split!r} (known: {known})")
    return columns.take(kept)


def _confidences(columns: Columns, names: list[str]) -> Floats | None:
    if not names:
        return None
    array = columns.floats(names)
    bad = ~((array >= 0.0) & (array <= 1.0))
    if bad.any():
        columns.fail_cells(names, np.argwhere(bad), "must be a number within 0..1")
    return array


def _predictions(columns: Columns, names: list[str]) -> Ints | None:
    if "preds" in columns.cells:
        return _packed(columns)
    return _whole_numbers(columns, names) if names else None


def _labels(columns: Columns) -> Ints | None:
    return _whole_numbers(columns, ["label"])[:, 0] if "label" in columns.cells else None


def _whole_numbers(columns: Columns, names: list[str]) -> Ints:
    array = columns.floats(names)
    bad = ~(np.isfinite(array) & (array == np.floor(array)) & (np.abs(array) < 2.0**53))
    if bad.any():
        columns.fail_cells(names, np.argwhere(bad), "must be a whole number (a class)")
    return array.astype(np.int64)


def _packed(columns: Columns) -> Ints:
    """``"0110"`` -> 0, 1, 1, 0: one digit per exit, the same number in every row."""
    texts = columns.cells["preds"]
    exits = len(texts[0])
    bad = [i for i, text in enumerate(texts) if len(text) != exits or not (text.isascii() and text.isdecimal())]
    if bad or not exits:
        columns.fail_cells(
            ["preds"],
            _first_column(bad or [0]),
            f"must be {max(exits, 1)} digits, one per exit, as in the first row",
        )
    digits = np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8)
    return (digits.reshape(len(texts), exits) - ord("0")).astype(np.int64)


def _first_column(rows: Iterable[int]) -> Ints:
    return np.array([(row, 0) for row in rows], dtype=np.int64)
