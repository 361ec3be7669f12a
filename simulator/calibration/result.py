"""What a calibration yields: laws, parameters and errors by group, for people, JSON and the costs file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.costs.base import Law, costs_text
from simulator.files import write_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Worst:
    """The held-out row of largest relative error: its line and cells, times in seconds, signed error."""

    line: int
    cells: Mapping[str, str]
    measured: float
    predicted: float
    error: float

    def to_json(self) -> dict[str, Any]:
        """One flat object: the columns of the row first."""
        cells: dict[str, Any] = {key: _value(cell) for key, cell in self.cells.items()}
        return cells | {
            "line": self.line,
            "measured": self.measured,
            "predicted": self.predicted,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class GroupFit:
    """The law of one group. Errors are mean absolute relative errors as shares (0.05 is 5 %).

    ``mape`` is measured on held-out rows only; None when there were too few, and ``note`` says so. ``span``
    is the smallest and the largest batch measured (m of matrix products).
    """

    group: Mapping[str, str]
    rows: int
    held_out: int
    law: Law
    mape_in_sample: float
    mape: float | None
    worst: Worst | None
    span: tuple[float, float] | None
    note: str | None

    def to_json(self) -> dict[str, Any]:
        """The object of one group in the JSON result and the costs file."""
        found: dict[str, Any] = {
            "group": dict(self.group),
            "rows": self.rows,
            "law": self.law.name,
            "parameters": self.law.parameters(),
            "mape_in_sample": self.mape_in_sample,
            "mape": self.mape,
            "held_out_rows": self.held_out,
            "worst": None if self.worst is None else self.worst.to_json(),
        }
        if self.span is not None:
            found["span"] = list(self.span)
        return found | ({"note": self.note} if self.note else {})


@dataclass(frozen=True, slots=True)
class Calibration:
    """All groups of one rows file; ``mape`` is None when no row could be held out."""

    kind: str
    file: str
    sha256: str
    rows: int
    time_column: str
    unit: str
    group_by: tuple[str, ...]
    folds: int
    groups: tuple[GroupFit, ...]

    @property
    def mape(self) -> float | None:
        """Held-out error over all groups, each row counted once."""
        scored = [(group.mape, group.held_out) for group in self.groups if group.mape is not None]
        rows = sum(count for _, count in scored)
        return sum(mape * count for mape, count in scored) / rows if rows else None

    @property
    def mape_in_sample(self) -> float:
        """In-sample error over all groups, each row counted once."""
        return sum(group.mape_in_sample * group.rows for group in self.groups) / self.rows

    def to_json(self) -> dict[str, Any]:
        """The JSON result: groups with law, parameters and errors (shares), times in seconds."""
        return {
            "kind": self.kind,
            "source": self.source(),
            "group_by": list(self.group_by),
            "folds": self.folds,
            "groups": [group.to_json() for group in self.groups],
            "mape_in_sample": self.mape_in_sample,
            "mape": self.mape,
        }

    def source(self) -> dict[str, Any]:
        """Where the rows came from."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "rows": self.rows,
            "time": self.time_column,
            "unit": self.unit,
        }

    def to_yaml(self) -> str:
        """The costs file, which a scenario names as ``measured:``."""
        return costs_text({"version": 1} | self.to_json())

    def write(self, path: str | Path) -> None:
        """Write the costs file, whole or not at all."""
        write_text(Path(path), self.to_yaml())

    @property
    def frame(self) -> pd.DataFrame:
        """One row per group."""
        from simulator.results.shown_table import frame_of

        return frame_of(group.to_json() for group in self.groups)

    def _repr_html_(self) -> str:
        from simulator.calibration.shown import calibration_html

        return calibration_html(self.to_json())


def _value(cell: str) -> str | float | int:
    """A cell as a number where it is one."""
    try:
        number = float(cell)
    except ValueError:
        return cell
    if number != number or number in (float("inf"), float("-inf")):
        return cell
    return int(number) if number.is_integer() and "." not in cell and "e" not in cell.lower() else number
