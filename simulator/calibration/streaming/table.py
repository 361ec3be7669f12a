"""What the columns of measured streamed steps mean: groups of rows of one machine and one way of running."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.columns import UNITS, unit_of
from simulator.calibration.rows import Rows
from simulator.costs.streaming.law import FORWARD_SHARE, kept_at_turn
from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIZES = ("group_or_batch", "group", "microbatches", "batch", "batch_size", "k")
TOKENS = ("seq_len", "tokens", "sequence")
BYTES = {"gb_moved_per_step": 1e9, "bytes_moved_per_step": 1.0, "step_bytes": 1.0}
LOADS = "layer_loads_per_step"
COPIES = "copies_per_step"
NOTES = ("note", "notes", "comment", "remark", "date", "timestamp")
MOST_LAYERS = 10_000
"""More are no model: the recurrence goes through every layer."""
DISTURBED = 0.05
"""Rounds further apart than 5 % of the faster: something else ran in the slower, and the faster counts alone."""
_TIME = re.compile(r"^(step|seconds|time|duration|latency)(_|$)")
_ROUND = re.compile(r"^step_(s|ms|us)_")
_NO_READ = "noread"
_READ = "read"


@dataclass(frozen=True, slots=True)
class Steps:
    """The rows of one group, as arrays. ``items``: microbatches of ``item_tokens`` tokens in a visit.

    ``reads``: False where the transfers were left out (arm ``noread``), so the row tells the compute alone.
    """

    key: tuple[str, ...]
    where: Ints
    items: Floats
    seconds: Floats
    reads: NDArray[np.bool_]
    step_bytes: Floats
    copies: Floats
    layers: int
    loads: int
    slots: int
    forward_share: float
    item_tokens: float | None

    def __len__(self) -> int:
        return len(self.where)

    def part(self, chosen: NDArray[np.bool_]) -> Steps:
        """Only some rows."""
        arrays = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        rest = {name: getattr(self, name) for name in self.__slots__ if name not in _ARRAYS}
        return Steps(**arrays, **rest)


_ARRAYS = ("where", "items", "seconds", "reads", "step_bytes", "copies")


@dataclass(frozen=True, slots=True)
class Table:
    """All groups of a file, and the names of its columns for the result."""

    groups: tuple[Steps, ...]
    group_by: tuple[str, ...]
    time_column: str
    unit: str


def read_table(rows: Rows) -> Table:
    """Understand a file of measured steps; raises ``ScenarioError`` with the place of what is wrong."""
    size = _need(rows, SIZES, "the microbatches of a visit")
    layers = _need(rows, ("layers",), "the number of layers")
    times = _time_columns(rows)
    unit = unit_of(times[0]) or "s"
    names = _names(rows, {size, layers, *times})
    keys = [tuple(_plain(rows, column, row) for column in names) for row in range(len(rows))]
    seconds = _seconds(rows, times) * UNITS[unit]
    found = [
        _steps(rows, key, picked, seconds, rows.numbers(size), rows.numbers(layers, whole=True))
        for key, picked in _families(rows, names, keys).items()
    ]
    return Table(tuple(found), (*names, layers), ", ".join(times), unit)


def _need(rows: Rows, names: Sequence[str], what: str) -> str:
    for name in names:
        if name in rows.columns:
            return name
    raise ScenarioError(rows.problem(f"kind streaming needs a column {names[0]!r}: {what}"))


def _time_columns(rows: Rows) -> list[str]:
    found = [column for column in rows.columns if _TIME.match(column.lower()) and unit_of(column)]
    found += [column for column in rows.columns if _ROUND.match(column.lower()) and column not in found]
    if not found:
        raise ScenarioError(rows.problem("no column of step times: name it step_s (or step_ms, step_s_round0, ...)"))
    return found


def _names(rows: Rows, taken: set[str]) -> list[str]:
    """Columns that name the machine and the way of running: those with text, notes left out."""
    return [
        column
        for column, cells in rows.columns.items()
        if column not in taken and column.lower() not in NOTES and not all(_is_number(cell) for cell in cells)
    ]


def _plain(rows: Rows, column: str, row: int) -> str:
    """The cell, an arm without the word that says whether it reads."""
    cell = rows.columns[column][row]
    if not _is_arm(rows, column):
        return cell
    return "_".join(part for part in cell.split("_") if part not in (_READ, _NO_READ))


def _is_arm(rows: Rows, column: str) -> bool:
    return any(_NO_READ in cell.split("_") for cell in rows.columns[column])


def _families(rows: Rows, names: Sequence[str], keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], Ints]:
    """Rows by group. Compute-only rows of no arm of their own serve every arm beside them that has none."""
    silent = np.zeros(len(rows), dtype=np.bool_)
    for column in names:
        if _is_arm(rows, column):
            silent |= np.array([_NO_READ in cell.split("_") for cell in rows.columns[column]])
    layers = rows.columns["layers"]
    full = [(*key, layers[row]) for row, key in enumerate(keys)]
    found: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(full):
        found.setdefault(key, []).append(row)
    arms = [place for place, column in enumerate(names) if _is_arm(rows, column)]
    bare = {key for key, picked in found.items() if silent[picked].all() and any(not key[place] for place in arms)}
    for key, picked in found.items():
        if key in bare or silent[picked].any():
            continue
        shared = tuple("" if place in arms else cell for place, cell in enumerate(key))
        picked += found[shared] if shared in bare else []
    used = {tuple("" if place in arms else cell for place, cell in enumerate(key)) for key in found if key not in bare}
    return {key: np.array(picked) for key, picked in found.items() if key not in bare or key not in used}


def _seconds(rows: Rows, columns: Sequence[str]) -> Floats:
    """Mean over the rounds of a row, those disturbed left out; at least one round must be there."""
    table = np.array([[_time(rows, column, row) for column in columns] for row in range(len(rows))])
    empty = np.isnan(table).all(axis=1)
    if empty.any():
        row = int(np.argmax(empty))
        raise ScenarioError(rows.problem("the row has no time: remove it or measure it again", row, columns[0]))
    fastest = np.nanmin(table, axis=1)
    table[table > (1.0 + DISTURBED) * fastest[:, None]] = np.nan
    return np.asarray(np.nanmean(table, axis=1))


def _time(rows: Rows, column: str, row: int) -> float:
    cell = rows.columns[column][row]
    if not cell:
        return math.nan
    value = float(cell) if _is_number(cell) else math.nan
    if not value > 0.0 or math.isinf(value):
        raise ScenarioError(rows.problem(f"must be a positive number, got {cell[:40]!r}", row, column))
    return value


def _steps(rows: Rows, key: tuple[str, ...], where: Ints, seconds: Floats, sizes: Floats, layers: Floats) -> Steps:
    reads = np.array([not any(_NO_READ in cells[row].split("_") for cells in rows.columns.values()) for row in where])
    tokens = _optional(rows, TOKENS, where)
    longest = None if tokens is None else float(tokens.max())
    items = sizes[where] if tokens is None or longest is None else sizes[where] * tokens / longest
    order = np.lexsort((seconds[where], items, ~reads))
    where, reads, items = where[order], reads[order], items[order]
    count = int(layers[where[0]])
    if count > MOST_LAYERS:
        raise ScenarioError(rows.problem(f"must be at most {MOST_LAYERS}, got {count}", int(where[0]), "layers"))
    share = _one(rows, "forward_share", where, FORWARD_SHARE)
    loads = _loads(rows, where, count, inference=share >= 1.0)
    kept = kept_at_turn(count, loads) if share < 1.0 else 0
    column = _need(rows, tuple(BYTES), "bytes that cross the link in a step")
    step_bytes = _numbers(rows, column, where) * BYTES[column]
    if np.any(silent := reads & (step_bytes <= 0.0)):
        message = "a step that reads moves bytes; say noread in the arm of one that does not"
        raise ScenarioError(rows.problem(message, int(where[int(np.argmax(silent))]), column))
    copies = _numbers(rows, COPIES, where) if COPIES in rows.columns else np.full(len(where), float(loads))
    return Steps(
        key=key,
        where=where,
        items=items,
        seconds=seconds[where],
        reads=reads,
        step_bytes=step_bytes,
        copies=copies,
        layers=count,
        loads=loads,
        slots=int(_one(rows, "slots", where, max(2.0, kept), whole=True)),
        forward_share=share,
        item_tokens=longest,
    )


def _loads(rows: Rows, where: Ints, layers: int, *, inference: bool) -> int:
    """Loads of a step: of every layer, and in training of most again; all else would share out the bytes wrongly."""
    most = layers if inference else 2 * layers
    loads = int(_one(rows, LOADS, where, float(most), whole=True))
    if layers <= loads <= most:
        return loads
    allowed = (
        f"{layers}, the layers, where no pass goes back" if inference else f"from {layers} to {most}, twice the layers"
    )
    raise ScenarioError(rows.problem(f"must be {allowed}, got {loads}", int(where[0]), LOADS))


def _optional(rows: Rows, names: Sequence[str], where: Ints) -> Floats | None:
    for name in names:
        if name in rows.columns:
            return rows.numbers(name)[where]
    return None


def _numbers(rows: Rows, column: str, where: Ints) -> Floats:
    """Numbers of at least 0 (a row without reads may say that it moved nothing)."""
    cells = [rows.columns[column][row] for row in where]
    for row, cell in zip(where, cells):
        if not cell or not _is_number(cell) or not 0.0 <= float(cell) < math.inf:
            raise ScenarioError(rows.problem(f"must be a number of at least 0, got {cell[:40]!r}", int(row), column))
    return np.array([float(cell) for cell in cells])


def _one(rows: Rows, column: str, where: Ints, default: float, *, whole: bool = False) -> float:
    """The one figure of a column that must agree within a group."""
    if column not in rows.columns:
        return default
    values = rows.numbers(column, whole=whole)[where]
    if np.any(values != values[0]):
        odd = int(where[int(np.argmax(values != values[0]))])
        message = f"differs within a group ({values[0]:g} and {rows.columns[column][odd]}): name the groups apart"
        raise ScenarioError(Problem(message, rows.file, int(rows.lines[odd]), path=column))
    return float(values[0])


def _is_number(cell: str) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return not cell
    return not math.isnan(value)
