"""A load history from a csv or csv.gz file or from memory: bins of equal length, some of them not recorded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from simulator.errors import Problem, ScenarioError
from simulator.scenario.units import DURATION, UnitError, parse
from simulator.workload import tables
from simulator.workload.forecast.columns import MAX_BINS, TIME_COLUMN, number_columns
from simulator.workload.guarded import Unreadable
from simulator.workload.process import Floats

Source: TypeAlias = "str | os.PathLike[str] | LoadSeries | Sequence[float] | Floats | Any"


@dataclass(frozen=True, slots=True, eq=False)
class LoadSeries:
    """Bins of ``step_s`` seconds from ``start_s`` on; ``values`` (n,) is NaN where nothing was recorded.

    ``observed`` (n,): the share of the bin that was recorded, 0 to 1; ``values`` count what came in that share.
    """

    name: str
    column: str
    start_s: float
    step_s: float
    values: Floats
    observed: Floats

    @property
    def end_s(self) -> float:
        """End of the last bin [s]."""
        return self.start_s + self.values.size * self.step_s


def seconds(value: object, key: str) -> float:
    """A duration [s]: a text with its unit, or a number of seconds.

    >>> seconds("10min", "interval"), seconds(3600, "to")
    (600.0, 3600.0)
    """
    if isinstance(value, int | float | np.number) and not isinstance(value, bool) and np.isfinite(value):
        return float(value)
    try:
        return parse(value, DURATION)
    except UnitError as trouble:
        raise wrong(f"{value!r} {trouble}", key) from None


def wrong(message: str, key: str | None = None, file: str | None = None) -> ScenarioError:
    """One problem of the user's, at an option or in a file."""
    return ScenarioError(Problem(message, file, path=key))


def read_series(
    source: Source,
    *,
    column: str | Sequence[str] = "requests",
    interval: object = None,
    gaps: str | None = None,
) -> LoadSeries:
    """The history in ``source``: a file, numbers in memory (``interval`` apart, NaN = not recorded), a pandas Series.

    ``column``: what is forecast; of several the sum. A column ``t_s`` holds the start of every bin [s], ascending;
    missing rows and empty cells are bins that were not recorded. Without it the rows follow each other from 0.
    ``gaps``: a column with the seconds of each bin that were not recorded.
    """
    if isinstance(source, LoadSeries):
        return source
    step = None if interval is None else seconds(interval, "interval")
    if step is not None and not step > 0:
        raise wrong(f"must be greater than 0, got {step:g} s", "interval")
    if isinstance(source, str | os.PathLike):
        return _from_file(Path(source), [column] if isinstance(column, str) else list(column), step, gaps)
    return _from_memory(source, step)


def _from_memory(source: Any, step: float | None) -> LoadSeries:
    try:
        values = np.asarray(getattr(source, "values", source), dtype=np.float64)
    except (TypeError, ValueError):
        raise wrong("must be a file, numbers or a pandas Series of numbers", "series") from None
    if values.ndim != 1 or not values.size:
        raise wrong(f"must be one row of numbers, got an array of shape {values.shape}", "series")
    if np.isinf(values).any() or (values < 0).any():
        raise wrong("must hold finite numbers of at least 0 (NaN where nothing was recorded)", "series")
    index = getattr(source, "index", None)
    if index is not None and not callable(index) and step is None:
        return _binned("series", "series", _clock(np.asarray(index)), values, np.zeros(values.size), None)
    if step is None:
        raise wrong("is needed: numbers in memory do not say how far apart they are", "interval")
    return LoadSeries("series", "series", 0.0, step, values, (~np.isnan(values)).astype(np.float64))


def _clock(index: Any) -> Floats:
    """Seconds of an index of numbers, dates or spans of time."""
    if index.dtype.kind in "mM":
        unit = f"{index.dtype.kind}8[ns]"
        return np.asarray(index.astype(unit).astype(np.int64) / 1e9)
    try:
        return np.asarray(index, dtype=np.float64)
    except (TypeError, ValueError):
        raise wrong("has an index that is neither seconds nor dates: give the interval instead", "series") from None


def _from_file(path: Path, columns: list[str], step: float | None, gaps: str | None) -> LoadSeries:
    try:
        tables._facts(path)  # refuses folders, pipes and absent files, with the nearest name
        header, found = number_columns(path, columns, gaps)
    except Unreadable as trouble:
        raise wrong(str(trouble), file=str(path)) from None
    except tables.Unusable as trouble:
        raise ScenarioError([_at(problem, path) for problem in trouble.problems]) from None
    values = np.sum([found[name] for name in columns], axis=0)
    lost = found[gaps] if gaps else np.zeros(values.size)
    column = "+".join(columns)
    if TIME_COLUMN in header:
        return _binned(str(path), column, found[TIME_COLUMN], values, lost, step)
    if step is None:
        raise wrong(f"has no column {TIME_COLUMN!r}: say with --interval how far apart its rows are", file=str(path))
    return _series(str(path), column, 0.0, step, values, lost)


def _at(problem: Problem, path: Path) -> Problem:
    message = problem.message.replace("Name the column with `column:`", "name the column with --column")
    return Problem(message, str(path), problem.line, problem.column, problem.path, problem.source)


def _binned(name: str, column: str, at: Floats, values: Floats, lost: Floats, step: float | None) -> LoadSeries:
    """Rows put into bins by their start; bins without a row were not recorded."""
    gaps = np.diff(at)
    back = np.flatnonzero(~(gaps > 0))
    if back.size:
        row = int(back[0]) + 1
        message = f"must ascend, got {at[row]:.17g} after {at[row - 1]:.17g} (data row {row + 1}): sort the file"
        raise wrong(message, TIME_COLUMN, name)
    if step is None:
        if not gaps.size:
            raise wrong("has one row only: say with --interval how long it lasts", TIME_COLUMN, name)
        step = float(np.median(gaps))
    if gaps.size and gaps.min() > 1.01 * step:
        raise wrong(f"{step:g} s does not fit {name}, where {TIME_COLUMN!r} advances by {gaps.min():g} s", "interval")
    place = np.rint((at - at[0]) / step)
    off = np.flatnonzero(np.abs(at - at[0] - place * step) > 0.01 * step)
    if off.size or (np.diff(place) < 1).any():
        row = int(off[0]) if off.size else int(np.flatnonzero(np.diff(place) < 1)[0]) + 1
        message = f"{at[row]:.17g} (data row {row + 1}) is no multiple of {step:g} s after the first, {at[0]:.17g}"
        raise wrong(f"{message}: bins must be of one length", TIME_COLUMN, name)
    if place[-1] >= MAX_BINS:
        raise wrong(f"spans more than {MAX_BINS:,} bins of {step:g} s: check the times", TIME_COLUMN, name)
    filled, unseen = np.full(int(place[-1]) + 1, np.nan), np.zeros(int(place[-1]) + 1)
    filled[place.astype(np.int64)] = values
    unseen[place.astype(np.int64)] = lost
    return _series(name, column, float(at[0]), step, filled, unseen)


def _series(name: str, column: str, start: float, step: float, values: Floats, lost: Floats) -> LoadSeries:
    observed = np.where(np.isnan(values), 0.0, np.clip(1.0 - lost / step, 0.0, 1.0))
    return LoadSeries(name, column, start, step, values, observed)
