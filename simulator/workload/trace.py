"""Replay of recorded arrival instants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.workload.clock import Clock
from simulator.workload.process import Binding, Draws, Floats, copies_of, times
from simulator.workload.tables import Table, read_columns

if TYPE_CHECKING:
    from simulator.scenario import workload as models


@dataclass(frozen=True, slots=True)
class Replay:
    """Recorded arrivals, played ``copies`` times and ``scale`` times as fast.

    .. math:: t_{c,i} = (c P + a_i) / scale

    ``offsets_s`` a: instants since the beginning of the slice [s], ascending; ``period_s`` P: length of a
    copy [s].
    """

    offsets_s: Floats
    period_s: float
    copies: float
    scale: float

    def chunks(self, draws: Draws, clock: Clock, size: int) -> Iterator[Floats]:
        """Arrival instants [s of the clock], nothing drawn."""
        rows, begin = self.offsets_s.size, 0
        while begin < rows * self.copies:
            copy, row = np.divmod(np.arange(begin, min(begin + size, rows * self.copies), dtype=np.int64), rows)
            yield (copy * self.period_s + self.offsets_s[row]) / self.scale
            begin += size

    def expected(self, clock: Clock, until_s: float) -> float:
        """The exact number of arrivals."""
        end = float(clock.forward(np.array([until_s]))[0]) * self.scale
        if self.copies == 1:
            return float(np.searchsorted(self.offsets_s, end))
        whole = min(end // self.period_s, self.copies)
        rest = 0 if whole == self.copies else int(np.searchsorted(self.offsets_s, end - whole * self.period_s))
        return whole * self.offsets_s.size + rest

    def steps(self, clock: Clock, until_s: float) -> float:
        """One per arrival."""
        return self.expected(clock, until_s)


def trace(workload: models.Trace, binding: Binding) -> Replay:
    """``{trace: file, column, scale, repeat, from, to}``: a slice on the clock of the file."""
    table = read_columns(workload.trace, workload.column, binding, "trace")
    arrivals = table.columns[workload.column]
    _ascending(table, workload.column, binding)
    begin, end = workload.from_, workload.to
    low = int(np.searchsorted(arrivals, begin))
    high = arrivals.size if end is None else int(np.searchsorted(arrivals, end))
    if high <= low:
        raise binding.error(_outside(workload, arrivals), "from" if begin else "to")
    offsets, copies = arrivals[low:high] - begin, copies_of(workload)
    period = _period(offsets) if end is None else end - begin
    if copies > 1 and not period > 0:
        raise binding.error(
            f"{workload.trace}: all arrivals come at the beginning of the slice, "
            "which therefore has no length to repeat: give `to`",
            "repeat",
        )
    return Replay(offsets, period, copies, workload.scale)


def check_start(process: Replay, workload: models.Trace, binding: Binding, until_s: float) -> None:
    """Refuse a trace on a clock of its own (such as Unix time) that would not begin before the run ends."""
    first = float(process.offsets_s[0])
    if first >= until_s * max(1.0, process.scale):
        begin = workload.from_ + first
        raise binding.error(
            f"{workload.trace}: its first arrival comes {first:g} s after the beginning of the slice, "
            f"the run ends after {until_s:g} s: give `from: {begin:.17g}s` to begin there",
            "trace",
        )


def _ascending(table: Table, column: str, binding: Binding) -> None:
    arrivals = table.columns[column]
    back = np.flatnonzero(np.diff(arrivals) < 0)
    if back.size:
        row = int(back[0]) + 1
        times_back = f" ({back.size} rows go back)" if back.size > 1 else ""
        raise table.error(
            row,
            column,
            f"must not come before the arrival above it ({arrivals[row - 1]:.17g}), got {arrivals[row]:.17g}"
            f"{times_back}: sort the file by this column",
            binding,
            "trace",
        )


def _outside(workload: models.Trace, arrivals: Floats) -> str:
    until = "its end" if workload.to is None else f"{workload.to:g} s"
    return (
        f"{workload.trace}: no arrival from {workload.from_:g} s to {until}; "
        f"the trace has arrivals from {arrivals[0]:.17g} s to {arrivals[-1]:.17g} s"
    )


def _period(offsets: Floats) -> float:
    """Length of a copy without a given end: the last arrival and one mean gap, which keeps the rate."""
    span = float(offsets[-1] - offsets[0])
    return float(offsets[-1]) + (span / (offsets.size - 1) if offsets.size > 1 else 0.0)


def faster(workload: models.Trace, factor: float) -> dict[str, Any]:
    """The change that compresses the time of the trace."""
    return times(workload, "scale", factor)
