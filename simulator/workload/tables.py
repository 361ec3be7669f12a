"""Columns of numbers from csv and csv.gz files: fast, bounded in memory, and with the place of every fault.

The csv module is used rather than pandas, whose import alone costs more than reading 100,000 rows.
"""

from __future__ import annotations

import array
import csv
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.errors import Problem, ScenarioError
from simulator.workload.guarded import Unreadable, guarded_text
from simulator.workload.process import Binding, Floats

BLOCK_ROWS = 65_536
MAX_ROWS = 100_000_000
MAX_FAULTS = 5


class Unusable(Exception):
    """A readable file whose contents cannot be used; carries its problems without file and scenario key."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Table:
    """The wanted columns of one file, each a read-only array of finite numbers >= 0."""

    path: Path
    header: tuple[str, ...]
    columns: dict[str, Floats]

    def error(self, row: int, column: str, message: str, binding: Binding, key: str) -> ScenarioError:
        """A problem at data row ``row`` (from 0) of ``column``, placed at its line of the file."""
        place = self.header.index(column)
        problems = (
            _problem(line, place, message, self.header) for line in itertools.islice(_walk(self.path), row, row + 1)
        )
        return _told(list(problems), self.path, binding, key)


def read_columns(name: str, wanted: str, binding: Binding, key: str, *, optional: tuple[str, ...] = ()) -> Table:
    """Read column ``wanted`` (and those of ``optional`` that are there) of the csv or csv.gz file ``name``.

    ``key`` is the scenario key that names the file. A file is read once as long as it does not change.
    """
    path = binding.folder / name
    try:
        return _read(path, wanted, optional, _facts(path))
    except Unreadable as trouble:
        raise binding.error(f"{name}: {trouble}", key) from None
    except Unusable as trouble:
        raise _told(trouble.problems, path, binding, key) from None


def _told(problems: Sequence[Problem], path: Path, binding: Binding, key: str) -> ScenarioError:
    """Problems of a file, each with the file's name and the scenario key that brought us here."""
    whence = f" (named by {binding.dotted(key)})"
    return ScenarioError(
        [
            Problem(
                problem.message + whence,
                str(path),
                problem.line,
                problem.column,
                problem.path,
                problem.source,
            )
            for problem in problems
        ]
    )


def _facts(path: Path) -> tuple[int, ...]:
    """What changes when a regular file does: part of the key under which its numbers are kept."""
    try:
        facts = path.stat()
        if path.is_dir():
            raise Unreadable("is a folder: a csv or csv.gz file is needed")
        if not path.is_file():
            raise Unreadable("is not a regular file: a csv or csv.gz file is needed")
    except FileNotFoundError:
        raise Unreadable(_absent(path)) from None
    except (OSError, ValueError) as trouble:
        raise Unreadable(f"cannot be read ({getattr(trouble, 'strerror', None) or trouble})") from None
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size


def _absent(path: Path) -> str:
    """Message for a missing file, with the nearest name in its folder."""
    try:
        names = [entry.name for entry in itertools.islice(path.parent.iterdir(), 1000)]
    except OSError:
        return f"no such file, nor its folder {path.parent}"
    near = _nearest(path.name, names)
    return "no such file" + (f"; did you mean {near}?" if near else f" in the folder {path.parent}")


def _nearest(name: str, names: Sequence[str]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name, names, n=1)), None)


@functools.lru_cache(maxsize=4)
def _read(path: Path, wanted: str, optional: tuple[str, ...], facts: tuple[int, ...]) -> Table:
    with guarded_text(path) as text:
        rows = _rows(text)
        header = tuple(cell.strip() for cell in next(rows, ()))
        places = _places(header, wanted, optional)
        numbers = {name: array.array("d") for name in places}
        faulty = False
        for block in _blocks(rows):
            faulty = not _extend(numbers, places, block, len(header))
            if faulty:
                break
            if len(numbers[wanted]) > MAX_ROWS:
                raise Unreadable(f"has more than {MAX_ROWS:,} rows: cut it into smaller files")
    if faulty:
        raise Unusable(_faults(path, header, places) or [Problem("changed while it was read: try again")])
    if not len(numbers[wanted]):
        raise Unusable([Problem("has a header but no rows: at least one row is needed", line=2)])
    columns = {name: np.frombuffer(values, dtype=np.float64) for name, values in numbers.items()}
    for column in columns.values():
        column.flags.writeable = False
    return Table(path, header, columns)


def _rows(text: Iterator[str]) -> Iterator[list[str]]:
    """Rows with at least one cell; faults of quoting are faults of the file."""
    reader = csv.reader(text, strict=True)
    try:
        yield from filter(None, reader)
    except csv.Error as trouble:
        message = f"is not well-formed csv ({trouble}): look for a quote that is never closed"
        raise Unusable([Problem(message, line=reader.line_num)]) from None


def _blocks(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while block := list(itertools.islice(rows, BLOCK_ROWS)):
        yield block


def _places(header: tuple[str, ...], wanted: str, optional: tuple[str, ...]) -> dict[str, int]:
    """Where the wanted columns stand in the file."""
    if not header:
        raise Unusable([Problem(f"is empty: a header line with the column {wanted!r} is needed")])
    if wanted not in header:
        raise Unusable([Problem(_no_column(header, wanted), line=1, path=wanted, source=",".join(header))])
    for name in (wanted, *optional):
        if header.count(name) > 1:
            raise Unusable([Problem(f"the column {name!r} stands {header.count(name)} times", line=1, path=name)])
    return {name: header.index(name) for name in (wanted, *optional) if name in header}


def _no_column(header: tuple[str, ...], wanted: str) -> str:
    joined = ",".join(header)
    for mark, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if wanted in (cell.strip() for cell in joined.split(mark)):
            return f"columns are separated by {called}: commas are needed"
    if all(_number(cell) is not None for cell in header):
        return f"the first line holds numbers: a header line with the column {wanted!r} is needed"
    near = _nearest(wanted, header)
    shown = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
    hint = f"did you mean {near!r}? " if near else ""
    return f"no column {wanted!r} among {shown}; {hint}Name the column with `column:`"


def _extend(numbers: dict[str, array.array[float]], places: dict[str, int], block: list[list[str]], width: int) -> bool:
    """Append one block; False when any of its cells cannot be used (which one is found by a second look)."""
    if set(map(len, block)) != {width}:
        return False
    for name, place in places.items():
        cells = [row[place] for row in block]
        if "_" in "".join(cells):  # float() would take 1_000 for a thousand
            return False
        try:
            values = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
        except ValueError:
            return False
        if not (np.isfinite(values).all() and (values >= 0).all()):
            return False
        numbers[name].frombytes(values.tobytes())
    return True


@dataclass(frozen=True, slots=True)
class Line:
    """One data row with its place: what a message needs."""

    number: int
    text: str
    cells: list[str]


class _Counted:
    """Lines of a file, remembering the last one."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines, self.number, self.text = lines, 0, ""

    def __iter__(self) -> Iterator[str]:
        for number, text in enumerate(self.lines, start=1):
            self.number, self.text = number, text
            yield text


def _walk(path: Path) -> Iterator[Line]:
    """Data rows with their places; slow, so only for messages."""
    with guarded_text(path) as text:
        lines = _Counted(text)
        rows = _rows(iter(lines))
        next(rows, None)
        for row in rows:
            yield Line(lines.number, lines.text.rstrip("\r\n"), row)


def _faults(path: Path, header: tuple[str, ...], places: dict[str, int]) -> list[Problem]:
    """The first few faults of a file, row by row."""
    found: list[Problem] = []
    for line in _walk(path):
        if len(line.cells) != len(header):
            cells = "1 cell" if len(line.cells) == 1 else f"{len(line.cells)} cells"
            message = f"{cells} where the header has {len(header)}"
            found.append(Problem(message, line=line.number, source=line.text))
        else:
            faults = ((place, _fault(line.cells[place])) for place in places.values())
            found += [_problem(line, place, message, header) for place, message in faults if message]
        if len(found) >= MAX_FAULTS:
            break
    return found


def _problem(line: Line, place: int, message: str, header: tuple[str, ...]) -> Problem:
    before = sum(len(cell) + 1 for cell in line.cells[:place])
    column = before + 1 if ",".join(line.cells) == line.text else None  # quotes would shift the caret
    return Problem(message, line=line.number, column=column, path=header[place], source=line.text)


def _fault(cell: str) -> str | None:
    """What is wrong with one cell, None when it is a finite number >= 0."""
    value = _number(cell)
    if value is None:
        shown = cell if len(cell) <= 40 else cell[:40] + "..."
        return f"must be a number, got {shown!r}" if cell.strip() else "must be a number, got an empty cell"
    if not np.isfinite(value):
        return f"must be finite, got {cell.strip()}"
    return f"must be at least 0, got {cell.strip()}" if value < 0 else None


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
