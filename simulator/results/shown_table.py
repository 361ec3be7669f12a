"""Rows of figures as a table that people see: which columns, in which units; and the same rows as a pandas frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from simulator.results.shown import Block
from simulator.results.units import NOTHING, ROUNDING, Kind, measure, number

if TYPE_CHECKING:
    import pandas as pd

Shown: TypeAlias = Kind | Literal["bytes", "factor", "text"]
UNITS = ("seconds", "rate", "share", "plain")
CHOSEN, OTHER = "* ", ""
MOST_ROWS = 40
"""Rows of a table that are shown; a line below says how many are not."""


class Column(NamedTuple):
    """A column: its title, the figure (dots lead into trees), and how it is written.

    ``bytes`` in GB or MB, ``factor`` as a multiple, ``text`` as it is (lists with dashes); else as in ``measure``.
    """

    title: str
    key: str
    kind: Shown


def block_of(
    title: str, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any] | None = None
) -> Block:
    """A table of ``rows``; columns without any value are left out, the row equal to ``chosen`` has an asterisk.

    Figures whose 95 % interval stands beside them, as ``KEY_lo`` and ``KEY_hi``, carry half its width.

    >>> block_of("", [Column("group", "group", "plain"), Column("step", "t", "seconds")], [{"group": 2, "t": 0.5}]).rows
    [['2', '500.0 ms']]
    """
    kept = [column for column in columns if any(value_of(row, column.key) is not None for row in rows)]
    cells = []
    for row in rows[:MOST_ROWS]:
        first, *others = (_in_row(row, column) for column in kept)
        cells.append([(CHOSEN if chosen is not None and row == chosen else OTHER) + first, *others])
    if len(rows) > MOST_ROWS:
        cells.append([f"... and {len(rows) - MOST_ROWS:,} more", *[""] * (len(kept) - 1)])
    return Block(title, [column.title for column in kept], cells)


def _in_row(row: Mapping[str, Any], column: Column) -> str:
    value, low, high = (value_of(row, f"{column.key}{end}") for end in ("", "_lo", "_hi"))
    known = column.kind in UNITS and None not in (value, low, high)
    if known and high - low > 2 * ROUNDING * abs(high):
        return measure(value, column.kind, low, high)  # type: ignore[arg-type]  # one of the units
    return cell(value, column.kind)


def value_of(row: Mapping[str, Any], key: str) -> Any:
    """The figure of a row that a key names: the key itself, or the way into a tree.

    >>> value_of({"a": {"b": 1}, "a.c": 2}, "a.b"), value_of({"a": {"b": 1}, "a.c": 2}, "a.c"), value_of({}, "a.b")
    (1, 2, None)
    """
    if key in row:
        return row[key]
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def cell(value: Any, kind: Shown) -> str:
    """One figure as it is written.

    >>> cell(2.5e9, "bytes"), cell(1.5, "factor"), cell([2, 4], "text"), cell(None, "share"), cell(True, "text")
    ('2.500 GB', '1.500 x', '2-4', '-', 'yes')
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "text":
        return "-".join(map(str, value)) or NOTHING if isinstance(value, list | tuple) else str(value)
    if kind == "bytes":
        return f"{number(value / 1e9)} GB" if value >= 1e9 else f"{number(value / 1e6)} MB"
    if kind == "factor":
        return f"{number(value)} x"
    return measure(value, kind)


def frame_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row each; figures within trees have dots in their names, those that are missing are NaN or None.

    >>> list(frame_of([{"group": 2, "latency": {"p99": 0.5}}]).columns)
    ['group', 'latency.p99']
    """
    import pandas as pd

    return pd.json_normalize([dict(row) for row in rows])
