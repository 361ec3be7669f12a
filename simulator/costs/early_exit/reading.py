"""Exit tables read from files: for every sample what each exit predicted, and how sure it was.

A table is a csv or csv.gz file with a header and one row per sample. Columns, exits counted from 1, the last
one being the whole model: ``conf_1 .. conf_K`` (largest softmax probability, 0..1), ``pred_1 .. pred_K``
(predicted class), or ``preds`` (one digit per exit in one text), or ``agree_1 .. agree_K`` (1 where the exit predicts
what the last one does, else 0) instead of the latter; ``label`` (true class) and ``split`` are optional. At least
confidences, predictions or agreements are needed; other columns are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit.columns import Columns, columns_of
from simulator.costs.early_exit.tables import Bools, ExitTable, Floats, Ints
from simulator.errors import Problem, ScenarioError
from simulator.files import read_table_text

Array = TypeVar("Array", bound=NDArray[Any])
MOST_REMEMBERED = 2**22
"""Longest text whose table is kept for the next time it is read."""


def load_table(path: Path | str, *, split: str | None = None) -> ExitTable:
    """Read an exit table from csv or csv.gz; ``split`` keeps the rows whose column ``split`` has that value.

    Raises ScenarioError with file, line and column for everything that is wrong, up to 20 problems at once. The text
    is read anew each time; what the last few texts say is remembered, unless they are large.
    """
    path = Path(path)
    text = read_table_text(path)
    return (_remembered if len(text) <= MOST_REMEMBERED else _parsed)(path, text, split)


def _parsed(path: Path, text: str, split: str | None) -> ExitTable:
    columns = columns_of(path, text)
    confidences = numbered(columns, "conf")
    predictions = numbered(columns, "pred")
    agreements = numbered(columns, "agree")
    packed = "preds" in columns.cells
    _check_sets(columns, confidences, predictions, agreements, packed)
    if split is not None:
        columns = only_split(columns, split)
    problems: list[Problem] = []
    confidence = _collect(problems, lambda: _confidences(columns, confidences))
    prediction = _collect(problems, lambda: _predictions(columns, predictions))
    agrees = _collect(problems, lambda: _agreements(columns, agreements))
    label = _collect(problems, lambda: _labels(columns))
    if problems:
        raise ScenarioError(problems)
    if confidence is not None and prediction is not None and confidence.shape != prediction.shape:
        columns.fail("preds", f"{prediction.shape[1]} exits, but there are {confidence.shape[1]} of conf_k")
    return ExitTable(confidence, prediction, label, str(columns.path), agrees)


_remembered = lru_cache(maxsize=8)(_parsed)


def _collect(problems: list[Problem], read: Callable[[], Array | None]) -> Array | None:
    """What ``read`` gives, or None and its problems added: so that one run reports all of them."""
    try:
        return read()
    except ScenarioError as error:
        problems.extend(error.problems)
        return None


def numbered(columns: Columns, stem: str) -> list[str]:
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


def _check_sets(
    columns: Columns, confidences: list[str], predictions: list[str], agreements: list[str], packed: bool
) -> None:
    if not (confidences or predictions or agreements or packed):
        found = ", ".join(columns.cells)
        columns.fail(None, f"missing columns conf_1, conf_2, .. or pred_1, pred_2, .. or preds; found: {found}")
    if packed and predictions:
        columns.fail("preds", "give the predictions once: either preds or pred_1, pred_2, ..")
    if agreements and (packed or predictions):
        columns.fail(agreements[0], "agreements follow from the predictions: leave out one of the two")
    answers = predictions or agreements
    if confidences and answers and len(confidences) != len(answers):
        fewer, more = sorted((confidences, answers), key=len)
        lacking = _names(fewer[0].rpartition("_")[0], len(fewer) + 1, len(more))
        stem = answers[0].rpartition("_")[0]
        columns.fail(None, f"{_missing(lacking)}: as many conf_k as {stem}_k are needed")


def only_split(columns: Columns, split: str) -> Columns:
    """The rows whose column ``split`` has that value; refused where there are none."""
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


def _agreements(columns: Columns, names: list[str]) -> Bools | None:
    if not names:
        return None
    array = columns.floats(names)
    bad = (array != 0.0) & (array != 1.0)
    bad[:, -1] |= array[:, -1] != 1.0
    if bad.any():
        columns.fail_cells(names, np.argwhere(bad), "must be 1 (agrees with the last exit) or 0, the last one 1")
    agrees: Bools = array == 1.0
    return agrees


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
