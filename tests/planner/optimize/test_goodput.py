"""Goodput of a fixed cluster: the steady state against the exact search for cuts, judged against exhaustive search."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from simulator.planner.optimize.objectives.goodput import TOLERANCE, goodput, scaled, steady_factor
from simulator.planner.optimize.problem import Group, Judgement, PlanProblem, PoolLimit, Shape, Space, Window
from simulator.planner.optimize.search.core import INTERRUPTED, Limit
from simulator.planner.split import Limits, SplitProblem, best_at_cuts
from tests.planner.optimize.searching import HOUR, Queues, exhaustive, random_problem
from tests.planner.split.exhaustive import portions_of
from tests.planner.split.test_exhaustive import problems


class Steady(Queues):
    """Whatever is stable holds."""

    def one(self, ask):
        need = self.problem.spaces[ask.service].least(self.problem.rates[ask.service][ask.window] * ask.factor)
        return Judgement(all(count >= least for count, least in zip(ask.replicas, need[ask.shape])))


def at_cuts(problem: SplitProblem, batch: int) -> PlanProblem:
    """Every cut set on every choice of types as a space; the rate is 1/s, so that the factor is the capacity."""
    pools = tuple(PoolLimit(device.name, device.count, 1.0) for device in problem.devices)
    shapes = []
    most = min(len(problem.exits.ramps), 2)
    for cuts in itertools.chain(*(itertools.combinations(problem.exits.ramps, size) for size in range(most + 1))):
        portions = portions_of(problem, batch, cuts, False)
        for kinds in itertools.product(range(len(pools)), repeat=len(portions)):
            times = [(busy[kind], work[kind]) for (busy, work), kind in zip(portions, kinds)]
            if not all(math.isfinite(busy) for busy, _ in times):
                continue
            groups = tuple(
                Group((at, at), kind, 1, busy, work / busy if busy else 0.0, 0.0, (cuts, at, kind))
                for at, (kind, (busy, work)) in enumerate(zip(kinds, times))
            )
            shapes.append(Shape(str(cuts), "at_cut", "parallel", batch, groups, sum(busy for busy, _ in times)))
    space = Space.of("s", shapes, 1.0, pools)
    return PlanProblem((Window(0.0, HOUR),), pools, (space,), np.ones((1, 1)))


@given(problems(most_layers=6, most_devices=6))
@settings(max_examples=25, deadline=None)
def test_steady_state_equals_the_exact_search_for_cuts(problem):
    problem = replace(problem, limits=Limits(max_cuts=2))
    plan = best_at_cuts(problem, problem.largest_batch)
    found = steady_factor(at_cuts(problem, problem.largest_batch))
    if plan is None:
        assert found.factor == 0.0
    else:
        assert found.factor == pytest.approx(plan.capacity, rel=1e-8)
        assert found.bound == pytest.approx(plan.capacity, rel=1e-8)


def case(seed: int) -> PlanProblem:
    rng = np.random.default_rng(seed)
    windows, services = ((1, 1), (1, 2), (2, 1), (2, 2))[seed % 4]
    most = 3 if windows * services == 4 else 5
    return random_problem(rng, shapes=4, windows=windows, services=services, devices=(2, most), switch=(0.0,))


@pytest.mark.parametrize("seed", range(8))
def test_steady_state_of_several_services_and_windows(seed):
    problem = case(seed)
    found = steady_factor(problem)
    assert found.bound == pytest.approx(found.factor, rel=1e-7)
    for factor, feasible in ((found.factor * (1 - 1e-6), found.factor > 0), (found.bound * (1 + 1e-6) + 1e-6, False)):
        if factor > 0:
            asked = scaled(problem, factor)
            assert math.isfinite(exhaustive(asked, Steady(asked, 0.0))) == feasible


@pytest.mark.parametrize("seed", range(8))
def test_judged_goodput_equals_exhaustive_search(seed):
    """What is found is feasible, and nothing beyond the bound is, which is close to it."""
    problem = case(seed)
    limit_s = 3.0
    found = goodput(problem, Queues(problem, limit_s), limit=Limit(20_000))
    assert found.factor <= found.bound <= found.steady.bound * (1 + 1e-9)
    above = scaled(problem, max(found.bound * (1 + 1e-6), 1e-3))
    assert math.isinf(exhaustive(above, Queues(above, limit_s)))
    if found.choices is None:
        assert found.factor == 0.0
        assert found.reason
        return
    at = scaled(problem, found.factor)
    assert math.isfinite(exhaustive(at, Queues(at, limit_s)))
    assert found.gap <= TOLERANCE


def test_interrupted_and_limited_searches_keep_what_they_have():
    problem = case(0)
    judge = Queues(problem, 3.0)
    whole = goodput(problem, judge)
    assert whole.choices is not None
    for calls in (0, 1, len(judge.asked) // 2):
        stopped = goodput(problem, Queues(problem, 3.0, stop_after=calls))
        assert stopped.interrupted == INTERRUPTED
        assert stopped.factor <= whole.factor * (1 + 1e-9)
        assert stopped.bound >= whole.factor
    few = goodput(problem, Queues(problem, 3.0), limit=Limit(3))
    assert few.evaluations <= 3
    assert few.bound >= whole.factor
