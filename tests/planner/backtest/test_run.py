"""The whole backtest: forecast, plan, replay, and the account of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.cluster import loads
from simulator.errors import ScenarioError
from simulator.planner.backtest import STRATEGIES, PlanBacktest, backtest
from simulator.planner.backtest.replay import Replayed
from simulator.reporting.planbacktest import backtest_figure, plan_backtest_csv, plan_backtest_table
from simulator.results.intervals import interval
from tests.planner.backtest.test_days import TEXT, wave

SMALL = TEXT.replace(
    "planner: {quantile: 0.9, window: 1h}", "planner: {quantile: 0.9, window: 6h, search: {batch: [1, 4]}}"
)


@pytest.fixture(scope="module")
def found() -> PlanBacktest:
    # up to 12 requests a second; a replica carries 1 of them at batch 1 and 4 at batch 4
    return backtest(loads(SMALL), wave(), interval="10min", days=2, scale=8.0, options={"workers": 1})


def test_every_strategy_has_every_day(found: PlanBacktest) -> None:
    assert list(found.days) == list(STRATEGIES)
    assert all(len(rows) == 2 for rows in found.days.values())
    assert found.starts_s == (6 * 86_400.0, 7 * 86_400.0)


def test_all_meet_the_same_arrivals(found: PlanBacktest) -> None:
    for day in range(2):
        assert len({rows[day].requests for rows in found.days.values()}) == 1


def test_a_plan_by_window_needs_less_than_one_for_the_day(found: PlanBacktest) -> None:
    assert found.total("planned")["device_hours"] < found.total("static")["device_hours"]
    assert found.total("planned")["attainment"] >= 0.99
    assert found.total("static")["attainment"] >= 0.99
    assert found.total("static")["changes"] == 0
    assert found.total("planned+reactive")["device_hours"] >= 0.999 * found.total("planned")["device_hours"]


def test_the_same_again(found: PlanBacktest) -> None:
    again = backtest(
        loads(SMALL), wave(), interval="10min", days=2, scale=8.0, strategies=["planned"], options={"workers": 2}
    )
    assert again.days["planned"] == found.days["planned"]


def row(cost: float, attainment: float, requests: float = 100.0) -> Replayed:
    return Replayed(cost, 2 * cost, attainment, 0.1, 1.0, requests, True, None)


def test_totals_and_pairs_are_those_of_the_days() -> None:
    one, two = (row(10.0, 0.99), row(12.0, 0.98, 300.0)), (row(13.0, 1.0), row(14.0, 0.99, 300.0))
    found = PlanBacktest("s", "chat", "f", 3600.0, 0.95, 0.985, (0.0, 86_400.0), {"planned": one, "static": two})
    total = found.total("planned")
    assert total["cost"] == 22.0
    assert total["attainment"] == pytest.approx((0.99 * 100 + 0.98 * 300) / 400)
    assert total["missed_days"] == 1
    paired = found.paired("static", "planned")
    assert paired["cost"]["mean"] == pytest.approx(2.5)
    assert paired["cost"]["ci95"] == pytest.approx(interval([3.0, 2.0]))


def test_table_picture_and_csv_show_the_figures(found: PlanBacktest) -> None:
    figures = found.to_dict()
    table = plan_backtest_table(figures, 120)
    for name in STRATEGIES:
        assert name in table
        assert f"{found.total(name)['device_hours']:,.1f}" in table
    assert max(map(len, plan_backtest_table(figures, 60).splitlines())) <= 60
    lines = plan_backtest_csv(figures).splitlines()
    assert len(lines) == 1 + 2 * len(STRATEGIES)
    left, right = backtest_figure(figures).axes
    assert len(right.lines) == len(STRATEGIES)
    drawn = np.array([points.get_offsets()[0] for points in left.collections])
    np.testing.assert_allclose(drawn[:, 0], [found.total(name)["device_hours"] for name in STRATEGIES])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategies": ["clairvoyent"]}, "did you mean 'clairvoyant'"),
        ({"scale": 0.0}, "must be greater than 0"),
        ({"service": "chatt"}, "did you mean 'chat'"),
        ({"days": 40}, "do not fit into the series"),
        ({"window": "7h"}, "divide a day"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        backtest(loads(SMALL), wave(), **{"interval": "10min", "days": 1, **change})


def test_a_scenario_without_planner_is_refused() -> None:
    text = SMALL[: SMALL.index("planner:")]
    with pytest.raises(ScenarioError, match="`planner`"):
        backtest(loads(text), wave(), interval="10min")
