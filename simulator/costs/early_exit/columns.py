"""A csv file as named columns of text, each cell with its line: what exit tables are checked against."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError
from simulator.files import read_table_text


@dataclass(frozen=True, slots=True)
class Columns:
    """``cells[name][i]`` is the text of row i, found at line ``lines[i]`` of the file."""

    path: Path
    cells: dict[str, list[str]]
    lines: list[int]

    def fail(self, column: str | None, message: str) -> NoReturn:
        """Refuse the file as a whole, or one column of it."""
        raise ScenarioError(Problem(message, file=str(self.path), line=1, path=column))

    def fail_cells(self, names: Sequence[str], places: Iterable[Sequence[int]], rule: str) -> NoReturn:
        """Refuse single cells: ``places`` are (row, index into ``names``)."""
        problems = []
        for row, index in places:
            text = self.cells[names[index]][row]
            got = repr(text) if text.strip() else "nothing"
            problems.append(Problem(f"{rule}, got {got}", file=str(self.path), line=self.lines[row], path=names[index]))
        raise ScenarioError(problems)

    def floats(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The named columns as (rows, columns) numbers; every cell that is no number is reported."""
        texts = [self.cells[name] for name in names]
        try:
            return np.array(texts, dtype=np.float64).T.copy()
        except ValueError:
            places = ((row, k) for row in range(len(self.lines)) for k in range(len(names)))
            bad = [(row, k) for row, k in places if not _number(texts[k][row])]
            self.fail_cells(names, bad, "must be a number")

    def take(self, rows: Sequence[int]) -> Columns:
        """Only these rows, in this order."""
        cells = {name: [texts[row] for row in rows] for name, texts in self.cells.items()}
        return Columns(self.path, cells, [self.lines[row] for row in rows])


def _number(text: str) -> bool:
    try:
        np.float64(text)
    except ValueError:
        return False
    return True


def open_columns(path: Path) -> Columns:
    """Read a csv or csv.gz file with a header; refuse with a ScenarioError whatever is no such file."""
    return columns_of(path, read_table_text(path))


def columns_of(path: Path, text: str) -> Columns:
    """The same for a file whose text is known."""
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise _refused(path, f"is not a csv file: {error}") from None
    if not rows:
        raise _refused(path, "is empty, expected a header and at least one row")
    header = [name.strip() for name in rows[0][1]]
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise _refused(path, f"repeated column{'s' * (len(repeated) > 1)} {', '.join(repeated)}", line=1)
    if len(rows) == 1:
        raise _refused(path, "has a header but no rows", line=1)
    lines, cells = zip(*rows[1:])
    _check_widths(path, lines, cells, len(header))
    return Columns(path, dict(zip(header, map(list, zip(*cells)))), list(lines))


def _check_widths(path: Path, lines: Sequence[int], cells: Sequence[Sequence[str]], width: int) -> None:
    problems = [
        Problem(f"{len(row)} fields, but the header has {width}", file=str(path), line=line)
        for line, row in zip(lines, cells)
        if len(row) != width
    ]
    if problems:
        raise ScenarioError(problems)


def _refused(path: Path, message: str, line: int | None = None) -> ScenarioError:
    return ScenarioError(Problem(message, file=str(path), line=line))
