"""Series of counts per interval, turned into arrivals at these rates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.workload.clock import Clock
from simulator.workload.intensity import Pieces, expected_load, expected_loads, through
from simulator.workload.process import Binding, Draws, Floats, copies_of, times
from simulator.workload.renewal import running_sum, unit_gaps
from simulator.workload.tables import Table, read_columns

if TYPE_CHECKING:
    from simulator.scenario import workload as models


TIME_COLUMN = "t_s"
BLOCK_BINS = 4096


@dataclass(frozen=True, slots=True)
class Series:
    """Arrivals at rates that are constant within each interval.

    A unit-rate process is read through the expected number of arrivals since 0 (see ``intensity``):
    Poisson for ``cv`` 1, else gamma gaps of that coefficient of variation. ``edges_s`` (n + 1) from 0;
    ``rates_per_s`` (n).
    """

    edges_s: Floats
    rates_per_s: Floats
    copies: float
    cv: float

    @property
    def period_s(self) -> float:
        """Length of one copy [s]."""
        return float(self.edges_s[-1])

    def chunks(self, draws: Draws, clock: Clock, size: int) -> Iterator[Floats]:
        """Arrival instants [s of the clock]."""
        units = running_sum(unit_gaps(self.cv), draws.named("arrivals"), size)
        return through(units, self._path(clock))

    def _path(self, clock: Clock) -> Iterator[Pieces]:
        """The bins of all copies in seconds of the run: a shape multiplies the rates, and moves no bin."""
        together = max(1, BLOCK_BINS // self.rates_per_s.size)
        begin = 0
        while begin < self.copies and begin * self.period_s < clock.until_s:
            copies = np.arange(begin, min(begin + together, self.copies), dtype=np.int64)
            starts = copies[:, None] * self.period_s + self.edges_s[:-1]
            edges = np.append(starts.ravel(), (copies[-1] + 1) * self.period_s)
            yield Pieces(clock.forward(edges), np.tile(self.rates_per_s, copies.size))
            begin += together

    def expected(self, clock: Clock, until_s: float) -> float:
        """Integral of the rate."""
        return expected_load(self._path(clock), float(clock.forward(np.array([until_s]))[0]))

    def expected_by(self, clock: Clock, instants_s: Floats) -> Floats:
        """Integral of the rate up to each instant [s of the run]."""
        return expected_loads(self._path(clock), clock.forward(instants_s))

    def steps(self, clock: Clock, until_s: float) -> float:
        """Bins and about the number of arrivals."""
        mean = float(np.sum(self.rates_per_s * np.diff(self.edges_s))) / self.period_s
        length = min(until_s, self.copies * self.period_s)
        bins = self.rates_per_s.size * length / self.period_s
        return bins + mean * max(length, float(clock.forward(np.array([length]))[0]))


def rates(workload: models.Rates, binding: Binding) -> Series:
    """``{rates: file, interval, column, scale, repeat, from, to, cv}``: counts per interval."""
    table = read_columns(workload.rates, workload.column, binding, "rates", optional=(TIME_COLUMN,))
    counts = table.columns[workload.column]
    interval = _interval(workload, table, binding)
    begin, end = _slice(workload, counts.size * interval, binding)
    low, high = math.floor(begin / interval), math.ceil(end / interval)
    edges = np.clip(np.arange(low, high + 1) * interval, begin, end) - begin
    inside = np.flatnonzero(np.diff(edges) > 0)  # a rounded quotient can leave an empty bin at either end
    edges = edges[inside[0] : inside[-1] + 2]
    per_s = counts[low:high][inside] / interval * workload.scale
    if not per_s.any():
        raise binding.error(
            f"{workload.rates}: every {workload.column!r} in the slice is 0, so nothing would ever arrive",
            "rates",
        )
    return Series(edges, per_s, copies_of(workload), 1.0 if workload.cv is None else workload.cv)


def _interval(workload: models.Rates, table: Table, binding: Binding) -> float:
    """Length of a bin [s]; the file's own time column, when there is one, must agree with it."""
    interval = float(workload.interval)
    if TIME_COLUMN not in table.columns:
        return interval
    steps = np.diff(table.columns[TIME_COLUMN])
    wrong = np.flatnonzero(~np.isclose(steps, interval, rtol=1e-6, atol=1e-6 * interval))
    if wrong.size == steps.size > 0:
        raise binding.error(
            f"{interval:g} s does not fit {workload.rates}, where {TIME_COLUMN!r} advances by {steps[0]:g} s",
            "interval",
        )
    if wrong.size:
        row = int(wrong[0]) + 1
        message = (
            f"must be {interval:g} s after the row above it, got {steps[row - 1]:g} s: "
            "fill missing intervals with their count (0 when nothing came)"
        )
        raise table.error(row, TIME_COLUMN, message, binding, "rates")
    return interval


def _slice(workload: models.Rates, length: float, binding: Binding) -> tuple[float, float]:
    """Beginning and end of the slice [s since the beginning of the first bin]."""
    begin, end = workload.from_, length if workload.to is None else workload.to
    for key, value, inside in (("from", begin, begin < length), ("to", end, end <= length * (1 + 1e-9))):
        if not inside:
            message = f"{value:g} s lies outside the series {workload.rates}, which lasts {length:g} s"
            raise binding.error(message, key)
    return begin, min(end, length)


def faster(workload: models.Rates, factor: float) -> dict[str, Any]:
    """The change that multiplies the rates."""
    return times(workload, "scale", factor)
