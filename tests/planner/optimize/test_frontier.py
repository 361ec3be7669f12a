"""What the frontier leaves open is exactly what its facts do not settle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.planner.optimize.problem import Ask, Group, Judgement, PoolLimit, Shape, Space
from simulator.planner.optimize.search.frontier import Frontier, Pick
from tests.planner.optimize.searching import Queues, random_problem

RATES = np.array([1.0, 2.0, 2.0, 0.5])
MOST = 5


def frontier(by_rate: bool = True, devices: int = MOST) -> Frontier:
    """One shape of two groups on pools of their own, and one of a single group."""
    pools = (PoolLimit("a", devices, 1.0), PoolLimit("b", devices, 2.0))
    two = tuple(Group((at + 1, at + 1), at, 1, 0.6, 1.0, 0.0, (at,)) for at in range(2))
    shapes = [Shape("two", "at_cut", "parallel", 1, two, 1.2), Shape("one", "none", "parallel", 1, two[:1], 0.6)]
    return Frontier(Space.of("s", shapes, 1.0, pools), RATES, pools, by_rate)


FACTS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, MOST), st.integers(1, MOST), st.booleans()), max_size=8)


@given(FACTS, st.booleans())
@settings(max_examples=80, deadline=None)
def test_known_is_what_monotony_says(facts, by_rate):
    """Facts of a monotone truth: a node is known to hold, or not to, exactly when a fact implies it."""
    found, told = frontier(by_rate), []

    def truth(window: int, one: int, two: int) -> bool:
        stable = (found.space.least(RATES[window])[0] <= (one, two)).all()
        return bool(stable and one + 2 * two >= 4 * RATES[window] + 1)

    for window, one, two, _ in facts:
        holds = truth(window, one, two)
        found.tell(window, Pick(0, (one, two)), Judgement(holds))
        told.append((window, one, two, holds))
    for window, one, two in itertools.product(range(4), range(1, MOST + 1), range(1, MOST + 1)):
        said = {
            holds
            for other, a, b, holds in told
            if (other == window or by_rate)
            and (RATES[window] <= RATES[other] if holds else RATES[window] >= RATES[other])
            and ((a <= one and b <= two) if holds else (a >= one and b >= two))
        }
        if not (found.space.least(RATES[window])[0] <= (one, two)).all():
            said = {False}
        assert found.known(window, Pick(0, (one, two))) == (said.pop() if said else None)


@given(FACTS)
@settings(max_examples=60, deadline=None)
def test_rows_are_the_least_open_nodes(facts):
    found = frontier()
    for window, one, two, _ in facts:
        found.tell(window, Pick(0, (one, two)), Judgement(False))
    for table in found.tables:
        rows = [tuple(table.replicas[row]) for row in table.rows_of(0)]
        open_ = [
            node
            for node in itertools.product(range(1, MOST + 1), repeat=2)
            if table.known(0, np.array(node)) is not False
        ]
        least = [node for node in open_ if not any(a != node and a[0] <= node[0] and a[1] <= node[1] for a in open_)]
        assert sorted(rows) == sorted(least)


def test_refuted_by_the_caller_counts_for_its_window_alone():
    found = frontier()
    found.tell(0, Pick(1, (2, 0)), Judgement(True))
    found.tell(0, Pick(1, (2, 0)), Judgement(False), alone=True)
    assert found.known(0, Pick(1, (2, 0))) is False
    assert found.known(3, Pick(1, (2, 0))) is True


@pytest.mark.parametrize("need", [1, 2, 37, 400, 799, 800])
def test_hundreds_of_replicas_take_few_answers(need):
    pools = (PoolLimit("a", 800, 1.0),)
    shape = Shape("one", "none", "parallel", 1, (Group((1, 1), 0, 1, 1e-3, 1.0, 0.0, (0,)),), 1e-3)
    found = Frontier(Space.of("s", [shape], 1.0, pools), np.array([1.0]), pools)
    asked = 0
    while picks := found.picks(0, 1):
        asked += 1
        found.tell(0, picks[0], Judgement(picks[0].replicas[0] >= need))
    assert found.enough(0) == (need, 0)
    assert asked <= 2 + np.ceil(np.log2(800)) + 1


def test_two_groups_of_hundreds_take_few_answers():
    """Each group needs about a tenth more than the steady state: far fewer answers than nodes in between."""
    pools = (PoolLimit("a", 2000, 1.0), PoolLimit("b", 2000, 1.5))
    groups = tuple(Group((at + 1, at + 1), at, 1, 1.0, 1.0, 0.0, (at,)) for at in range(2))
    shape = Shape("two", "at_cut", "parallel", 1, groups, 2.0)
    found = Frontier(Space.of("s", [shape], 1.0, pools), np.array([300.0]), pools)
    found.tables[0].weigh(found.space.price, np.zeros(1))
    asked = 0
    while picks := found.picks(0, 1):
        asked += 1
        found.tell(0, picks[0], Judgement(picks[0].replicas[0] >= 331 and picks[0].replicas[1] >= 318))
    assert found.enough(0)[0] == 331 + 1.5 * 318
    assert asked <= 100


def test_ties_go_to_slack_then_service_time():
    pools = (PoolLimit("a", 9, 1.0),)
    shapes = [
        Shape(name, "none", "parallel", 1, (Group((1, 1), 0, 1, busy, 1.0, 0.0, (0,)),), service)
        for name, busy, service in (("slow", 0.9, 0.9), ("slack", 0.8, 0.9), ("quick", 0.8, 0.8))
    ]
    found = Frontier(Space.of("s", shapes, 1.0, pools), np.array([1.0]), pools)
    assert [pick.shape for pick in found.picks(0, 3)] == [2, 1, 0]


def test_the_cheapest_of_a_window_is_found():
    problem = random_problem(np.random.default_rng(5), windows=1, services=1, devices=(5, 6))
    judge = Queues(problem, 2.5)
    found = Frontier(problem.spaces[0], problem.rates[0], problem.pools)
    hours = problem.windows[0].hours
    found.tables[0].weigh(problem.spaces[0].price * hours, np.zeros(len(problem.spaces[0].shapes)))
    while picks := found.picks(0, 2):
        for pick in picks:
            count = len(problem.spaces[0].shapes[pick.shape].groups)
            found.tell(0, pick, judge.one(Ask(0, 0, pick.shape, pick.replicas[:count])))
    assert found.enough(0)[0] == pytest.approx(found.least_cost(0))
