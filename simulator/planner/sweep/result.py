"""The table of a sweep: one row for each point and service."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import Problem, ScenarioError
from simulator.files import write_text, write_whole
from simulator.planner.sweep.axes import Axis
from simulator.results import strictjson
from simulator.results.cohort import Json
from simulator.version import __version__

if TYPE_CHECKING:
    import pandas as pd

TEXTS = ("service", "training", "stream", "engine", "error")
ENDINGS = (".parquet", ".csv", ".json")


@dataclass(frozen=True, eq=False)
class SweepResult:
    """All points of a sweep. ``frame`` is the tidy table, ``rows`` the same as plain values.

    A row has ``point`` (the number of the point, the last axis counts fastest), a column for every key that is set,
    what it speaks of (``service``, and ``training`` or ``stream`` where there are some), ``engine``, ``holds`` (whether
    the stated objectives are met), ``error`` (why there are no figures) and the figures in SI units, each with the
    ends of its 95 % interval as ``_lo`` and ``_hi``.
    """

    scenario: str
    scenario_hash: str
    seed: int
    axes: tuple[Axis, ...]
    rows: tuple[Json, ...]
    warnings: tuple[str, ...]
    """What must be known of the points, each said once with the number of points that it is about."""
    reused: int = 0
    """Points taken from the ledger."""
    faults: int = 0
    """Failed points of which not the scenario is to blame, but the program or the machine: they are tried again."""
    notes: tuple[str, ...] = ()
    """Why earlier points were not used, and the like."""

    @property
    def points(self) -> int:
        """Number of points."""
        return math.prod(len(item.texts) for item in self.axes)

    @cached_property
    def failed(self) -> dict[int, str]:
        """Points without figures, and why."""
        return {row["point"]: row["error"] for row in self.rows if row["error"] is not None}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns in order: those of the first row that has figures, then what others have besides."""
        ordered = sorted(self.rows, key=lambda row: row["error"] is not None)
        return tuple(dict.fromkeys(column for row in ordered for column in row))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The tidy table; NaN and None where there is no value."""
        import pandas as pd

        keys = [item.key for item in self.axes]
        found = {}
        for column in self.columns:
            values = [row.get(column) for row in self.rows]
            found[column] = pd.Series(values, dtype=None if column in keys else _type(column, values))
        return pd.DataFrame(found)

    def to_dict(self) -> Json:
        """The sweep as plain values; the same for the same scenario and axes, whoever computed it."""
        found: Json = strictjson.plain(
            {
                "scenario": self.scenario,
                "scenario_hash": self.scenario_hash,
                "seed": self.seed,
                "version": __version__,
                "axes": {item.key: list(item.values) for item in self.axes},
                "points": self.points,
                "failed": len(self.failed),
                "warnings": list(self.warnings),
                "rows": list(self.rows),
            }
        )
        return found

    def to_json(self) -> str:
        """The sweep as strict JSON text."""
        return strictjson.to_json(self.to_dict())

    def to_csv(self) -> str:
        """The table as CSV text."""
        return self.frame.to_csv(index=False, lineterminator="\n")

    def to_parquet(self, path: Path | str) -> None:
        """Write the table as parquet, whole or not at all."""
        need_pyarrow()
        write_whole(Path(path), partial(self.frame.to_parquet, index=False))

    def write(self, path: Path | str) -> None:
        """Write the table as the name says: ``.parquet``, ``.csv`` or ``.json``."""
        path = Path(path)
        check_ending(path)
        if path.suffix.lower() == ".parquet":
            self.to_parquet(path)
        else:
            write_text(path, self.to_json() + "\n" if path.suffix.lower() == ".json" else self.to_csv())

    def of(self, kind: str = "service") -> Iterator[Json]:
        """The rows of services, trainings or streams."""
        return (row for row in self.rows if row.get(kind) is not None)

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<SweepResult {self.scenario!r}, {self.points} points{failed}>"

    def _repr_html_(self) -> str:
        from simulator.planner.sweep.shown import sweep_html

        return sweep_html(self)


def _type(column: str, values: Sequence[Any]) -> str:
    """Type of a column that is the same whatever is missing in it."""
    if column in TEXTS:
        return "object"
    if column == "holds":
        return "boolean"
    return "Int64" if all(value is None or isinstance(value, int) for value in values) else "float64"


def check_ending(path: Path) -> None:
    """Refuse the name of a file that says no format, or one that cannot be written here."""
    if path.suffix.lower() not in ENDINGS:
        raise ScenarioError(Problem(f"must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}", file=str(path)))
    if path.suffix.lower() == ".parquet":
        need_pyarrow()


def need_pyarrow() -> None:
    """Refuse to write parquet without the library for it."""
    try:
        import pyarrow  # noqa: F401 - only whether it is there
    except ImportError:
        raise ScenarioError(Problem("parquet needs pyarrow: pip install 'exitplan[parquet]', or end in .csv")) from None
