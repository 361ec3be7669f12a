"""The rolling backtest: its figures by hand, and the bar on measured series."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.forecast import CASES, DATA, pooled
from simulator.workload.forecast import Backtest, backtest, forecast
from simulator.workload.forecast.backtest import Origin
from tests.workload.forecast.made import HOUR, daily


def by_hand() -> Backtest:
    """Two origins of two bins, levels 0.5 and 0.9, one bin not scored."""
    origins = (
        Origin(
            0.0,
            np.array([[10.0, 12.0], [10.0, 12.0]]),
            {"snaive-day": np.array([[8.0, 8.0], [8.0, 8.0]])},
            np.array([11.0, 14.0]),
            0.5,
        ),
        Origin(
            86400.0,
            np.array([[10.0, 12.0], [99.0, 99.0]]),
            {"snaive-day": np.array([[8.0, 8.0], [8.0, 8.0]])},
            np.array([5.0, np.nan]),
            1.5,
        ),
    )
    return Backtest("made", "requests", 3600.0, (0.5, 0.9), origins)


def test_figures_by_hand() -> None:
    found = by_hand()
    # pinball: (0.5, 0.1), (2, 1.8), (2.5, 0.7); naive (1.5, 2.7), (3, 5.4), (1.5, 0.3); mean load 10
    assert found.weighted_loss() == pytest.approx(2 * 7.6 / 6 / 10)
    assert found.weighted_loss("snaive-day") == pytest.approx(2 * 14.4 / 6 / 10)
    assert np.isnan(found.weighted_loss("snaive-week"))
    assert found.scaled_loss == pytest.approx(7.6 / 14.4)
    np.testing.assert_allclose(found.covered(), [1 / 3, 2 / 3])
    assert found.absolute_error() == pytest.approx((1 + 4 + 5) / 30)
    figures = found.to_dict()
    assert (figures["scored"], figures["left_out"]) == (3, 1)
    assert figures["time_s"] == {"median": 1.0, "max": 1.5}


def test_origins_are_midnights_and_see_their_past_only() -> None:
    history = daily(9)
    history[7 * 24 : 7 * 24 + 3] = 0.0
    ticks: list[tuple[float, float]] = []
    found = backtest(history, interval=HOUR, begin="6d", progress=lambda done, total: ticks.append((done, total)))
    assert [one.start_s for one in found.origins] == [day * 86400.0 for day in (6, 7, 8)]
    assert ticks == [(1, 3), (2, 3), (3, 3)]
    for one in found.origins:
        np.testing.assert_array_equal(one.values, forecast(history, interval=HOUR, at=one.start_s).values)
        assert one.seconds is None
    assert np.isnan(found.origins[1].actual[:3]).all()  # an outage is not scored ...
    kept = backtest(history, interval=HOUR, begin="7d", every="2d", outages_scored=True)
    np.testing.assert_array_equal(kept.origins[0].actual[:3], 0.0)  # ... unless asked for
    assert "snaive-week" not in found.origins[0].naives
    assert "snaive-week" in found.origins[2].naives


def test_better_than_naive_where_there_is_noise() -> None:
    """A repeated day under noise: repeating yesterday carries its noise along, models average it out."""
    hours = np.arange(12 * 24)
    wave = 2 + np.cos(2 * np.pi * hours / 24)
    load = wave * np.exp(0.2 * np.random.default_rng(4).standard_normal(hours.size))
    found = backtest(load, interval=HOUR, begin="8d")
    assert found.scaled_loss < 0.85
    assert 0.85 < found.covered()[3] <= 1.0


SHARES = {"azure_vm": 4, "helios demand": 4, "philly nodes": 6, "worldcup98": 6, "proxy bike": 3, "twitter": 4}
"""The ordinary test takes every n-th origin of the protocol, the first one included; both servegen series whole."""


@pytest.mark.skipif(not DATA.is_dir(), reason="the measured traces are not beside this checkout")
@pytest.mark.parametrize("thinned", [True, pytest.param(False, marks=pytest.mark.long)])
def test_bar_on_measured_series(thinned: bool) -> None:
    """Geometric mean <= 0.90 of the better naive's loss, no computing series above 1.15, 93-98 % below the 95 %
    quantile, <= 2 s in median and 5 s at most (processor time).

    The few days of the thinned run are few draws: two points of coverage more are allowed there."""
    runs = [case.run(SHARES.get(case.name, 1) if thinned else 1) for case in CASES]
    ratio, share = pooled(runs)
    assert ratio <= 0.90
    for case, run in zip(CASES, runs):
        assert run.scaled_loss <= 1.15 or not case.computing, case.name
    spent = np.array([one.seconds for run in runs for one in run.origins], dtype=float)
    assert np.median(spent) <= 2.0
    assert spent.max() <= 5.0
    sampling = 0.02 if thinned else 0.0
    assert 0.93 - sampling <= share <= 0.98 + sampling
