"""``plan calibrate fit``: a rows file in, a table or JSON out, a costs file when asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.calibration import Calibration, GroupFit

_SHOWN = 60
_WIDEST = 48


def run_fit(
    rows: Path,
    kind: str | None = None,
    time: str | None = None,
    unit: str | None = None,
    group: str | Sequence[str] | None = None,
    folds: int = 5,
    output: Path | None = None,
    as_json: bool = False,
    *,
    batch: str | None = None,
) -> str:
    """Fit, write ``output`` when given, and return what to print.

    ``group`` is a list of columns or one text with commas.
    """
    from simulator.cli.output import refuse_output

    refuse_output(output, rows)
    from simulator.calibration import fit  # scipy takes a second: only when the command runs

    if isinstance(group, str):
        group = [name.strip() for name in group.split(",") if name.strip()]
    found = fit(rows, kind=kind, time=time, unit=unit, group=group, folds=folds, batch=batch)
    if output is not None:
        found.write(output)
    return calibrate_fit_json(found) if as_json else calibrate_fit_text(found)


def calibrate_fit_json(found: Calibration) -> str:
    """One JSON object; errors are shares (0.05 is 5 %), times seconds."""
    return json.dumps(found.to_json(), allow_nan=False, ensure_ascii=False)


def calibrate_fit_text(found: Calibration) -> str:
    """A table for people: group, law, rows, error in and out of sample, worst held-out row."""
    head = ("group", "law", "rows", "in-sample", "held-out", "worst held-out row")
    groups = sorted(found.groups, key=lambda one: -(one.mape if one.mape is not None else -1.0))
    table = [head, *(_line(one) for one in groups[:_SHOWN])]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    if len(groups) > _SHOWN:
        lines.append(f"... and {len(groups) - _SHOWN} groups with a smaller error (--json shows all)")
    return "\n".join([*lines, "", *_summary(found)]) + "\n"


def _summary(found: Calibration) -> list[str]:
    rows = f"{found.file}: {found.rows:,} rows, {len(found.groups):,} groups, kind {found.kind}"
    lines = [f"{rows}, time in column {found.time_column} [{found.unit}]"]
    scored = sum(group.held_out for group in found.groups)
    if found.mape is None:
        lines.append("held-out error: unknown, no group has enough rows to hold some out")
    else:
        error = f"{found.mape:.2%} (mean over {scored:,} rows; in sample {found.mape_in_sample:.2%})"
        lines.append(f"held-out error: {error}")
    missing = sum(group.mape is None for group in found.groups)
    if missing and found.mape is not None:
        lines.append(f"{missing} groups have too few rows for an estimate of their error")
    return lines


def _line(one: GroupFit) -> tuple[str, ...]:
    name = " ".join(value for value in one.group.values() if value) or "all rows"
    return (
        name if len(name) <= _WIDEST else name[: _WIDEST - 3] + "...",
        _law(one.law.name, one.law.parameters()),
        str(one.rows),
        f"{one.mape_in_sample:.2%}",
        "unknown" if one.mape is None else f"{one.mape:.2%}",
        _worst(one),
    )


def _law(name: str, parameters: Mapping[str, Any]) -> str:
    """A law and what it is made of: ``corrected affine``, ``table + affine``."""
    if name == "blend":
        parts = [_law(one["law"], one["parameters"]) for one in parameters["laws"]]
        return " + ".join(dict.fromkeys(parts))
    if "trend" in parameters and name == "corrected":
        return f"{name} {parameters['trend']['law']}"
    return name


def _worst(one: GroupFit) -> str:
    if one.worst is None:
        return one.note or ""
    times = f"measured {_time(one.worst.measured)}, predicted {_time(one.worst.predicted)}"
    return f"line {one.worst.line}: {times} ({one.worst.error:+.1%})"


def _time(seconds: float) -> str:
    """A time with the unit that people read easily.

    >>> _time(0.0123), _time(4.5e-6)
    ('12.3 ms', '4.5 µs')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds * 1e9:.4g} ns"
