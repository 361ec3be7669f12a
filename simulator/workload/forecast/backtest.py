"""Forecasts from rolling past origins, beside both seasonal naives and what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.results.strictjson import to_json
from simulator.workload.forecast.api import QUANTILES, bins_of, forecast_regular, history_of, regular_series
from simulator.workload.forecast.combine import pinball
from simulator.workload.forecast.members import prepare, seasonal_naive
from simulator.workload.forecast.reading import Source, read_series, seconds, wrong
from simulator.workload.forecast.regular import DAY_S, Regular, outages
from simulator.workload.forecast.result import checked_levels, named, quantiles_at
from simulator.workload.process import Floats

FIRST_DAYS = 5.0
NAIVES = {"snaive-day": 1, "snaive-week": 7}


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """One forecast (T, Q), the naive ones (T, Q) by name, and what came (T,): NaN where it is not scored."""

    start_s: float
    values: Floats
    naives: dict[str, Floats]
    actual: Floats
    seconds: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """Forecasts from many origins.

    With the pinball loss at level q of a forecast f of y, max(q (y - f), (q - 1)(y - f)): the weighted quantile loss
    is twice its mean over bins and levels, over the mean load.
    """

    series: str
    column: str
    step_s: float
    quantiles: tuple[float, ...]
    origins: tuple[Origin, ...]

    @property
    def actual(self) -> Floats:
        """What came in all scored bins (n,)."""
        return np.concatenate([one.actual[~np.isnan(one.actual)] for one in self.origins])

    def _stacked(self, name: str | None) -> Floats | None:
        if name is not None and any(name not in one.naives for one in self.origins):
            return None
        tables = [one.values if name is None else one.naives[name] for one in self.origins]
        return np.concatenate([table[~np.isnan(one.actual)] for table, one in zip(tables, self.origins)])

    def weighted_loss(self, name: str | None = None) -> float:
        """Weighted quantile loss (a share) of the forecast or of a naive one, NaN if that is missing."""
        table, actual = self._stacked(name), self.actual
        if table is None or not actual.size or not actual.mean() > 0:
            return float("nan")
        return float(2 * pinball(table, np.asarray(self.quantiles), actual).mean() / actual.mean())

    @property
    def scaled_loss(self) -> float:
        """Loss over that of the better seasonal naive: below 1 is better than either."""
        naive = [loss for name in NAIVES if np.isfinite(loss := self.weighted_loss(name))]
        best = min(naive, default=float("nan"))
        return self.weighted_loss() / best if best > 0 else float("nan")

    def covered(self, name: str | None = None) -> Floats:
        """Share of the scored bins at or below each quantile (Q,)."""
        table = self._stacked(name)
        return np.full(len(self.quantiles), np.nan) if table is None else (self.actual[:, None] <= table).mean(axis=0)

    def absolute_error(self, name: str | None = None) -> float:
        """Sum of the absolute errors of the quantile nearest the median, over the sum of the load."""
        table, place = self._stacked(name), int(np.abs(np.asarray(self.quantiles) - 0.5).argmin())
        if table is None or not self.actual.sum() > 0:
            return float("nan")
        return float(np.abs(self.actual - table[:, place]).sum() / self.actual.sum())

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values."""
        spent = [one.seconds for one in self.origins if one.seconds is not None]
        return {
            "series": self.series,
            "column": self.column,
            "step_s": self.step_s,
            "origins_s": [one.start_s for one in self.origins],
            "scored": int(self.actual.size),
            "left_out": int(sum(np.isnan(one.actual).sum() for one in self.origins)),
            "scaled_loss": self.scaled_loss,
            "models": {label: self._figures(name) for label, name in (("forecast", None), *((n, n) for n in NAIVES))},
            "time_s": {"median": float(np.median(spent)), "max": max(spent)} if spent else None,
        }

    def _figures(self, name: str | None) -> dict[str, Any]:
        return {
            "weighted_loss": self.weighted_loss(name),
            "absolute_error": self.absolute_error(name),
            "covered": {named(level): share for level, share in zip(self.quantiles, self.covered(name).tolist())},
        }

    def to_json(self) -> str:
        """The figures as JSON text."""
        return to_json(self.to_dict())


def backtest(
    series: Source,
    *,
    column: str | Sequence[str] = "requests",
    interval: object = None,
    to: object = "1h",
    horizon: object = "24h",
    quantiles: Sequence[float] = QUANTILES,
    begin: object = None,
    every: object = "24h",
    until: object = None,
    levels: bool = False,
    gaps: str | None = None,
    outages_scored: bool = False,
    timer: Callable[[], float] | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Backtest:
    """Forecast from every midnight of the series' clock and score what came; arguments as for ``forecast``.

    ``begin``: the first origin may not lie before (default: five days of history); ``every``: from one origin to the
    next; ``until``: no horizon ends later. Bins that were outages are left out of the score unless
    ``outages_scored``; ``timer``: a clock [s] to time every forecast with,
    imports apart.
    """
    read = read_series(series, column=column, interval=interval, gaps=gaps)
    regular = regular_series(read, to, levels)
    bins, asked = bins_of(horizon, regular), checked_levels(quantiles)
    starts = _origins(regular, bins, begin, every, until)
    actual = _scored(regular, outages_scored)
    prepare()
    done = []
    for count, start in enumerate(starts):
        done.append(_origin(regular, actual, start, bins, asked, timer))
        if progress is not None:
            progress(count + 1, len(starts))
    if all(np.isnan(one.actual).all() for one in done):
        raise wrong("nothing was recorded in any horizon: there is nothing to score", "series")
    return Backtest(read.name, read.column, regular.step_s, tuple(asked.tolist()), tuple(done))


def _origins(regular: Regular, bins: int, begin: object, every: object, until: object) -> list[float]:
    step = seconds(every, "every")
    if not step > 0 or abs(step / DAY_S - round(step / DAY_S)) > 1e-9:
        raise wrong(f"{step:g} s must be a whole number of days", "every")
    least = regular.start_s + FIRST_DAYS * DAY_S if begin is None else seconds(begin, "begin")
    first = np.ceil(max(least, regular.start_s + regular.step_s) / DAY_S - 1e-9) * DAY_S
    end = regular.end_s if until is None else min(seconds(until, "until"), regular.end_s)
    found = np.arange(first, end - bins * regular.step_s + 1e-6, step)
    if not found.size:
        message = f"no midnight from {least:g} s on has {bins * regular.step_s:g} s of the series after it"
        raise wrong(f"{message}, which goes from {regular.start_s:g} s to {regular.end_s:g} s", "begin")
    return [float(start) for start in found]


def _scored(regular: Regular, outages_scored: bool) -> Floats:
    hidden = outages(regular.values, regular.season)
    return regular.values if outages_scored else np.where(hidden, np.nan, regular.values)


def _origin(
    regular: Regular, actual: Floats, start: float, bins: int, asked: Floats, timer: Callable[[], float] | None
) -> Origin:
    before = timer() if timer else 0.0
    made = forecast_regular(regular, start, bins, asked.tolist())
    spent = timer() - before if timer else None
    history = history_of(regular, start)
    known, season = history.before(0), regular.season
    naives = {
        name: quantiles_at(np.maximum(seasonal_naive(days)(known, season, bins), 0.0), asked)
        for name, days in NAIVES.items()
        if known.size > days * season
    }
    place = regular.index(start)
    return Origin(start, made.values, naives, actual[place : place + bins], spent)
