"""Room above the planned load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.planner.optimize.judge.headroom import MOST_FACTOR, RESOLUTION, headroom
from simulator.planner.optimize.judge.simulated import SimulationJudge
from simulator.planner.optimize.problem import Ask, Judgement
from tests.planner.optimize.benches import deploy, shape, space, steady, written

SPACE = space([shape(8)])


@dataclass
class Limits:
    """Says yes up to a factor by window."""

    limits: list[float]
    asked: int = 0

    def judge(self, asks):
        self.asked += len(asks)
        return [Judgement(ask.factor <= self.limits[ask.window], reason=f"window {ask.window}") for ask in asks]


@settings(max_examples=100, deadline=None)
@given(limits=st.lists(st.floats(0.1, 50.0), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_the_factor_is_that_of_the_window_that_breaks_first(limits, seed):
    rates = np.random.default_rng(seed).uniform(100, 900, len(limits))
    judge = Limits(limits)
    found = headroom(judge, [SPACE], steady(rates), [[(0, (2,))] * len(limits)])
    least = min(limits)
    assert found.factor <= least <= found.services["s"].misses_at
    assert found.services["s"].misses_at - found.factor <= RESOLUTION * found.services["s"].misses_at * 1.0001
    assert limits[found.window] <= found.services["s"].misses_at
    assert found.services["s"].reason == f"window {found.window}"
    assert judge.asked < 40 * len(limits)


def test_a_plan_without_limit_says_so_and_one_that_never_holds_is_zero():
    found = headroom(Limits([1e9, 1e9]), [SPACE], steady([10.0, 20.0]), [[(0, (2,))] * 2])
    assert (found.factor, found.services["s"].misses_at) == (MOST_FACTOR, None)
    assert headroom(Limits([0.0]), [SPACE], steady([10.0]), [[(0, (2,))]]).factor == 0.0


def test_the_factor_is_confirmed_by_the_judge():
    load, picks = steady([900.0, 1500.0, 600.0]), [[(0, (2,)), (0, (3,)), (0, (2,))]]
    judge = SimulationJudge(written(), [SPACE], load, deploy, workers=1)
    found = headroom(judge, [SPACE], load, picks)
    at = found.services["s"]
    assert 1.0 < found.factor < 3 * 8 / 0.009 / 1500
    asks = [Ask(0, window, *picks[0][window], at.factor) for window in range(3)]
    assert all(answer.holds for answer in judge.judge(asks))
    (broken,) = judge.judge([Ask(0, at.window, *picks[0][at.window], at.misses_at)])
    assert not broken.holds
    assert found.to_dict()["services"]["s"]["factor"] == pytest.approx(found.factor)
