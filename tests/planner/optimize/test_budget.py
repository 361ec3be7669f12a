"""Attainment under a budget against trying every choice among the levels."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.planner.optimize.objectives.budget import attainment
from simulator.planner.optimize.problem import Ask, Judgement, PlanProblem
from simulator.planner.optimize.search.core import INTERRUPTED, Limit
from simulator.planner.optimize.search.program import cost_of
from tests.planner.optimize.searching import Queues, random_problem


class Shares(Queues):
    """Attainment by capacity, less what waits cost: monotone, and never more than steady state allows."""

    def one(self, ask: Ask) -> Judgement:
        shape = self.problem.spaces[ask.service].shapes[ask.shape]
        rate = self.problem.rates[ask.service][ask.window] * ask.factor
        got = 1.0
        for group, count in zip(shape.groups, ask.replicas, strict=True):
            share = count * shape.batch / max(rate * group.survival * group.busy_s, 1e-12)
            lost = group.survival * max(1.0 - share, 0.0)
            got = min(got, 1.0 - lost - 0.05 * group.survival * math.exp(-share))
        return Judgement(got >= 0.95, max(got, 0.0))


def case(seed: int, budget: float) -> PlanProblem:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, shapes=3, windows=2, services=1 + seed % 2, devices=(3, 6), switch=(0.0, 0.05))
    return replace(problem, budget=budget)


def every(problem: PlanProblem, judge: Shares, aim: str) -> float:
    from simulator.planner.optimize.objectives.budget import _levels

    best = -math.inf
    nodes = []
    for service, space in enumerate(problem.spaces):
        for window in range(len(problem.windows)):
            offer = _levels(problem, space, float(problem.rates[service][window]))
            here = []
            for shape, replicas in zip(offer.shape.tolist(), offer.replicas.tolist()):
                count = len(space.shapes[shape].groups)
                got = judge.one(Ask(service, window, shape, tuple(replicas[:count]))).attainment
                here.append((shape, tuple(replicas), got))
            nodes.append(here)
    hours = np.array([window.hours for window in problem.windows])
    weights = (problem.rates * hours).ravel() / (problem.rates * hours).sum()
    count = len(problem.windows)
    for picks in itertools.product(*nodes):
        plan = [[(s, n) for s, n, _ in picks[at : at + count]] for at in range(0, len(picks), count)]
        got = np.array([one for *_, one in picks])
        value = float(weights @ got) if aim == "mean" else float(got.min())
        if value > best and cost_of(problem, plan)[1]:
            best = value
    return best


@pytest.mark.parametrize("aim", ["mean", "worst"])
@pytest.mark.parametrize(("seed", "budget"), [(0, 2.0), (0, 4.0), (2, 3.0), (1, 6.0), (4, 1.0)])
def test_equals_every_choice(seed, budget, aim):
    problem = case(seed, budget)
    judge = Shares(problem, 0.0)
    found = attainment(problem, judge, aim=aim)
    if seed % 2:  # two services: too many to try all; the bound proves it
        assert found.choices is None or found.gap <= 1e-5
        return
    best = every(problem, judge, aim)
    if best < 0:
        assert found.choices is None
        assert found.reason
    else:
        assert found.attainment == pytest.approx(best, abs=1e-5)
        assert found.bound >= best - 1e-9
        assert found.cost <= budget * (1 + 1e-6)


def test_more_money_never_attains_less():
    got = [attainment(case(0, budget), Shares(case(0, budget), 0.0)).attainment for budget in (1.0, 2.0, 4.0, 50.0)]
    assert all(a <= b + 1e-5 for a, b in itertools.pairwise(got))
    assert got[-1] > 0.9


def test_limits_and_interruptions():
    problem = case(0, 4.0)
    whole = attainment(problem, Shares(problem, 0.0))
    stopped = attainment(problem, Shares(problem, 0.0, stop_after=2))
    assert stopped.interrupted == INTERRUPTED
    few = attainment(problem, Shares(problem, 0.0), limit=Limit(1))
    assert few.evaluations <= 1
    assert few.bound >= whole.attainment
    nothing = attainment(case(0, 0.01), Shares(problem, 0.0))
    assert nothing.choices is None
    assert "budget" in str(nothing.reason)
