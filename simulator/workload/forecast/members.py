"""The models that are combined: each gives quantiles of every bin of the horizon from one regular history."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from simulator.workload.forecast.levels import NORMAL, TABLE
from simulator.workload.process import Floats

CLIM_DAYS = 14
OFFSET = 0.01
"""Added to the load, in units of its mean, before logs are taken: keeps zeros finite and quiet nights tame."""
CEILING = 10.0
"""No quantile lies above so many times the largest value of the history: a guard for models on logs."""
NORMAL_90 = 1.2815515655446004
LONGEST_ETS_SEASON = 24
"""statsforecast's exponential smoothing takes no longer season."""

Model = Callable[[Floats, int, int], Floats]
"""History of mean 1, bins of a day, bins of the horizon -> quantiles (T, L) at the levels of ``TABLE``."""


@dataclass(frozen=True, slots=True)
class Member:
    """One model with the history that it needs, in days."""

    name: str
    model: Model
    days: float
    shortest_season: int = 1
    longest_season: int = 10**6

    def fits(self, size: int, season: int) -> bool:
        """Whether a history of ``size`` bins is enough."""
        return size >= self.days * season and self.shortest_season <= season <= self.longest_season


@dataclass(slots=True)
class Quantiles:
    """Quantiles by member, and why others have none."""

    tables: dict[str, Floats] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def predictions(history: Floats, season: int, horizon: int) -> Quantiles:
    """Quantiles (T, L) of every member that can be fitted to ``history``, never negative, in its unit."""
    scale = float(history.mean())
    found = Quantiles()
    for member in MEMBERS:
        if not member.fits(history.size, season):
            continue
        try:
            with quiet():
                table = member.model(history / scale, season, horizon)
        except Exception as trouble:  # noqa: BLE001 - statsforecast raises bare Exceptions; the reason is kept and told
            found.failed[member.name] = f"{type(trouble).__name__}: {trouble}"
            continue
        if np.isfinite(table).all():
            ceiling = CEILING * float(history.max())
            found.tables[member.name] = np.clip(table * scale, 0.0, ceiling)
        else:
            found.failed[member.name] = "no finite forecast"
    return found


def prepare() -> None:
    """Import the models' library, which takes a second or two, before anything is timed."""
    with quiet():
        import_module("statsforecast.models")


def quiet() -> Any:
    """Silence the warnings of fitted libraries, here and nowhere else."""

    class _Quiet(warnings.catch_warnings):
        def __enter__(self) -> None:
            super().__enter__()
            warnings.simplefilter("ignore")

    return _Quiet()


def seasonal_naive(period_days: int) -> Model:
    """The last season again; the spread is the root mean square of its errors, times the root of the seasons ahead."""

    def model(history: Floats, season: int, horizon: int) -> Floats:
        period = period_days * season
        steps = np.arange(horizon)
        mean = history[-period:][steps % period]
        errors = history[period:] - history[:-period]
        sigma = np.sqrt(np.mean(errors**2)) * np.sqrt(steps // period + 1.0)
        return _gaussian(mean, sigma)

    return model


def climatology(history: Floats, season: int, horizon: int) -> Floats:
    """Empirical quantiles of the same hour over the last 14 days."""
    days = min(CLIM_DAYS, history.size // season)
    rows = history[-days * season :].reshape(days, season)
    return np.quantile(rows, TABLE, axis=0).T[np.arange(horizon) % season]


def _gaussian(mean: Floats, sigma: Floats) -> Floats:
    return mean[:, None] + sigma[:, None] * NORMAL[None, :]


def _fitted(make: Callable[[int], Any]) -> Model:
    """A model of statsforecast: its mean, and its 80 % interval read as a normal law's."""

    def model(history: Floats, season: int, horizon: int) -> Floats:
        made = make(season).forecast(np.ascontiguousarray(history), horizon, level=[80])
        return _gaussian(made["mean"], (made["hi-80"] - made["lo-80"]) / (2 * NORMAL_90))

    return model


def _on_logs(model: Model) -> Model:
    """The same model of log(y + offset)."""

    def on_logs(history: Floats, season: int, horizon: int) -> Floats:
        table = model(np.log(history + OFFSET), season, horizon)
        return np.exp(np.clip(table, -50.0, 50.0)) - OFFSET

    return on_logs


def _ets(season: int) -> Any:
    from statsforecast.models import AutoETS

    return AutoETS(season_length=season, model="ANA")


def _theta(season: int) -> Any:
    from statsforecast.models import Theta

    return Theta(season_length=season)


def _mstl(*days: int) -> Callable[[int], Any]:
    """Daily (and weekly) patterns by repeated LOESS, exponential smoothing with a damped trend of the rest.

    The smoothers of trend and low-pass are computed at every sixth of a day and joined by lines: five times as fast,
    with changes far below the forecast's error.
    """

    def make(season: int) -> Any:
        from statsforecast.models import MSTL, AutoETS

        jump = max(1, season // 6)
        return MSTL(
            season_length=[period * season for period in days],
            trend_forecaster=AutoETS(model="AAN", damped=True),
            stl_kwargs={"low_pass_jump": jump, "trend_jump": jump},
        )

    return make


def _members() -> Iterator[Member]:
    daily, weekly, ets, theta = _fitted(_mstl(1)), _fitted(_mstl(1, 7)), _fitted(_ets), _fitted(_theta)
    yield Member("snaive-day", seasonal_naive(1), 2)
    yield Member("snaive-week", seasonal_naive(7), 8)
    yield Member("clim14", climatology, 2)
    yield Member("theta", theta, 2)
    yield Member("ets", ets, 2, longest_season=LONGEST_ETS_SEASON)
    yield Member("ets-log", _on_logs(ets), 2, longest_season=LONGEST_ETS_SEASON)
    yield Member("mstl-day", daily, 2)
    yield Member("mstl-day-log", _on_logs(daily), 2)
    yield Member("mstl-week", weekly, 15)
    yield Member("mstl-week-log", _on_logs(weekly), 15)


MEMBERS = tuple(_members())
"""All models, the simplest first."""
