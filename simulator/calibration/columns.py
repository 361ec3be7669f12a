"""What the columns of a rows file mean: kind, time and unit, batch, groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.kinds import WHOLE
from simulator.calibration.rows import Rows, nearest
from simulator.errors import Problem, ScenarioError

Kind = Literal["batch", "gemm"]
KINDS: tuple[Kind, ...] = ("batch", "gemm")
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_WORDS = {"s": "s", "sec": "s", "second": "s", "seconds": "s", "ms": "ms", "us": "us"}
BATCH_NAMES = (
    "batch",
    "batch_size",
    "batchsize",
    "bs",
    "n_batch",
    "num_tokens",
    "tokens",
    "sequences",
    "items",
    "m",
)
SIDES = ("m", "n", "k")
_RATE = re.compile(r"per_|throughput|qps|rate|bandwidth|flops|tops")
_SPREAD = re.compile(r"(^|_)(std|stddev|sd|var|cv|err|error|ci95)(_|$)")
_LAYOUT = re.compile(r"^(trans|transpose|layout|op)_?[ab]?$")


@dataclass(frozen=True, slots=True)
class Meaning:
    """Which column is which; ``unit`` turns the time column into seconds."""

    kind: Kind
    time: str
    unit: str
    sizes: tuple[str, ...]
    group: tuple[str, ...]
    layout: tuple[str, ...]


def understand(
    rows: Rows,
    *,
    kind: str | None = None,
    time: str | None = None,
    unit: str | None = None,
    group: Sequence[str] | None = None,
    batch: str | None = None,
) -> Meaning:
    """Find out what every column means, from the options and else from the names."""
    found = _kind(rows, kind, batch)
    sizes = _sides(rows) if found == "gemm" else (_batch_column(rows, batch),)
    column = _time_column(rows, time, unit, sizes)
    if column in sizes:
        raise ScenarioError(rows.problem("is the size of the work, it cannot be the time too", column=column))
    scale = _unit(rows, column, unit)
    layout = tuple(c for c in rows.columns if found == "gemm" and _LAYOUT.match(c.lower()))
    if group is not None:
        layout = tuple(column for column in layout if column not in group)
        _check_group(rows, group, (column, *sizes))
        return Meaning(found, column, scale, sizes, tuple(group), layout)
    return Meaning(found, column, scale, sizes, _settings(rows, sizes, column, layout), layout)


def _kind(rows: Rows, kind: str | None, batch: str | None) -> Kind:
    for known in KINDS:
        if kind == known:
            return known
    if kind is not None:
        names = (*KINDS, *WHOLE)
        message = f"unknown kind {kind!r}{nearest(kind, names).replace('the columns', 'the kinds')}"
        raise ScenarioError(Problem(message, path="--kind"))
    if batch is None and all(_find(rows, (side,)) for side in SIDES):
        return "gemm"
    if batch is not None or _find(rows, BATCH_NAMES):
        return "batch"
    message = (
        "cannot tell what was measured: needs a column `batch` (or --batch NAME), or m, n and k"
        f"{nearest('batch', list(rows.columns))}"
    )
    raise ScenarioError(rows.problem(message))


def _find(rows: Rows, names: Iterable[str]) -> str | None:
    folded = {column.lower(): column for column in rows.columns}
    for name in names:
        if name in folded:
            return folded[name]
    return None


def _sides(rows: Rows) -> tuple[str, ...]:
    found = [_find(rows, (side,)) for side in SIDES]
    problems = [
        rows.problem(f"no column {side!r} (needed by kind gemm){nearest(side, list(rows.columns))}")
        for side, column in zip(SIDES, found, strict=True)
        if column is None
    ]
    if problems:
        raise ScenarioError(problems)
    return tuple(column for column in found if column is not None)


def _batch_column(rows: Rows, batch: str | None) -> str:
    if batch is not None:
        return rows.require(batch, "--batch")
    column = _find(rows, BATCH_NAMES)
    if column is None:
        raise ScenarioError(
            rows.problem(f"no column 'batch' (needed by kind batch){nearest('batch', list(rows.columns))}")
        )
    return column


def unit_of(column: str) -> str | None:
    """Unit that a column name tells: its last part, or a part in its middle (``cpu_us_min``).

    >>> unit_of("latency_us"), unit_of("cpu_us_min"), unit_of("seconds"), unit_of("prompt_time")
    ('us', 'us', 's', None)
    """
    parts = column.lower().split("_")
    if parts[-1] in _WORDS and (len(parts) > 1 or len(parts[0]) > 3):
        return _WORDS[parts[-1]]
    inside = [part for part in parts[1:] if part in ("ms", "us")]
    return inside[0] if len(inside) == 1 else None


def _time_column(rows: Rows, time: str | None, unit: str | None, sizes: Sequence[str]) -> str:
    if time is not None:
        return rows.require(time, "--time")
    found = [
        column
        for column in rows.columns
        if column not in sizes
        and unit_of(column)
        and not _RATE.search(column.lower())
        and not _SPREAD.search(column.lower())
    ]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        message = f"{len(found)} columns could be the time ({', '.join(found)}): choose with --time"
        raise ScenarioError(rows.problem(message))
    named = _find(rows, ("time", "latency", "duration", "seconds"))
    if named is not None and (unit is not None or unit_of(named) is None):
        return named
    message = "no time column: its name must end in _s, _ms or _us, or name it with --time and --unit"
    raise ScenarioError(rows.problem(message + nearest("time_us", list(rows.columns))))


def _unit(rows: Rows, column: str, unit: str | None) -> str:
    if unit is not None:
        if unit not in UNITS:
            raise ScenarioError(Problem(f"unknown unit {unit!r}: must be s, ms or us", path="--unit"))
        return unit
    if _RATE.search(column.lower()):
        raise ScenarioError(
            rows.problem("looks like a rate, not a time: name a time column, or say its --unit", column=column)
        )
    found = unit_of(column)
    if found is None:
        message = "the unit of this column is not known: end its name in _s, _ms or _us, or give --unit"
        raise ScenarioError(rows.problem(message, column=column))
    return found


def _check_group(rows: Rows, group: Sequence[str], taken: Sequence[str]) -> None:
    for column in group:
        rows.require(column, "--group")
        if column in taken:
            message = "is a measured size or the time: it cannot be a group column too"
            raise ScenarioError(rows.problem(message, column=column))
    if len(set(group)) < len(group):
        raise ScenarioError(Problem(f"names a column twice: {','.join(group)}", path="--group"))


def _settings(rows: Rows, sizes: Sequence[str], time: str, layout: Sequence[str]) -> tuple[str, ...]:
    """Columns that name what was measured.

    Text columns always do, unless they differ in nearly every row. A column of whole numbers does where rows
    of the same size in the same group differ by it (two sequence lengths), unless it leaves hardly two sizes
    in a group (a counter).
    """
    others = [c for c in rows.columns if c not in sizes and c != time and c not in layout]
    codes = {column: np.unique(rows.columns[column], return_inverse=True)[1].ravel() for column in others}
    size = _combine([np.unique(rows.columns[c], return_inverse=True)[1].ravel() for c in sizes])
    chosen = [c for c in others if not _numeric(rows.columns[c]) and codes[c].max() * 2 < len(rows)]
    for column in others:
        if column in chosen or not _whole(rows.columns[column]):
            continue
        before = _combine([codes[c] for c in chosen] or [np.zeros(len(rows), dtype=np.int64)])
        after = _combine([before, codes[column]])
        if _repeats(before, size) > _repeats(after, size) and _sizes_each(after, size) >= 2:
            chosen.append(column)
    return tuple(column for column in rows.columns if column in chosen)


def _numeric(cells: Sequence[str]) -> bool:
    try:
        np.array([cell for cell in cells if cell], dtype=np.float64)
    except ValueError:
        return False
    return True


def _whole(cells: Sequence[str]) -> bool:
    return all(cell.isdigit() for cell in cells)


def _combine(codes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    total = codes[0].astype(np.int64)
    for code in codes[1:]:
        total = np.unique(total * (int(code.max()) + 1) + code, return_inverse=True)[1].ravel()
    return total


def _repeats(group: NDArray[np.int64], size: NDArray[np.int64]) -> int:
    """Rows that repeat the size of another row of their group."""
    return len(group) - len(np.unique(_combine([group, size])))


def _sizes_each(group: NDArray[np.int64], size: NDArray[np.int64]) -> float:
    """Mean number of different sizes in a group."""
    return float(len(np.unique(_combine([group, size]))) / len(np.unique(group)))
