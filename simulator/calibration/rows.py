"""Reading a file of measured rows: CSV or gzipped CSV, every problem with its line and column."""

from __future__ import annotations

import csv
import difflib
import gzip
import hashlib
import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.errors import MAX_PROBLEMS, Problem, ScenarioError

MAX_BYTES = 256 * 2**20
MAX_ROWS = 2_000_000
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LARGEST_CELL = 4096


@dataclass(frozen=True, slots=True)
class Rows:
    """The cells of a file as text, by column, with the line each row stands on."""

    file: str
    name: str
    sha256: str
    columns: dict[str, list[str]]
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lines)

    def problem(self, message: str, row: int | None = None, column: str | None = None) -> Problem:
        """A problem with one cell, one column or the file."""
        return Problem(message, self.file, 1 if row is None else int(self.lines[row]), path=column)

    def require(self, column: str, option: str | None = None) -> str:
        """``column`` if the file has it, else an error that offers the nearest name."""
        if column in self.columns:
            return column
        what = f"no column {column!r}" + (f" (asked by {option})" if option else "")
        raise ScenarioError(Problem(f"{what}{nearest(column, list(self.columns))}", self.file, 1, path=column))

    def numbers(self, column: str, *, whole: bool = False) -> NDArray[np.float64]:
        """A column of positive finite numbers (``whole``: integers). All bad cells are told at once."""
        cells = self.columns[column]
        try:
            found = np.array(cells, dtype=np.float64)
        except ValueError:
            found = None
        if found is not None and not any("_" in cell for cell in cells):
            good = np.isfinite(found) & (found > 0)
            if whole:
                good &= found == np.floor(found)
            if good.all():
                return found
        raise ScenarioError(self._bad_cells(column, cells, whole))

    def _bad_cells(self, column: str, cells: Sequence[str], whole: bool) -> list[Problem]:
        problems = []
        for row, cell in enumerate(cells):
            message = _wrong(cell, whole)
            if message:
                problems.append(self.problem(message, row, column))
            if len(problems) > MAX_PROBLEMS:
                break
        return problems


def _wrong(cell: str, whole: bool) -> str | None:
    """What is wrong with one cell that should hold a positive number."""
    wanted = "a whole number of at least 1" if whole else "a positive number"
    if not cell:
        return f"the cell is empty, must be {wanted}: remove the row or measure it again"
    try:
        value = float(cell) if "_" not in cell else math.nan
    except ValueError:
        return f"must be {wanted}, got {cell[:40]!r}: write the number alone, with a point, without a unit"
    if not math.isfinite(value) or value <= 0 or (whole and value != math.floor(value)):
        return f"must be {wanted}, got {cell[:40]}: remove the row or measure it again"
    return None


def nearest(name: str, known: Sequence[str]) -> str:
    """`` (did you mean x?)`` or the list of what there is."""
    folded = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), folded, 1)
    if near:
        return f": did you mean {folded[near[0]]!r}?"
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return f": the columns are {shown}"


def read_rows(path: str | Path) -> Rows:
    """Read a CSV file with a header row; raises ``ScenarioError`` with the place of what is wrong."""
    path = Path(path)
    data = _read_bytes(path)
    text = _decode(path, data)
    header, body, lines = _parse(path, text)
    _check_header(path, header, text)
    if not body:
        raise ScenarioError(Problem("has a header but no rows: add at least two measured rows", str(path), 1))
    columns = {name: [row[i].strip() for row in body] for i, name in enumerate(header)}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Rows(str(path), path.name, digest, columns, np.array(lines, dtype=np.int64))


def _fail(path: Path, message: str, line: int | None = None) -> ScenarioError:
    return ScenarioError(Problem(message, str(path), line))


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise _fail(path, "is a folder: name the CSV file in it")
    if not path.exists():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, 1)
        raise _fail(path, "no such file" + (f": did you mean {near[0]!r}?" if near else ""))
    if not path.is_file():
        raise _fail(path, "is not a regular file: give a CSV file")
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        if path.suffix == ".gz" and not packed and path.stat().st_size:
            raise _fail(path, "is named .gz but is not gzip data: rename it to .csv or compress it again")
        with gzip.open(path) if packed else path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _fail(path, "the gzip data is damaged or cut off: compress or copy the file again") from error
    except OSError as error:
        raise _fail(path, f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise _fail(path, f"holds more than {MAX_BYTES >> 20} MiB: split it into several files")
    return data


def _decode(path: Path, data: bytes) -> str:
    if not data.strip():
        raise _fail(path, "is empty: it must hold a header and at least two measured rows")
    if data.startswith(_UTF16):
        raise _fail(path, "is UTF-16 text: save it as UTF-8", 1)
    if b"\x00" in data[:65536]:
        raise _fail(path, "is not text (it holds zero bytes): give a CSV file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _fail(path, f"is not UTF-8 text (byte 0x{data[error.start]:02x}): save it as UTF-8", line) from error
    return text


def _parse(path: Path, text: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and the line number of each row; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    body: list[list[str]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    try:
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            if not header:
                header = [cell.strip() for cell in row]
            elif len(row) != len(header):
                message = f"has {len(row)} cells where the header has {len(header)}"
                problems.append(Problem(message, str(path), reader.line_num))
            else:
                body.append(row)
                lines.append(reader.line_num)
            if len(body) > MAX_ROWS or len(problems) > MAX_PROBLEMS:
                break
    except csv.Error as error:
        raise _fail(path, f"is not CSV: {error}", reader.line_num) from error
    if problems:
        raise ScenarioError(problems)
    if len(body) > MAX_ROWS:
        raise _fail(path, f"has more than {MAX_ROWS:,} rows: split it into several files")
    return header, body, lines


def _check_header(path: Path, header: list[str], text: str) -> None:
    shown = [name[:60] for name in header]
    if len(header) == 1:
        first = text.splitlines()[0]
        for delimiter, what in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if delimiter in first:
                raise _fail(path, f"separates its cells with {what}: save it with commas", 1)
    for name in header:
        if len(name) > _LARGEST_CELL or not name.isprintable():
            raise _fail(path, "the first line is not a header of column names", 1)
    if "" in header:
        raise _fail(path, f"column {header.index('') + 1} of the header has no name: name or remove it", 1)
    if all(_is_number(name) for name in header):
        names = ", ".join(shown[:6])
        raise _fail(path, f"the first line holds numbers ({names}): it must name the columns", 1)
    for position, name in enumerate(header):
        if name in header[:position]:
            first_place = header.index(name) + 1
            message = f"appears twice in the header (columns {first_place} and {position + 1}): rename one"
            raise ScenarioError(Problem(message, str(path), 1, path=name))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
