"""Steady state against simulation, for every mode: what a saturated deployment answers, and when its queue grows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.cluster.lower import lower
from simulator.cluster.simulate import run_once
from simulator.planner.exits import deployed, exit_case, steady
from simulator.results import metrics
from simulator.scenario import load
from tests.planner.exits.cases import DRIFT, MIXED, MODES, at_rate, one, plans, waiting

REQUESTS = 400_000


@pytest.mark.parametrize("name", MODES)
def test_saturated(name: str) -> None:
    """Finishes per second at 150 % of capacity; those answered before the bottleneck are answered all the same."""
    case, plan = one(name)
    rate = 1.5 * plan.capacity
    scenario = at_rate(deployed(case, plan), rate, REQUESTS, warmup=0.2)
    scenario = scenario.model_copy(update={"run": scenario.run.model_copy(update={"drain": 0.0})})
    figures = metrics(run_once(scenario, lower(scenario), 0))["services"]["sentiment"]
    expected = steady(case, plan).throughput(rate)
    assert figures["throughput"] == pytest.approx(expected, rel=0.01)
    assert expected == pytest.approx(plan.capacity, rel=1e-9)


def test_answers_before_the_bottleneck() -> None:
    """One replica for the last portion: it binds, and more is answered than the deployment can carry."""
    case, plan = one("at_cut (parallel)")
    starved = replace(plan, replicas=(*plan.replicas[:-1], 1))
    capacity = steady(case, starved)
    rate = 1.5 * capacity.rate
    scenario = at_rate(deployed(case, starved), rate, REQUESTS, warmup=0.2)
    scenario = scenario.model_copy(update={"run": scenario.run.model_copy(update={"drain": 0.0})})
    figures = metrics(run_once(scenario, lower(scenario), 0))["services"]["sentiment"]
    assert figures["throughput"] > 1.2 * capacity.rate
    assert figures["throughput"] == pytest.approx(capacity.throughput(rate), rel=0.01)


@pytest.mark.parametrize("name", MODES)
def test_the_queue_holds_below_capacity(name: str) -> None:
    """At 95 % the mean number waiting in the last third is at most 1.5 times that of the second."""
    case, plan = one(name)
    scenario = at_rate(deployed(case, plan), 0.95 * plan.capacity, REQUESTS)
    lowered = lower(scenario)
    _, second, last = np.mean([waiting(run_once(scenario, lowered, number), 3) for number in range(3)], axis=0)
    assert last <= 1.5 * second


@pytest.mark.parametrize("name", MODES)
def test_the_queue_grows_above_capacity(name: str) -> None:
    """At 105 % the slope of the number waiting is positive: one-sided t over replications, 1 in 1000."""
    case, plan = one(name)
    scenario = at_rate(deployed(case, plan), 1.05 * plan.capacity, REQUESTS)
    lowered = lower(scenario)
    thirds = np.array([waiting(run_once(scenario, lowered, number), 3) for number in range(4)])
    slopes = thirds[:, 2] - thirds[:, 0]
    half = stats.t.ppf(0.999, len(slopes) - 1) * stats.sem(slopes)
    assert slopes.mean() - half > 0


@pytest.mark.parametrize("path", [DRIFT, MIXED], ids=["drift", "mixed-gpus"])
def test_two_ways_to_the_capacity(path: Path) -> None:
    """The search and the sums portion by portion agree, with weights of a mix and with several types of device."""
    case = exit_case(load(path))
    for plan in plans(case).values():
        if plan.execution == "parallel" or len(plan.devices) == 1:
            assert steady(case, plan).rate == pytest.approx(plan.capacity, rel=1e-9), plan.name
