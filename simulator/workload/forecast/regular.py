"""From recorded bins to the regular history that models read: longer bins, outages masked, gaps filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.workload.forecast.reading import LoadSeries, wrong
from simulator.workload.process import Floats

DAY_S = 86_400.0
WEEK_DAYS = 7
OUTAGE = 0.05
"""An hour below this share of the last seven days' median is an outage."""
USUAL = 0.25
"""... unless the same hour of these days was low as well: it must be below this share of their median."""
LEAST_SEEN = 0.5
"""Share of a bin that must have been recorded; what was is then scaled to the whole bin."""


@dataclass(frozen=True, slots=True, eq=False)
class Regular:
    """Values per ``step_s`` from ``start_s`` on, bins aligned with the clock; NaN where too little was recorded."""

    start_s: float
    step_s: float
    values: Floats

    @property
    def season(self) -> int:
        """Bins of a day."""
        return round(DAY_S / self.step_s)

    @property
    def end_s(self) -> float:
        """End of the last bin [s]."""
        return self.start_s + self.values.size * self.step_s

    def index(self, at_s: float) -> int:
        """Number of the bin that starts at ``at_s``."""
        return round((at_s - self.start_s) / self.step_s)


def resampled(series: LoadSeries, to_s: float, levels: bool) -> Regular:
    """Bins of ``to_s`` on the clock of the series: sums of counts, or means of levels; incomplete ends left out.

    A bin that was recorded in part is scaled to its whole length, or missing when less than half of it was.
    """
    if not to_s > 0 or abs(DAY_S / to_s - round(DAY_S / to_s)) > 1e-9 or not 4 <= round(DAY_S / to_s) <= 144:
        raise wrong(f"{to_s:g} s must divide a day, and lie between 10min and 6h", "to")
    ratio = to_s / series.step_s
    if ratio < 1 - 1e-9 or abs(ratio - round(ratio)) > 1e-6 * ratio:
        raise wrong(f"{to_s:g} s must be a multiple of the series' own step, {series.step_s:g} s", "to")
    bins = round(ratio)
    starts = series.start_s + np.arange(series.values.size) * series.step_s
    place = np.floor(starts / to_s + 1e-9).astype(np.int64)
    first = int(np.ceil(series.start_s / to_s - 1e-9))
    last = int(np.floor(series.end_s / to_s + 1e-9))
    count = last - first
    if count < 1:
        raise wrong(f"lasts {series.end_s - series.start_s:g} s, less than one whole bin of {to_s:g} s", "series")
    inside = (place >= first) & (place < last) & (series.observed > 0)
    target = place[inside] - first
    total = np.bincount(target, series.values[inside], count)
    seen = np.bincount(target, np.ones(target.size) if levels else series.observed[inside], count)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(seen >= LEAST_SEEN * bins - 1e-9, total / seen * (1 if levels else bins), np.nan)
    return Regular(first * to_s, to_s, values)


def outages(values: Floats, season: int) -> NDArray[np.bool_]:
    """Where a bin is far below what was usual before it: nothing later is looked at.

    Below 5 % of the median of the last seven days, and below a quarter of the median of the same hour in them, so
    that nights which are always quiet stay.
    """
    found = np.zeros(values.size, dtype=bool)
    week = WEEK_DAYS * season
    for i in np.flatnonzero(values < OUTAGE * np.nanmax(values, initial=0.0)) if np.isfinite(values).any() else ():
        before = values[max(0, i - week + 1) : i + 1]
        before = before[~np.isnan(before)]
        if before.size < season or values[i] >= OUTAGE * np.median(before):
            continue
        same = values[max(0, i - week) : i][::-1][season - 1 :: season]
        same = same[~np.isnan(same)]
        found[i] = same.size == 0 or values[i] < USUAL * np.median(same)
    return found


def filled(values: Floats, hidden: NDArray[np.bool_], season: int) -> Floats:
    """Missing and hidden bins replaced by the median of the same hour in the nearest days, else by a straight line."""
    known = np.where(hidden, np.nan, values)
    holes = np.flatnonzero(np.isnan(known))
    if not holes.size:
        return known
    result = known.copy()
    for hole in holes:
        near = [hole + sign * days * season for days in range(1, WEEK_DAYS + 1) for sign in (-1, 1)]
        usable = [known[i] for i in near if 0 <= i < known.size and not np.isnan(known[i])]
        if usable:
            result[hole] = np.median(usable[:4])
    rest = np.isnan(result)
    if rest.all():
        return np.zeros(values.size)
    result[rest] = np.interp(np.flatnonzero(rest), np.flatnonzero(~rest), result[~rest])
    return result
