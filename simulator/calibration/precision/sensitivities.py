"""Accuracy by adding up: a table of what each layer at each precision costs alone, measured by somebody.

A csv file with a row per layer and precision and the columns

``layer``, ``precision``
    names; layers in the order of the network
``accuracy_loss``
    accuracy lost when that layer alone is at that precision, or
``accuracy``
    the accuracy that is left then
``weights`` (optional)
    how many weights the layer has, for costs by bits

Rows of the reference precision are optional; with ``accuracy`` they say that of the unchanged network.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from simulator.calibration.precision.problem import Config
from simulator.errors import Problem, ScenarioError
from simulator.files import read_table_text

LARGEST = 64 * 2**20
COLUMNS = ("layer", "precision", "accuracy_loss", "accuracy", "weights")
Row = tuple[int, dict[str, str]]
Pair = tuple[str, str]


@dataclass(frozen=True)
class TableAccuracy:
    """``reference_accuracy`` less the ``losses`` of all layers: a prediction, as losses rarely add up exactly.

    >>> table = TableAccuracy(("a", "b"), {("a", "int8"): 0.01, ("b", "int8"): 0.02}, 0.9)
    >>> round(table(("int8", "int8")), 6), round(table(("fp32", "int8")), 6)
    (0.87, 0.88)
    """

    layers: tuple[str, ...]
    losses: Mapping[Pair, float]
    reference_accuracy: float
    weights: Mapping[str, int] | None = None
    predicted: bool = True

    @property
    def identity(self) -> str:
        """Hash of the accuracies; those of layers that are not asked for count too."""
        known = [[*pair, loss] for pair, loss in sorted(self.losses.items())]
        return hashlib.sha256(json.dumps([self.reference_accuracy, known]).encode()).hexdigest()

    def __call__(self, config: Config) -> float:
        """Add up; precisions without a loss are the reference."""
        return self.reference_accuracy - math.fsum(self.losses.get(pair, 0.0) for pair in zip(self.layers, config))

    def precisions(self, layer: str) -> tuple[str, ...]:
        """Precisions of a layer that have a loss, in the order of the file."""
        return tuple(name for found, name in self.losses if found == layer)


def read_sensitivities(path: Path, reference: str = "fp32", reference_accuracy: float | None = None) -> TableAccuracy:
    """Read and check a table; ``reference_accuracy`` is needed when the table does not tell it."""
    rows = list(_rows(path))
    values: dict[Pair, tuple[int, float]] = {}
    column = "accuracy_loss" if rows and "accuracy_loss" in rows[0][1] else "accuracy"
    for line, row in rows:
        pair = row["layer"], row["precision"]
        if not all(pair):
            raise _wrong(path, line, "layer and precision must not be empty")
        if pair in values:
            raise _wrong(path, line, f"{pair[0]} at {pair[1]} is there already, in line {values[pair][0]}")
        values[pair] = line, _number(path, line, column, row[column])
    if not values:
        raise ScenarioError(Problem("has no rows", str(path)))
    base = _base(path, values, column, reference, reference_accuracy)
    layers = tuple(dict.fromkeys(layer for layer, _ in values))
    others = {pair: value for pair, (_, value) in values.items() if pair[1] != reference}
    losses = others if column == "accuracy_loss" else {pair: base - value for pair, value in others.items()}
    return TableAccuracy(layers, losses, base, _weights(path, rows))


def _base(
    path: Path, values: Mapping[Pair, tuple[int, float]], column: str, reference: str, given: float | None
) -> float:
    told = {value: line for (_, name), (line, value) in values.items() if name == reference}
    if column == "accuracy_loss":
        for value, line in told.items():
            if value != 0:
                raise _wrong(path, line, f"the reference {reference} loses nothing, got {value:g}", column)
        told = {}
    if len(told) > 1:
        first, second = list(told)[:2]
        message = f"rows of the reference {reference} must agree, got {first:g} and {second:g}"
        raise _wrong(path, told[second], message, column)
    if given is not None:
        return given
    if told:
        return next(iter(told))
    message = f"the accuracy at {reference} is not known: give --reference-accuracy"
    if column == "accuracy":
        message += f", or a row with precision {reference}"
    raise ScenarioError(Problem(message, str(path)))


def _weights(path: Path, rows: list[Row]) -> dict[str, int] | None:
    if "weights" not in rows[0][1]:
        return None
    found: dict[str, int] = {}
    for line, row in rows:
        cell = row["weights"]
        count = int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 16 else 0
        if not count:
            raise _wrong(path, line, f"must be a whole number of at least 1, got {cell!r}", "weights")
        if found.setdefault(row["layer"], count) != count:
            raise _wrong(path, line, f"layer {row['layer']} had {found[row['layer']]} weights before", "weights")
    return found


def _rows(path: Path) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(read_table_text(path, LARGEST), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise _wrong(path, reader.line_num, f"has {len(cells)} cells, the header has {len(header)}")
            row = dict(zip(header, (cell.strip() for cell in cells)))
            yield reader.line_num, {name: row[name] for name in COLUMNS if name in row}
    except csv.Error as error:
        raise _wrong(path, reader.line_num, f"is not a csv file: {error}") from None


def _check_header(path: Path, header: list[str]) -> None:
    for name in ("layer", "precision"):
        if name not in header:
            message = f"column `{name}` is missing; columns are layer, precision, accuracy_loss (or accuracy), weights"
            raise _wrong(path, 1, message)
    if ("accuracy_loss" in header) == ("accuracy" in header):
        raise _wrong(path, 1, "needs a column `accuracy_loss` or a column `accuracy`, one of them")
    for name in COLUMNS:
        if header.count(name) > 1:
            raise _wrong(path, 1, f"column `{name}` is given twice")


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = math.nan if "_" in cell else float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _wrong(path, line, f"must be a finite number, got {cell!r}", column)
    return value


def _wrong(path: Path, line: int, message: str, column: str | None = None) -> ScenarioError:
    return ScenarioError(Problem(message, str(path), line, path=column))
