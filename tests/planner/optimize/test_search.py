"""The search against exhaustive search, its bounds at any limit, and what ends it early."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.planner.optimize.problem import Ask, Group, Judgement, PlanProblem, PoolLimit, Shape, Space, Window
from simulator.planner.optimize.search.core import INTERRUPTED, OUT_OF_ASKS, OUT_OF_TIME, Limit, Search, search
from simulator.planner.optimize.search.found import PROVEN, Found
from simulator.planner.optimize.search.program import cost_of
from tests.planner.optimize.searching import Queues, Sums, exhaustive, random_problem

SEEDS = st.integers(0, 10**6)


def small(seed: int) -> tuple[PlanProblem, Queues]:
    """A small case; every fifth with a budget that may be too small."""
    rng = np.random.default_rng(seed)
    problem = random_problem(
        rng,
        shapes=int(rng.integers(3, 9)),
        windows=int(rng.integers(1, 4)),
        services=int(rng.integers(1, 3)),
        pools=int(rng.integers(1, 3)),
    )
    if seed % 5 == 0:
        problem = replace(problem, budget=float(rng.uniform(3, 25)))
    kind = Queues if rng.random() < 0.5 else Sums
    return problem, kind(problem, float(rng.uniform(1.1, 3.5)), by_rate=bool(rng.random() < 0.7))


def check(found: Found, judge: Queues, best: float) -> None:
    """A found plan holds, fits, and costs what it says; bound <= optimum <= cost."""
    assert found.bound <= best * (1 + PROVEN)
    if found.choices is None:
        assert found.cost == math.inf
        assert found.reason
        return
    nodes = [[(choice.shape, choice.replicas) for choice in line] for line in found.choices]
    cost, fits = cost_of(judge.problem, nodes)
    assert fits
    assert cost == pytest.approx(found.cost, rel=1e-9)
    assert found.cost >= best * (1 - 1e-9)
    assert found.bound <= found.program_bound <= found.cost
    for service, line in enumerate(found.choices):
        for window, choice in enumerate(line):
            assert judge.one(Ask(service, window, choice.shape, choice.replicas)).holds
            assert choice.judgement.holds


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_equals_exhaustive_search(seed):
    problem, judge = small(seed)
    best = exhaustive(problem, judge)
    found = search(problem, judge, limit=Limit(100_000))
    check(found, judge, best)
    assert found.proven
    assert found.infeasible == math.isinf(best)
    if math.isfinite(best):
        assert found.cost == pytest.approx(best, rel=PROVEN)


@given(SEEDS, st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_bounds_hold_at_any_limit(seed, evaluations):
    problem, judge = small(seed)
    best = exhaustive(problem, judge)
    found = search(problem, judge, limit=Limit(evaluations))
    check(found, judge, best)
    assert found.evaluations == len(judge.asked) <= evaluations
    if not found.proven:
        assert found.interrupted == OUT_OF_ASKS


@given(SEEDS, st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_interrupted_keeps_the_best_and_goes_on_later(seed, calls):
    problem, judge = small(seed)
    best = exhaustive(problem, judge)
    judge.stop_after = calls
    searching = Search(problem, judge)
    found = searching.run(Limit(100_000))
    check(found, judge, best)
    if not found.proven:
        assert found.interrupted == INTERRUPTED
    judge.stop_after = None
    whole = searching.run(Limit(100_000))
    check(whole, judge, best)
    assert whole.proven
    assert math.isinf(best) or whole.cost == pytest.approx(best, rel=PROVEN)
    assert len(judge.asked) == len(set(judge.asked))  # nothing is asked twice


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_what_was_refuted_is_never_chosen_again(seed):
    """Equal to exhaustive search with a judge that says no there: in that window only."""
    problem, judge = small(seed)
    searching = Search(problem, judge)
    first = searching.run(Limit(100_000))
    if first.choices is None:
        return
    gone = Ask(0, 0, first.choices[0][0].shape, first.choices[0][0].replicas)
    searching.refute(gone.service, gone.window, gone.shape, gone.replicas)

    class Stricter(type(judge)):
        def one(self, ask: Ask) -> Judgement:
            below = all(a <= b for a, b in zip(ask.replicas, gone.replicas))
            if (ask.service, ask.window, ask.shape) == (0, 0, gone.shape) and below:
                return Judgement(False)
            return super().one(ask)

    best = exhaustive(problem, Stricter(problem, judge.limit_s, by_rate=False))
    second = searching.run(Limit(100_000))
    assert second.infeasible == math.isinf(best)
    assert second.bound <= best * (1 + PROVEN)
    if math.isfinite(best):
        assert second.cost == pytest.approx(best, rel=PROVEN)


def test_time_limit():
    problem, judge = small(2)
    found = search(problem, judge, limit=Limit(seconds=0.0))
    assert found.interrupted == OUT_OF_TIME
    assert found.choices is None
    assert found.evaluations == 0


def test_asks_do_not_depend_on_how_they_are_answered():
    """A judge that answers in parts, or in another order inside, as several workers do, changes nothing."""
    problem, judge = small(11)

    class Parts(type(judge)):
        def judge(self, asks):
            answers = {ask: self.one(ask) for ask in reversed(asks)}
            self.asked += asks
            return [answers[ask] for ask in asks]

    parts = Parts(problem, judge.limit_s, by_rate=judge.by_rate)
    one, other = search(problem, judge), search(problem, parts)
    assert judge.asked == parts.asked
    assert (one.choices, one.cost, one.bound) == (other.choices, other.cost, other.bound)


def test_progress_narrows():
    problem, judge = small(3)
    told: list[tuple[float, float, int]] = []
    found = search(problem, judge, progress=lambda *state: told.append(state))
    costs, bounds, counts = zip(*told)
    assert list(costs) == sorted(costs, reverse=True)
    assert list(bounds) == sorted(bounds)
    assert list(counts) == sorted(counts)
    assert counts[-1] <= found.evaluations


def test_fifty_larger_problems_are_close_to_their_bound():
    """The gap to the program's own bound is 1 % at most in median, and so is that to the bound of the whole space."""
    gaps, whole = [], []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        problem = random_problem(
            rng, shapes=30, windows=6, services=2, devices=(20, 60), rates=(1, 20), switch=(0.0, 0.02, 0.1), limit_s=2.5
        )
        found = search(problem, Queues(problem, 2.5), limit=Limit(400, gap=1e-3))
        if not found.infeasible:
            gaps.append(found.program_gap)
            whole.append(found.gap)
    assert len(gaps) >= 25
    assert np.median(gaps) <= 0.01
    assert np.median(whole) <= 0.01


@pytest.mark.parametrize("cause", ["no shapes", "steady", "judge", "together", "budget"])
def test_infeasible_cases_are_named(cause):
    rng = np.random.default_rng(7)
    problem = random_problem(rng, windows=2, services=2, pools=1, devices=(6, 7), rates=(0.5, 0.6), switch=(0.0,))
    judge, words = Queues(problem, 50.0), ""
    if cause == "no shapes":
        spaces = (problem.spaces[0], Space.of("empty", [], 1.0, problem.pools))
        problem, words = replace(problem, spaces=spaces), "empty, window 0"
    elif cause == "steady":
        problem, words = replace(problem, rates=problem.rates * [[1.0, 1000.0], [1.0, 1.0]]), "service0, window 1"
    elif cause == "judge":
        judge, words = Queues(problem, 0.001), "the objective"
    elif cause == "together":
        few = (PoolLimit("pool0", 1, 1.0),)
        problem, words = replace(problem, pools=few, rates=problem.rates * 0.01), "together"
    else:
        problem, words = replace(problem, budget=0.01), "budget"
    judge.problem = problem
    found = search(problem, judge)
    assert found.infeasible
    assert found.choices is None
    assert words in str(found.reason)


def test_rejected_alternatives_say_why():
    problem, judge = small(12)
    found = search(problem, judge)
    assert found.choices is not None
    assert found.rejected
    for lost in found.rejected:
        chosen = found.choices[lost.service][lost.window]
        price = problem.spaces[lost.service].price_per_hour(chosen.shape, chosen.replicas)
        assert lost.reason in ("price", "slo", "pool", "program", "unknown")
        if lost.reason == "price":
            assert lost.price_per_hour >= price
            assert lost.dearer == pytest.approx(lost.price_per_hour / price - 1)


class Moody(Queues):
    """Wants four replicas in the second window, though three hold in the first at a higher load."""

    def one(self, ask: Ask) -> Judgement:
        return Judgement(ask.replicas[0] >= (4 if ask.window else 3))


def test_what_is_chosen_was_asked_in_its_own_window() -> None:
    pools = (PoolLimit("pool", 9, 1.0),)
    group = Group((1, 1), 0, 1, 0.19, 1.0, 0.0, ("all",))
    space = Space.of("s", [Shape("one", "none", "parallel", 1, (group,), 0.1)], 1.0, pools)
    windows = (Window(0.0, 3600.0), Window(3600.0, 7200.0))
    problem = PlanProblem(windows, pools, (space,), np.array([[14.0, 10.0]]))
    judge = Moody(problem, 1.0)
    found = search(problem, judge)
    assert found.choices is not None
    for window, choice in enumerate(found.choices[0]):
        ask = Ask(0, window, choice.shape, choice.replicas)
        assert ask in judge.asked
        assert judge.one(ask).holds
