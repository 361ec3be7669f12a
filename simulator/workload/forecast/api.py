"""From a load history to its forecast: models fitted now and at past origins, averaged and corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.workload.forecast.combine import Past, averaged, losses, weights
from simulator.workload.forecast.conformal import Correction, correction
from simulator.workload.forecast.levels import NORMAL, TABLE
from simulator.workload.forecast.members import Quantiles, predictions
from simulator.workload.forecast.reading import LoadSeries, Source, read_series, seconds, wrong
from simulator.workload.forecast.regular import DAY_S, Regular, filled, outages, resampled
from simulator.workload.forecast.result import Forecast, checked_levels, quantiles_at
from simulator.workload.process import Floats

QUANTILES = (0.1, 0.5, 0.9, 0.95, 0.99)
HISTORY_DAYS = 28
PAST_ORIGINS = 7
SHORTEST_DAYS = 2
LONGEST_HORIZON_DAYS = 14


def forecast(
    series: Source,
    *,
    column: str | Sequence[str] = "requests",
    interval: object = None,
    to: object = "1h",
    horizon: object = "24h",
    quantiles: Sequence[float] = QUANTILES,
    at: object = None,
    levels: bool = False,
    gaps: str | None = None,
) -> Forecast:
    """Quantile forecast of a load from its history.

    ``series``: a csv or csv.gz file, a pandas Series (index in seconds), or numbers ``interval`` apart (NaN: not
    recorded); ``column``, ``interval`` and ``gaps`` as for :func:`read_series`. ``to``: length of the bins that are
    forecast, ``levels``: they are means (GPUs in use), not sums (requests). ``at``: where the history ends and the
    forecast begins, on the clock of the series (default: its end); later values are never looked at. Durations are
    texts (``"1h"``) or seconds. At most the last 28 days are used.
    """
    read = read_series(series, column=column, interval=interval, gaps=gaps)
    regular = regular_series(read, to, levels)
    origin = regular.end_s if at is None else seconds(at, "at")
    return forecast_regular(regular, origin, bins_of(horizon, regular), quantiles, read.name, read.column)


def regular_series(read: LoadSeries, to: object = "1h", levels: bool = False) -> Regular:
    """The series in bins of length ``to``: what is forecast, and what forecasts are compared with."""
    return resampled(read, seconds(to, "to"), levels)


def bins_of(horizon: object, regular: Regular) -> int:
    """Whole bins of the horizon."""
    length = seconds(horizon, "horizon")
    bins = round(length / regular.step_s)
    if not 0 < length <= LONGEST_HORIZON_DAYS * DAY_S or abs(bins * regular.step_s - length) > 1e-6 * regular.step_s:
        raise wrong(
            f"{length:g} s must be a multiple of the bins of {regular.step_s:g} s, up to {LONGEST_HORIZON_DAYS}d",
            "horizon",
        )
    return bins


def forecast_regular(
    regular: Regular,
    origin_s: float,
    bins: int,
    quantiles: Sequence[float] = QUANTILES,
    name: str = "series",
    column: str = "series",
) -> Forecast:
    """The forecast from ``origin_s`` on of a history that has its final bins already."""
    asked = checked_levels(quantiles)
    history = history_of(regular, origin_s)
    if not history.seen.any():
        raise wrong(f"nothing was recorded in the {HISTORY_DAYS} days before {origin_s:g} s", "series")
    made = _made(history, bins)
    starts = origin_s + (np.arange(history.values.size) - history.values.size) * regular.step_s
    return Forecast(
        series=name,
        column=column,
        start_s=origin_s,
        step_s=regular.step_s,
        quantiles=tuple(asked.tolist()),
        values=quantiles_at(made.table, asked),
        history_bins=history.values.size,
        weights=made.weights,
        masked_s=tuple(starts[history.masked].tolist()),
        missing_s=tuple(starts[np.isnan(history.values)].tolist()),
        notes=made.notes,
        correction=made.correction,
        past_origins=made.past,
        table=made.table,
    )


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """At most 28 days before the origin: values (n,) with NaN where not recorded, and which are outages."""

    values: Floats
    masked: NDArray[np.bool_]
    season: int

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Where a value was recorded and is no outage."""
        return ~np.isnan(self.values) & ~self.masked

    def before(self, days: int) -> Floats:
        """The filled history up to ``days`` days before its end; nothing after that is used to fill it."""
        end = self.values.size - days * self.season
        return filled(self.values[:end], self.masked[:end], self.season)

    def after(self, days: int, bins: int) -> Floats:
        """What came after that (bins,), NaN where it is not known or an outage."""
        begin = self.values.size - days * self.season
        known = np.where(self.seen, self.values, np.nan)[begin : begin + bins]
        return np.concatenate([known, np.full(bins - known.size, np.nan)])


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    table: Floats
    weights: dict[str, float]
    correction: Correction
    past: int
    notes: tuple[str, ...]


def history_of(regular: Regular, origin_s: float) -> History:
    """The last 28 days before ``origin_s``."""
    end = regular.index(origin_s)
    if abs(regular.start_s + end * regular.step_s - origin_s) > 1e-6 * regular.step_s:
        raise wrong(f"{origin_s:g} s is no multiple of the bins of {regular.step_s:g} s", "at")
    if not 0 < end <= regular.values.size:
        message = (
            f"{origin_s:g} s lies outside the series, which goes from {regular.start_s:g} s to {regular.end_s:g} s"
        )
        raise wrong(message, "at")
    values = regular.values[max(0, end - HISTORY_DAYS * regular.season) : end]
    values = values[int(np.argmin(np.isnan(values))) :]  # begins with something recorded
    return History(values, outages(values, regular.season), regular.season)


def _made(history: History, bins: int) -> _Made:
    season = history.season
    now = history.before(0)
    known = now[history.seen]
    if known.max() == known.min():
        return _alone(np.full((bins, TABLE.size), known[0]), "constant", "the history is constant: so is the forecast")
    if np.count_nonzero(history.seen) < SHORTEST_DAYS * season:
        return _short(history, now, bins)
    made = predictions(now, season, bins)
    past = [one for days in range(1, PAST_ORIGINS + 1) if (one := _past(history, days, bins)) is not None]
    names = list(made.tables)
    share = weights(losses(past, names))
    found = correction(past, names)
    table = found.apply(averaged(made.tables, names, share))
    return _Made(table, dict(zip(names, share.tolist())), found, len(past), tuple(_notes(made, past, history)))


def _past(history: History, days: int, bins: int) -> Past | None:
    """The models as they would have been ``days`` days ago; None when too little had been seen by then."""
    end = history.values.size - days * history.season
    if end <= 0 or np.count_nonzero(history.seen[:end]) < SHORTEST_DAYS * history.season:
        return None
    before, actual = history.before(days), history.after(days, bins)
    if before.max() == before.min() or np.isnan(actual).all():
        return None
    return Past(predictions(before, history.season, bins).tables, actual)


def _notes(made: Quantiles, past: list[Past], history: History) -> list[str]:
    notes = [f"{name} was left out: {why}" for name, why in made.failed.items()]
    if not past:
        notes.append("the history is too short for past origins: models count the same, intervals are theirs, widened")
    if not history.seen[-1]:
        notes.append("the history ends in an outage or a gap: the forecast is that of a load that has come back")
    return notes


def _short(history: History, now: Floats, bins: int) -> _Made:
    """Less than two days: the day before again, or the mean of what there is, with the spread of all values."""
    season, known = history.season, now[history.seen]
    whole = now.size >= season
    mean = now[-season:][np.arange(bins) % season] if whole else np.full(bins, known.mean())
    sigma = float(known.std(ddof=1)) if known.size > 1 else float(known[0])
    table = Correction().apply(mean[:, None] + sigma * NORMAL[None, :])
    what = "the last day repeated" if whole else "the mean of what there is"
    note = f"less than {SHORTEST_DAYS} days of history: {what}, with the spread of all values"
    return _alone(table, "snaive-day" if whole else "mean", note)


def _alone(table: Floats, name: str, note: str) -> _Made:
    return _Made(table, {name: 1.0}, Correction(), 0, (note,))
