"""The days of a load series: what was known at midnight, and what then came."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from simulator.errors import Problem, ScenarioError
from simulator.planner.optimize.load import forecast_bin
from simulator.planner.optimize.problem import Floats, PlannedLoad, Window
from simulator.scenario import Scenario
from simulator.scenario.planfile import PlannedForecast
from simulator.workload.forecast import Forecast, LoadSeries, regular_series
from simulator.workload.forecast.api import forecast_regular, history_of
from simulator.workload.forecast.members import seasonal_naive
from simulator.workload.forecast.regular import DAY_S, Regular
from simulator.workload.forecast.result import quantiles_at

SAMPLES = 10
LEAST_STEP_S = 600.0
"""Bins of the replayed load are at least so long [s]."""


@dataclass(frozen=True, eq=False)
class Case:
    """What is replayed: one service of a scenario, and the history of its load.

    ``hourly``: counts in the bins that are forecast, of which a planning window has one or more; ``fine``: in the bins
    that are replayed. A count times ``scale`` over the length of its bin is the rate [1/s].
    """

    scenario: Scenario
    service: str
    series: str
    column: str
    hourly: Regular
    fine: Regular
    windows: int
    """Planning windows of a day."""
    scale: float
    quantile: float

    def load(self, rates: Floats, samples: Floats | None = None, seen: bool = False) -> PlannedLoad:
        """A load to plan for, one rate by window of equal length; ``seen``: it is no forecast."""
        edges = np.linspace(0.0, DAY_S, rates.size + 1)
        windows = tuple(Window(float(a), float(b)) for a, b in pairwise(edges))
        said = None if seen else PlannedForecast(series=self.series, quantile=self.quantile)
        drawn = {} if samples is None else {self.service: samples}
        return PlannedLoad(windows, {self.service: np.maximum(rates, self.least)}, drawn, said)

    @property
    def least(self) -> float:
        """Rate below which no window is planned [1/s]: a request an hour; a plan for no load at all says nothing."""
        return 1.0 / 3600.0


@dataclass(frozen=True, eq=False)
class Day:
    """A day that begins at ``start_s`` on the clock of the series."""

    case: Case
    start_s: float

    def _rates(self, regular: Regular) -> Floats:
        first = regular.index(self.start_s)
        counts = regular.values[first : first + regular.season]
        return np.asarray(np.nan_to_num(counts, nan=0.0) * self.case.scale / regular.step_s)

    @cached_property
    def actual(self) -> Floats:
        """What came, by bin of the replay [1/s]; 0 where nothing was recorded."""
        return self._rates(self.case.fine)

    @cached_property
    def peaks(self) -> Floats:
        """The highest rate that came in each window [1/s]."""
        return np.asarray(self.actual.reshape(self.case.windows, -1).max(axis=1))

    @cached_property
    def forecast(self) -> Forecast:
        """The forecast of that midnight, from what came before it."""
        case = self.case
        bins = case.hourly.season
        return forecast_regular(case.hourly, self.start_s, bins, (0.5, case.quantile), case.series, case.column)

    def _per_window(self, counts: Floats) -> Floats:
        """Rates by window [1/s] from counts by bin (.., bins): of several bins in a window the highest."""
        rates = counts * self.case.scale / self.case.hourly.step_s
        return np.asarray(rates.reshape(*counts.shape[:-1], self.case.windows, -1).max(axis=-1))

    @cached_property
    def forecast_load(self) -> PlannedLoad:
        """The forecast at the planning quantile, and paths of it."""
        seed = self.case.scenario.seed
        samples = self._per_window(self.forecast.samples(SAMPLES, seed))
        return self.case.load(self._per_window(self.forecast.quantile(self.case.quantile)), samples)

    @cached_property
    def naive_load(self) -> PlannedLoad:
        """The day before again, at the planning quantile of its past errors."""
        history = history_of(self.case.hourly, self.start_s).before(0)
        bins = self.case.hourly.season
        table = seasonal_naive(1)(history, bins, bins)
        counts = quantiles_at(np.maximum(table, 0.0), np.array([self.case.quantile]))[:, 0]
        return self.case.load(self._per_window(counts))

    @cached_property
    def peak_load(self) -> PlannedLoad:
        """One window with the highest rate that the forecast has at the planning quantile."""
        return self.case.load(np.array([self.forecast_load.rates[self.case.service].max()]))

    @cached_property
    def known_load(self) -> PlannedLoad:
        """What came, as if it had been known."""
        return self.case.load(self.peaks, seen=True)


def case_of(scenario: Scenario, read: LoadSeries, service: str, window_s: float, scale: float, quantile: float) -> Case:
    """The case of a series that has been read; its bins must divide the planning window, which divides a day."""
    windows = round(DAY_S / window_s)
    if windows < 1 or abs(windows * window_s - DAY_S) > 1e-6:
        raise ScenarioError(Problem(f"windows of {window_s:g} s must divide a day", path="planner.window"))
    length = forecast_bin(window_s)
    if length is None:
        message = f"windows of {window_s:g} s are no multiple of 10min, so that no forecast can be made for them"
        raise ScenarioError(Problem(message, path="planner.window"))
    hourly = regular_series(read, length)
    step = max(read.step_s, min(LEAST_STEP_S, hourly.step_s))
    fine = hourly if abs(step - hourly.step_s) < 1e-6 else regular_series(read, step)
    return Case(scenario, service, Path(read.name).name, read.column, hourly, fine, windows, scale, quantile)


def days_of(case: Case, begin_s: float | None, count: int) -> tuple[Day, ...]:
    """``count`` midnights in a row from ``begin_s`` on, each with history before it and a whole day after it.

    Left out: the last days of the series.
    """
    regular = case.hourly
    last = np.floor((regular.end_s - DAY_S) / DAY_S + 1e-9) * DAY_S
    first = last - (count - 1) * DAY_S if begin_s is None else np.ceil(begin_s / DAY_S - 1e-9) * DAY_S
    earliest = np.ceil((regular.start_s + 2 * DAY_S) / DAY_S - 1e-9) * DAY_S
    if count < 1 or first < earliest or first + (count - 1) * DAY_S > last + 1e-6:
        span = f"from {regular.start_s / DAY_S:g}d to {regular.end_s / DAY_S:g}d"
        most = max(round((last - earliest) / DAY_S) + 1, 0)
        message = (
            f"{count} day(s) from {first / DAY_S:g}d on do not fit into the series ({span}): two days of history come "
            f"before the first, so that at most {most} can be replayed, from {earliest / DAY_S:g}d on"
        )
        raise ScenarioError(Problem(message, path="series"))
    days = tuple(Day(case, float(first + number * DAY_S)) for number in range(count))
    empty = [day for day in days if not day.actual.any()]
    if empty:
        raise ScenarioError(Problem(f"nothing was recorded on day {empty[0].start_s / DAY_S:g}d", path="series"))
    return days


def of_day(scenario: Scenario, service: str) -> Scenario:
    """The scenario as one day of that service alone, to be planned for a load that is given."""
    planner: Any = scenario.planner
    if planner is not None:
        planner = planner.model_copy(update={"forecast": None})
    run = scenario.run.model_copy(update={"duration": DAY_S, "warmup": 0.0})
    kept = {"services": {service: scenario.services[service]}, "trainings": {}, "streams": {}}
    return scenario.model_copy(update={"run": run, "planner": planner, **kept})
