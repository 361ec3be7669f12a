"""From a scenario to its cheapest plan: space, search and program together against every deployment written down."""

from __future__ import annotations

from math import isinf
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings

from simulator.planner.optimize.ready import ready
from simulator.planner.optimize.search.core import Limit, search
from simulator.planner.optimize.search.found import PROVEN
from tests.planner.optimize.chain import ByRule, Small, smalls
from tests.planner.optimize.everything import cheapest


def check(case: Small) -> None:
    """What is found costs no more than anything else that would do."""
    with TemporaryDirectory() as folder:
        scenario = case.scenario(Path(folder))
        here = ready(scenario, case.load())
        judge = ByRule(here.scenario, here.problem)
        found = search(here.problem, judge, limit=Limit(100_000))
        best = cheapest(case, scenario, found.cost)
        any_plan = here.any_plan
    assert found.proven
    assert found.infeasible == isinf(best)
    if not found.infeasible:
        assert found.cost == pytest.approx(best, rel=PROVEN)
        assert any_plan is not None
        assert any_plan <= best * (1 + 1e-9)


@given(smalls(most_layers=6, windows=1, services=2, wide=True))
@settings(max_examples=12, deadline=None)
def test_two_services_of_six_layers(case: Small) -> None:
    check(case)


@given(smalls(most_layers=4, windows=3, services=1, wide=False))
@settings(max_examples=25, deadline=None)
def test_three_windows(case: Small) -> None:
    check(case)


@given(smalls(most_layers=3, windows=2, services=2, wide=False))
@settings(max_examples=15, deadline=None)
def test_two_services_in_two_windows(case: Small) -> None:
    check(case)


@given(smalls(most_layers=6, windows=3, services=1, wide=True))
@settings(max_examples=8, deadline=None)
def test_six_layers_in_three_windows(case: Small) -> None:
    check(case)


CANCELLING = Small(
    layers=(((54, 126, 38), (193, 467, 26), (121, 476, 5)), ((161, 900, 24), (61, 191, 31), (75, 575, 45))),
    ramps=((1, 2), ()),
    rates=((73, 593, 314), (80, 144, 175)),
    counts=(2, 2),
    prices=(3.1, 1.7),
    batches=(4, 8),
    precisions=("fp16", "int8"),
    max_cuts=1,
    switch_cost=2.0,
    start_up_s=3000,
    hours=(1.0, 1.0, 1.0),
    attainment="100%",
)
"""Starting a replica again costs more than keeping it: prices of replicas cancel to nothing but rounding."""


@example(CANCELLING)
@given(smalls(most_layers=3, windows=3, services=2, wide=False))
@settings(max_examples=10, deadline=None)
def test_two_services_in_three_windows(case: Small) -> None:
    check(case)
