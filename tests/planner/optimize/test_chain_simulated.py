"""The cheapest plan by search against the simulation of every node of every window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from simulator.planner.optimize.judge.simulated import SimulationJudge
from simulator.planner.optimize.problem import Ask, Judgement
from simulator.planner.optimize.ready import ready
from simulator.planner.optimize.search.core import Limit, search
from simulator.planner.optimize.search.found import PROVEN
from simulator.planner.optimize.space.deploy import deployment_of
from tests.planner.optimize.chain import Small
from tests.planner.optimize.searching import exhaustive

CASES = {
    "cuts": Small(
        layers=(((60, 300, 20), (90, 500, 30), (40, 200, 10)),), ramps=((1, 2),), rates=((700, 300),), counts=(3, 2),
        prices=(3.0, 1.0), batches=(2, 8), precisions=("fp16",), max_cuts=1, switch_cost=0.05, start_up_s=60,
        hours=(0.25, 0.25), attainment="95%",
    ),
    "formats": Small(
        layers=(((150, 700, 40), (120, 900, 60)),), ramps=((),), rates=((400, 150, 520),), counts=(3, 3),
        prices=(2.0, 1.7), batches=(1, 4), precisions=("fp16", "int8"), max_cuts=0, switch_cost=0.0, start_up_s=300,
        hours=(0.25, 0.25, 0.25), attainment="99%",
    ),
    "two services": Small(
        layers=(((60, 300, 20), (90, 500, 30)), ((120, 400, 20), (60, 800, 30))), ramps=((1,), (1,)),
        rates=((500, 900), (600, 200)), counts=(3, 3), prices=(3.1, 1.7), batches=(4,), precisions=("fp16",),
        max_cuts=1, switch_cost=2.0, start_up_s=300, hours=(0.25, 0.25), attainment="90%",
    ),
}  # fmt: skip


@dataclass
class Remembering:
    """One answer at a time from a judge that knows what it was asked before."""

    judge: SimulationJudge

    def one(self, ask: Ask) -> Judgement:
        """The answer."""
        return self.judge.judge([ask])[0]


@pytest.mark.parametrize("name", CASES)
def test_equals_the_simulation_of_everything(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    here = ready(case.scenario(tmp_path), case.load())
    with SimulationJudge(here.scenario, here.spaces, here.load, deployment_of, 1) as judge:
        found = search(here.problem, judge, limit=Limit(100_000))
        asked = judge.simulated
        best = exhaustive(here.problem, Remembering(judge))  # type: ignore[arg-type]  # all that it asks for is `one`
        everything = judge.simulated
    assert np.isfinite(best)
    assert found.proven
    assert found.cost == pytest.approx(best, rel=PROVEN)
    assert here.any_plan is not None
    assert here.any_plan <= best
    assert asked < everything / 2


def test_load_that_nothing_carries_is_told(tmp_path: Path) -> None:
    case = replace(CASES["formats"], rates=((400, 5000, 520),))
    here = ready(case.scenario(tmp_path), case.load())
    with SimulationJudge(here.scenario, here.spaces, here.load, deployment_of, 1) as judge:
        found = search(here.problem, judge)
    assert found.infeasible
