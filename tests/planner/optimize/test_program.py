"""The program alone: column generation changes nothing, and its bounds are bounds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.planner.optimize.problem import Group, PlanProblem, PoolLimit, Shape, Space, Window
from simulator.planner.optimize.search import program
from simulator.planner.optimize.search import relax as program_relax
from simulator.planner.optimize.search.program import cost_of, decide, relax
from simulator.planner.optimize.search.rows import Offer
from tests.planner.optimize.searching import HOUR, random_problem


def offered(problem: PlanProblem, rng: np.random.Generator, each: int) -> list[list[Offer]]:
    """Some nodes of every shape."""
    found = []
    for space in problem.spaces:
        found.append([])
        for _ in problem.windows:
            shape = rng.integers(0, len(space.shapes), each)
            replicas = np.where(space.pool[shape] >= 0, rng.integers(1, 4, (each, space.pool.shape[1])), 0)
            found[-1].append(Offer(shape, replicas))
    return found


def cheapest(problem: PlanProblem, offers: list[list[Offer]]) -> float:
    """Every combination of the nodes offered, none kept beyond them."""
    best = math.inf
    cells = [offer for line in offers for offer in line]
    for rows in itertools.product(*(range(len(offer.shape)) for offer in cells)):
        nodes = [(int(offer.shape[row]), tuple(offer.replicas[row].tolist())) for offer, row in zip(cells, rows)]
        count = len(problem.windows)
        cost, fits = cost_of(problem, [nodes[at : at + count] for at in range(0, len(nodes), count)])
        best = min(best, cost) if fits else best
    return best


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_equals_every_combination(seed):
    rng = np.random.default_rng(seed)
    windows, services = ((2, 2), (3, 1), (1, 2))[seed % 3]
    problem = random_problem(
        rng, windows=windows, services=services, devices=(4, 8), switch=(0.0, 0.05), uneven=False, shapes=4
    )
    offers = offered(problem, rng, 4)
    best = cheapest(problem, offers)
    relaxed = relax(problem, offers)
    found = decide(problem, offers, relaxed)
    assert found.cost == pytest.approx(best, rel=1e-6)
    assert found.complete
    if math.isfinite(best):
        assert relaxed.value <= best * (1 + 1e-9)
        assert found.bound <= best * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_few_columns_find_what_all_find(seed, monkeypatch):
    """Column generation from one column, and programs over few, against all columns at once."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, windows=3, services=2, devices=(6, 9), switch=(0.05,), shapes=9)
    offers = offered(problem, rng, 30)
    whole = decide(problem, offers, relax(problem, offers))
    monkeypatch.setattr(program_relax, "FIRST_COLUMNS", 1)
    monkeypatch.setattr(program_relax, "ADDED_COLUMNS", 1)
    monkeypatch.setattr(program, "SOLVED_COLUMNS", 1)
    relaxed = relax(problem, offers)
    few = decide(problem, offers, relaxed)
    assert few.cost == pytest.approx(whole.cost, rel=1e-6)
    monkeypatch.setattr(program, "MOST_COLUMNS", 1)
    cut = decide(problem, offers, relaxed)
    if not math.isfinite(whole.cost):
        assert few.picks is None
    else:
        assert cut.bound <= whole.cost * (1 + 1e-6)
        assert cut.cost >= whole.cost * (1 - 1e-6)


def plain(windows: int, devices: int, switch: float, length_s: float = HOUR, load_s: float = 0.0) -> PlanProblem:
    """One service of one shape with one group, so that the figures can be followed by hand."""
    pools = (PoolLimit("pool", devices, 2.0),)
    shape = Shape("one", "none", "parallel", 1, (Group((1, 1), 0, 1, 1.0, 1.0, load_s, ("one",)),), 1.0)
    other = Shape("other", "none", "parallel", 1, (Group((1, 1), 0, 1, 1.0, 1.0, load_s, ("other",)),), 1.0)
    spans = tuple(Window(at * length_s, (at + 1) * length_s) for at in range(windows))
    space = Space.of("s", [shape, other], 1.0, pools)
    return PlanProblem(spans, pools, (space,), np.ones((1, windows)), switch)


def nodes(*replicas: tuple[int, int]) -> list[list[Offer]]:
    return [[Offer(np.array([shape]), np.array([[count]])) for shape, count in replicas]]


def test_what_a_change_costs():
    """Two added: each its price of 2/h over the 90 s that it loads, and the switching cost."""
    problem = plain(2, 9, 0.5, load_s=90.0)
    cost, fits = cost_of(problem, [[(0, (1,)), (0, (3,))]])
    assert fits
    assert cost == pytest.approx(2 * (1 + 3) + 2 * (2 * 90 / 3600 + 0.5))


def test_a_change_of_shape_needs_old_and_new_at_once():
    problem = plain(2, 5, 0.0)
    assert cost_of(problem, [[(0, (3,)), (1, (2,))]])[1]
    assert not cost_of(problem, [[(0, (3,)), (1, (3,))]])[1]
    assert cost_of(problem, [[(0, (3,)), (0, (5,))]])[1]  # three of them stay
    offers = nodes((0, 3), (1, 3))
    assert decide(problem, offers, relax(problem, offers)).picks is None


@pytest.mark.parametrize(("switch", "kept"), [(1.9, 1), (2.1, 3)])
def test_replicas_are_kept_where_starting_them_again_costs_more(switch, kept):
    """3, 1 and 3 replicas are needed; to keep two for an hour costs 4, to start them again twice the switching cost."""
    problem = plain(3, 9, switch)
    offers = nodes((0, 3), (0, 1), (0, 3))
    found = decide(problem, offers, relax(problem, offers))
    assert found.picks is not None
    assert [replicas[0] for _, replicas in found.picks[0]] == [3, kept, 3]
    assert found.cost == pytest.approx(2 * 7 + 2 * min(switch, 2.0))
