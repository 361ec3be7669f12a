"""Days of a series: what was known at midnight, what came, and what replaying them costs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator import simulate
from simulator.cluster import loads
from simulator.errors import ScenarioError
from simulator.planner.backtest.days import Case, Day, case_of, days_of
from simulator.planner.backtest.replay import replay, replayed_scenario
from simulator.planner.backtest.strategies import STRATEGIES, Decided, Made, Reaction, autoscaled
from simulator.planner.optimize.problem import PlannedLoad
from simulator.scenario import Scenario
from simulator.scenario.deployment import TimedDeployment
from simulator.scenario.planfile import Plan
from simulator.workload.forecast import read_series

DAY, HOUR = 86_400.0, 3600.0
TEXT = """
version: 1
name: replayed
seed: 5
run: {duration: 1h}
cluster: {pools: {gpu: {device: v100-16gb, count: 8, price_per_hour: 2}}}
models: {net: {layers: [{name: all, time: 1s}]}}
services:
  chat:
    model: net
    slo: {latency: 10s, attainment: 99%}
    workload: {process: poisson, rate: 1/s}
    deployment: {portions: [{layers: 1, pool: gpu, replicas: 1, batch: 4}]}
planner: {quantile: 0.9, window: 1h}
"""


def wave(days: int = 8) -> np.ndarray:
    """Counts in ten minutes of a daily wave that grows."""
    t = np.arange(days * 144) / 144
    return np.round(600 * (1 + 0.5 * np.sin(2 * np.pi * t)) * (1 + 0.01 * t) + 5 * np.cos(97.0 * t))


def case(scale: float = 1.0, counts: np.ndarray | None = None) -> Case:
    scenario: Scenario = loads(TEXT)
    read = read_series(wave() if counts is None else counts, interval="10min")
    return case_of(scenario, read, "chat", HOUR, scale, 0.9)


def window(start: float, replicas: int) -> TimedDeployment:
    text = TEXT.replace("replicas: 1", f"replicas: {replicas}")
    deployment = loads(text).services["chat"].deployment
    assert deployment is not None
    return TimedDeployment.model_construct(**dict(deployment), from_=start)


def test_days_end_with_the_series_unless_told() -> None:
    found = days_of(case(), None, 3)
    assert [day.start_s / DAY for day in found] == [5, 6, 7]
    assert [day.start_s / DAY for day in days_of(case(), 2.5 * DAY, 2)] == [3, 4]


@pytest.mark.parametrize(("begin", "count"), [(0.0, 1), (None, 7), (7 * DAY, 2)])
def test_days_that_do_not_fit_are_refused_with_the_span(begin: float | None, count: int) -> None:
    with pytest.raises(ScenarioError, match=r"do not fit into the series \(from 0d to 8d\)"):
        days_of(case(), begin, count)


def test_what_came_is_the_counts_per_second() -> None:
    day = days_of(case(scale=3.0), 6 * DAY, 1)[0]
    expected = wave()[6 * 144 : 7 * 144] * 3.0 / 600.0
    np.testing.assert_allclose(day.actual, expected)
    np.testing.assert_allclose(day.peaks, expected.reshape(24, 6).max(axis=1))


def test_nothing_after_midnight_is_known_at_midnight() -> None:
    counts = wave()
    later = counts.copy()
    later[6 * 144 :] *= 7.0
    one, two = (days_of(case(counts=given), 6 * DAY, 1)[0] for given in (counts, later))
    np.testing.assert_array_equal(one.forecast_load.rates["chat"], two.forecast_load.rates["chat"])
    np.testing.assert_array_equal(one.naive_load.rates["chat"], two.naive_load.rates["chat"])
    assert (two.known_load.rates["chat"] > 6 * one.known_load.rates["chat"]).all()


def test_loads_of_the_strategies() -> None:
    day = days_of(case(), 6 * DAY, 1)[0]
    planned, static, known = day.forecast_load, day.peak_load, day.known_load
    assert len(planned.windows) == len(known.windows) == 24
    assert [(one.start_s, one.end_s) for one in static.windows] == [(0.0, DAY)]
    assert static.rates["chat"][0] == planned.rates["chat"].max()
    assert known.forecast is None
    assert planned.forecast is not None
    assert planned.forecast.quantile == 0.9
    assert planned.samples["chat"].shape[1] == 24
    # a regular wave: the forecast is near what comes, a 0.9 quantile is mostly above it
    mean = day.actual.reshape(24, 6).mean(axis=1)
    assert np.mean(planned.rates["chat"] >= mean) > 0.7
    np.testing.assert_allclose(planned.rates["chat"], mean, rtol=0.2)


def test_the_replayed_load_is_what_came() -> None:
    day = days_of(case(scale=0.02), 6 * DAY, 1)[0]
    scenario = replayed_scenario(day, Decided((window(0.0, 2),)))
    arrived = simulate(scenario, replications=1).requests["arrival_s"].to_numpy()
    expected = day.actual * 600.0
    counts = np.histogram(arrived, np.arange(145) * 600.0)[0]
    assert abs(counts.sum() - expected.sum()) < 5 * math.sqrt(expected.sum())
    first, last = slice(0, 72), slice(72, 144)  # the wave's halves
    assert abs(counts[first].sum() - expected[first].sum()) < 5 * math.sqrt(expected[first].sum())
    assert abs(counts[last].sum() - expected[last].sum()) < 5 * math.sqrt(expected[last].sum())


def test_cost_hours_and_changes_of_a_replay() -> None:
    day = days_of(case(scale=0.02), 6 * DAY, 1)[0]
    deployments = (window(0.0, 1), window(6 * HOUR, 3), window(18 * HOUR, 2))
    found = replay(day, Decided(deployments), 2)
    hours = 6 * 1 + 12 * 3 + 6 * 2
    # an added replica is held while it starts, a removed one until its batch is done: minutes of a day
    assert found.device_hours == pytest.approx(hours, rel=0.01)
    assert found.cost == pytest.approx(2.0 * found.device_hours)
    assert found.changes == 2
    assert found.attainment == pytest.approx(1.0, abs=0.01)


def test_a_deployment_that_stays_has_no_changes() -> None:
    day = days_of(case(scale=0.02), 6 * DAY, 1)[0]
    assert replay(day, Decided((window(0.0, 2),)), 1).changes == 0


def planning(day: Day) -> object:
    """A planner that takes as many replicas as the rate asks for, for every load."""

    def plan(given: PlannedLoad) -> Made:
        windows = [
            {
                "start": f"{one.start_s}s",
                "end": f"{one.end_s}s",
                "services": {
                    "chat": {"portions": [{"layers": 1, "pool": "gpu", "replicas": 1 + int(rate), "batch": 4}]}
                },
            }
            for one, rate in zip(given.windows, given.rates["chat"])
        ]
        return Made(Plan.model_validate({"version": 1, "windows": windows}), True, None)

    return plan


@pytest.mark.parametrize(
    ("name", "knows"),
    [
        ("planned", "forecast_load"),
        ("clairvoyant", "known_load"),
        ("static", "peak_load"),
        ("seasonal-naive", "naive_load"),
    ],
)
def test_every_strategy_plans_for_what_it_knows(name: str, knows: str) -> None:
    day, asked = days_of(case(), 6 * DAY, 1)[0], list[PlannedLoad]()
    plan = planning(day)

    def noted(given: PlannedLoad) -> Made:
        asked.append(given)
        return plan(given)  # type: ignore[operator,no-any-return]

    STRATEGIES[name].decide(day, noted, Reaction(0.7, {"gpu": 8}))
    assert [id(one) for one in asked] == [id(getattr(day, knows))]


def test_every_strategy_deploys_what_can_be_simulated() -> None:
    day = days_of(case(), 6 * DAY, 1)[0]
    reaction = Reaction(0.7, {"gpu": 8})
    for strategy in STRATEGIES.values():
        decided = strategy.decide(day, planning(day), reaction)  # type: ignore[arg-type]
        assert decided.deployments[0].from_ == 0.0
        starts = [one.from_ for one in decided.deployments]
        assert starts == sorted(set(starts))
        found = replay(day, decided, 1)
        assert found.requests > 0
        assert 0 < found.device_hours <= 8 * 24


def test_equal_neighbours_are_one_deployment() -> None:
    day = days_of(case(), 6 * DAY, 1)[0]
    decided = STRATEGIES["planned"].decide(day, planning(day), Reaction(0.7, {}))  # type: ignore[arg-type]
    counts = [one.portions[0].replicas for one in decided.deployments]
    assert all(a != b for a, b in zip(counts, counts[1:]))  # noqa: RUF007
    assert len(counts) < 24


def test_the_floor_of_plan_and_autoscaler_is_the_plan() -> None:
    both = autoscaled(window(0.0, 3), Reaction(0.6, {"gpu": 8}), None)
    rule = both.portions[0].autoscale
    assert rule is not None
    assert (rule.min, rule.max, rule.target) == (None, 8, 0.6)
