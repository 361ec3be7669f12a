"""What holds for every forecast, whatever the history."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simulator
from simulator.workload.forecast import Forecast, forecast, read_series
from simulator.workload.forecast.api import forecast_regular
from tests.workload.forecast.made import HOUR, daily, regular

LEVELS = (0.01, 0.1, 0.37, 0.5, 0.9, 0.95, 0.99)
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def made(values: np.ndarray, bins: int = 24, levels: tuple[float, ...] = LEVELS) -> Forecast:
    return forecast_regular(regular(values), len(values) * HOUR, bins, levels)


@st.composite
def histories(draw: st.DrawFn) -> np.ndarray:
    """Up to four days of anything: level, noise, zeros, outages, holes."""
    hours = draw(st.integers(1, 100))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = 10.0 ** draw(st.integers(-3, 9)) * rng.gamma(draw(st.sampled_from([0.05, 1.0, 50.0])), size=hours)
    for blank in draw(st.lists(st.integers(0, hours - 1), max_size=3)):
        values[blank : blank + draw(st.integers(1, 30))] = draw(st.sampled_from([0.0, np.nan]))
    if np.isnan(values).all():
        values[0] = 1.0
    return np.round(values) if draw(st.booleans()) else values


@given(histories())
@FEW
def test_quantiles_ascend_and_are_never_negative(history: np.ndarray) -> None:
    found = made(history)
    assert found.values.shape == (24, len(LEVELS))
    assert np.isfinite(found.values).all()
    assert (found.values >= 0).all()
    assert (np.diff(found.values, axis=1) >= 0).all()
    assert math.isclose(sum(found.weights.values()), 1.0)
    assert found.quantiles == LEVELS
    np.testing.assert_array_equal(found.quantile(0.95), found.values[:, LEVELS.index(0.95)])


@given(histories(), st.integers(-20, 20))
@FEW
def test_the_unit_of_the_load_does_not_matter(history: np.ndarray, power: int) -> None:
    """A factor of two to a power leaves every digit of the mantissas alone, so the forecasts agree exactly."""
    one, other = made(history), made(history * 2.0**power)
    np.testing.assert_allclose(other.values, one.values * 2.0**power, rtol=1e-12)
    assert other.masked_s == one.masked_s
    assert other.weights == pytest.approx(one.weights, rel=1e-9)


@given(st.integers(0, 2**32), st.sampled_from([60, 8 * 24]))
@FEW
def test_nothing_later_than_the_origin_is_looked_at(seed: int, origin: int) -> None:
    rng = np.random.default_rng(seed)
    one = daily(10, seed=seed % 1000)
    other = one.copy()
    other[origin:] = rng.gamma(0.2, 1e6, one.size - origin)
    other[origin : origin + 5] = [np.nan, 0.0, 0.0, 1e12, np.nan]
    cut = forecast(one[:origin], interval=HOUR)
    for values in (one, other):
        found = forecast(values, interval=HOUR, at=origin * HOUR)
        np.testing.assert_array_equal(found.values, cut.values)
        assert found.masked_s == cut.masked_s


def test_only_the_last_28_days_count() -> None:
    history = daily(33)
    early = history.copy()
    early[: 5 * 24] *= 50.0
    found = made(history)
    np.testing.assert_array_equal(made(early).values, found.values)
    assert found.history_bins == 28 * 24


def test_same_input_same_forecast() -> None:
    one, other = made(daily(9)), made(daily(9))
    np.testing.assert_array_equal(one.values, other.values)
    assert one.to_json() == other.to_json()
    assert one.to_csv() == other.to_csv()


def test_a_clean_pattern_is_found() -> None:
    """Three weeks of a daily and weekly pattern with 5 % noise: the next Sunday is forecast as a Sunday."""
    truth = daily(28)
    found = made(truth[: 27 * 24])
    quiet = daily(28, noise=0.0)[27 * 24 :]
    assert np.abs(found.quantile(0.5) / quiet - 1).mean() < 0.05
    inside = (truth[27 * 24 :] >= found.quantile(0.05)) & (truth[27 * 24 :] <= found.quantile(0.95))
    assert inside.mean() > 0.7
    weekly = sum(share for name, share in found.weights.items() if "week" in name)
    assert weekly > 0.5


@pytest.mark.parametrize("factor", [1.1, 0.85])
def test_growth_and_decay_are_followed(factor: float) -> None:
    """A load that grows by 10 % or falls by 15 % a day: logs are chosen, half of the naive error goes."""
    hours = np.arange(15 * 24)
    wave = (1 + 0.5 * np.cos(2 * np.pi * hours / 24)) * np.exp(0.02 * np.random.default_rng(0).standard_normal(15 * 24))
    load = 1e6 * wave * factor ** (hours / 24)
    history, truth = load[: 14 * 24], load[14 * 24 :].sum()
    found = made(history)
    naive = abs(history[-24:].sum() / truth - 1)
    assert abs(found.quantile(0.5).sum() / truth - 1) < 0.5 * naive
    assert sum(share for name, share in found.weights.items() if name.endswith("-log")) > 0.5


def test_longer_horizons_and_other_bins() -> None:
    minutes = np.repeat(daily(8), 6) / 6
    found = forecast(minutes, interval="10min", to="30min", horizon="36h")
    assert found.values.shape == (72, 5)
    assert found.step_s == 1800
    assert found.times_s[0] == 8 * 86400
    assert found.end_s == 9.5 * 86400
    coarse = forecast(minutes, interval="10min", to="6h", horizon="2d")
    assert coarse.values.shape == (8, 5)
    assert forecast(minutes, interval="10min", horizon="1h").values.shape == (1, 5)


def test_the_public_name() -> None:
    assert simulator.forecast is forecast
    assert simulator.Forecast is Forecast


def test_a_series_read_once_serves_many_origins() -> None:
    read = read_series(daily(6), interval="1h")
    assert read.end_s == 6 * 86400
    np.testing.assert_array_equal(forecast(read, at="5d").values, forecast(daily(5), interval="1h").values)
