"""What a measurement yields: rows with their noise, for people, JSON and the fit."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.calibration.measure.rounds import Timing
from simulator.errors import Problem, ScenarioError
from simulator.files import write_text

if TYPE_CHECKING:
    import pandas as pd

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured.

    ``labels`` name it and say what measured it. ``latency_us`` is the least time of a call [us]; ``median`` and
    ``wall``, the medians of the calls' times and of their wall times, are given as multiples of it, so that a file of
    rows has one column of times. ``cv_rounds`` is the standard deviation of the rounds' medians over their mean; None
    of a single round.
    """

    labels: Mapping[str, str | int]
    latency_us: float
    median: float
    wall: float
    cv_rounds: float | None
    rounds: int
    calls: int

    def cells(self) -> dict[str, Cell]:
        """The row by column; an empty text where a figure is not known."""
        return {
            **self.labels,
            "latency_us": round(self.latency_us, 4),
            "median_to_least": round(self.median, 4),
            "wall_to_least": round(self.wall, 4),
            "cv_rounds": "" if self.cv_rounds is None else round(self.cv_rounds, 5),
            "rounds": self.rounds,
            "calls": self.calls,
        }


@dataclass(frozen=True, slots=True)
class Measurement:
    """Rows in the order asked for, and under which circumstances they came about.

    ``other_cores`` is how many processors the rest of the machine kept busy meanwhile (None where nobody tells),
    ``pinned`` whether the measuring thread stayed on one processor.
    """

    kind: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    pinned: bool
    other_cores: float | None
    wall_s: float
    interrupted: bool

    def table(self) -> list[dict[str, Cell]]:
        """All rows by column."""
        other = "" if self.other_cores is None else f"{self.other_cores:.2f}"
        return [row.cells() | {"other_cores": other} for row in self.rows]

    def to_csv(self) -> str:
        """The rows as ``plan calibrate fit`` reads them."""
        rows = self.table()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def to_json(self) -> dict[str, Any]:
        """One object: the circumstances, then the rows."""
        return {
            "kind": self.kind,
            "interrupted": self.interrupted,
            "pinned": self.pinned,
            "other_cores": self.other_cores,
            "wall_s": self.wall_s,
            "notes": list(self.notes),
            "rows": [{name: None if cell == "" else cell for name, cell in row.cells().items()} for row in self.rows],
        }

    def write(self, path: str | Path) -> None:
        """Write the rows as CSV, whole or not at all."""
        if not self.rows:
            raise ScenarioError(Problem("is not written: nothing was measured", str(path)))
        write_text(Path(path), self.to_csv())

    @property
    def frame(self) -> pd.DataFrame:
        """One row per thing measured."""
        from simulator.results.shown_table import frame_of

        return frame_of(self.table())

    def _repr_html_(self) -> str:
        from simulator.calibration.shown import measurement_html

        return measurement_html(self.to_json())


def rows_of(timings: Sequence[Timing]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Rows of what was timed; notes about what the clock could not resolve."""
    rows, notes = [], []
    for one in timings:
        if one.least_s <= 0:
            notes.append(f"left out {one.probe.title}: shorter than the clock {one.probe.clock.name} can tell")
            continue
        rows.append(
            Row(
                labels=one.probe.labels,
                latency_us=one.least_s * 1e6,
                median=statistics.median(one.medians_s) / one.least_s,
                wall=statistics.median(one.walls_s) / one.least_s,
                cv_rounds=one.cv_rounds,
                rounds=len(one.medians_s),
                calls=one.calls,
            )
        )
    return tuple(rows), tuple(notes)
