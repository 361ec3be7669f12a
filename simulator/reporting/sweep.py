"""A sweep as text: its points, what each service does there, and what failed."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.planner.sweep.columns import COLUMNS, short_names
from simulator.planner.sweep.result import SweepResult
from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import NOTHING, ROUNDING, Kind, measure

MOST_REASONS = 5


def sweep_table(found: SweepResult, width: int = 80, most: int | None = None) -> str:
    """The points with their main figures, of services, trainings and streams; ``most`` rows of each.

    Figures carry half the width of their 95 % interval. Points that failed are told below, with the reasons.
    """
    fixed = [f"{item.key}={item.texts[0]}" for item in found.axes if len(item.texts) == 1]
    seed = [] if any(item.key == "seed" for item in found.axes) else [f"seed {found.seed}"]
    heading = [found.scenario, _counted(found.points, "point"), *seed, *fixed]
    parts = [wrapped(" · ".join(heading), width, "  ")]
    for kind in COLUMNS:
        rows = [row for row in found.of(kind) if row["error"] is None]
        if rows:
            parts.append(_block(found, kind, rows, width, most))
    if found.failed:
        parts.append(_failed(found, width))
    if found.warnings:
        parts.append("\n".join(wrapped(f"warning: {text}", width, "  ") for text in some_warnings(found)))
    return "\n\n".join(parts)


def some_warnings(found: SweepResult) -> list[str]:
    """The warnings of a sweep, as many as anybody reads: each point may have its own."""
    shown = list(found.warnings[:MOST_REASONS])
    hidden = len(found.warnings) - len(shown)
    return [*shown, f"... and {_counted(hidden, 'more warning')}, see --json"] if hidden else shown


def _block(found: SweepResult, kind: str, rows: Sequence[Json], width: int, most: int | None) -> str:
    axes = [item for item in found.axes if len(item.texts) > 1]
    names = short_names([item.key for item in found.axes])
    several = len({row[kind] for row in rows}) > 1
    columns = [item for item in COLUMNS[kind] if any(row.get(item[1]) is not None for row in rows)]
    shown = rows[:most]
    keys = [item.key for item in axes]
    cells = [_cells(row, keys, row[kind] if several else "", columns) for row in shown]
    header = [
        f"point, {kind}" if several else "point",
        *(names[key] for key in keys),
        *(title for title, _, _ in columns),
    ]
    table = grid(header, cells, width)
    hidden = len(rows) - len(shown)
    return f"{table}\n  ... and {_counted(hidden, 'more row')}" if hidden else table


def _cells(row: Json, keys: Sequence[str], name: str, columns: Sequence[tuple[str, str, Kind]]) -> list[str]:
    state = "missed" if row["holds"] is False else ""
    label = " ".join(part for part in (str(row["point"]), name, state) if part)
    return [label, *(str(row[key]) for key in keys), *(_figure(row, *item[1:]) for item in columns)]


def _figure(row: Json, name: str, kind: Kind) -> str:
    """A figure with its interval, where it has one that is more than a point."""
    value, low, high = (row.get(column) for column in (name, f"{name}_lo", f"{name}_hi"))
    if low is None or high is None or high - low <= 2 * ROUNDING * abs(high):
        return measure(value, kind)
    return measure(value, kind, low, high)


def _failed(found: SweepResult, width: int) -> str:
    """How many failed, and the reasons with the points that they are about."""
    by_reason: dict[str, list[int]] = {}
    for point, text in found.failed.items():
        by_reason.setdefault(text, []).append(point)
    lines = [f"failed: {len(found.failed)} of {_counted(found.points, 'point')}"]
    for text, points in list(by_reason.items())[:MOST_REASONS]:
        named = ", ".join(map(str, points[:8])) + (", ..." if len(points) > 8 else "")
        lines.append(wrapped(f"  {named}: {' '.join(text.split()) or NOTHING}", width, "    "))
    if len(by_reason) > MOST_REASONS:
        lines.append(f"  ... and {_counted(len(by_reason) - MOST_REASONS, 'more reason')}")
    return "\n".join(lines)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
