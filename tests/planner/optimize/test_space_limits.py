"""What is left out of a space and why, large spaces, failures and pairs of pools."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.planner.optimize.space.build import deployment_of, space_of
from tests.planner.optimize.spaces import POOLS, Made, carried, deployed, limits, made

QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class TestLeftOut:
    def reasons(self, case: Made, folder: Path) -> dict[tuple[str, str], str]:
        scenario = case.scenario(folder)
        space = space_of(scenario, "s", limits(scenario))
        return {(left.exit_mode, left.kind): f"{left.reason}: {left.text}" for left in space.left_out}

    def test_formats_that_cost_too_much_accuracy(self, tmp_path: Path) -> None:
        search = {"batch": [4], "precision": ["fp16", "int8"], "exit_mode": ["none"], "pools": ["a"]}
        planner = {"search": search, "accuracy_floor": 0.8}
        found = self.reasons(Made((200, 300), (90, 80), planner, POOLS, loss={"int8": 0.3}), tmp_path)
        assert list(found) == [("none", "a at int8")]
        assert re.fullmatch(r"accuracy: accuracy 0\.\d+ at best, below the floor of 0.8", found["none", "a at int8"])

    def test_formats_of_unknown_cost_do_not_pass_a_floor(self, tmp_path: Path) -> None:
        search = {"batch": [4], "precision": ["fp16", "int8"], "exit_mode": ["none"], "pools": ["a"]}
        case = Made((200, 300), (90, 80), {"search": search, "accuracy_floor": 0.5}, POOLS, loss=None)
        text = self.reasons(case, tmp_path)["none", "a at int8"]
        assert text == "accuracy: what it costs in accuracy is not said, below the floor of 0.5"

    def test_formats_that_are_slower_in_everything(self, tmp_path: Path) -> None:
        search = {"batch": [4], "precision": ["fp16", "int8"], "exit_mode": ["none"], "pools": ["a"]}
        text = self.reasons(Made((200, 300), (90, 80), {"search": search}, POOLS), tmp_path)["any mode", "a at fp16"]
        assert text == "slower: slower than a at int8 in everything"

    def test_modes_that_are_too_slow(self, tmp_path: Path) -> None:
        search = {"batch": [8], "exit_mode": ["none", "answer_early"], "pools": ["b"]}
        case = Made((1000, 1000), (500, 500), {"search": search}, POOLS, latency="10.2ms")
        assert self.reasons(case, tmp_path) == {
            ("answer_early", "b at fp16"): "slo: a full batch takes 10.5 ms at least, the objective is 10.2 ms"
        }


@pytest.mark.parametrize("layers", [24, 48])
def test_deep_models_are_bounded_and_say_so(layers: int, tmp_path: Path) -> None:
    case = Made((200,) * layers, (90,) * layers, {"search": {"batch": [1, 4, 16]}}, POOLS)
    scenario = case.scenario(tmp_path)
    space = space_of(scenario, "s", limits(scenario))
    assert not space.complete
    assert any(note.startswith("compact is tried with sets of up to 3 of") for note in space.notes)
    assert len(space.shapes) < 150_000
    assert space.rest_price(100.0) == 0.0  # nothing is known of sets of ramps that nobody looked at


@QUICK
@given(case=made(), rate=st.floats(1, 50_000))
def test_what_is_left_out_of_a_large_space_costs_no_less_than_it_says(case: Made, rate: float, tmp_path: Path) -> None:
    scenario = case.scenario(tmp_path)
    whole = space_of(scenario, "s", limits(scenario))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.planner.optimize.space.capped.MOST_SHAPES", 1)
        patch.setattr("simulator.planner.optimize.space.capped.LEAST_OF_BLOCK", 1)
        some = space_of(scenario, "s", limits(scenario))
    price = {
        whole.shapes[n].name: float((whole.least(rate)[n] * whole.price[n]).sum()) for n in range(len(whole.shapes))
    }
    left = set(price) - {some.shapes[n].name for n in range(len(some.shapes))}
    assert some.complete == (not left)
    assert whole.rest_price(rate) == np.inf
    assert some.rest_price(rate) <= min((price[name] for name in left), default=np.inf) * (1 + 1e-9)


def test_failures_and_pairs_of_pools_count(tmp_path: Path) -> None:
    """A replica is up 90 % of the time; the way from a to b is slow, that from b to a is not."""
    pools = {name: {**pool, "faults": {"mtbf": "9h", "mttr": "1h"}} for name, pool in POOLS.items()}
    network = {"bandwidth": "10GB/s", "pairs": [{"from": "a", "to": "b", "latency": "3ms"}]}
    search = {"batch": [4], "max_cuts": 1, "exit_mode": ["at_cut"]}
    planner = {"search": search, "survival_quantile": 0.5}
    scenario = Made((200, 300), (90, 80), planner, pools, network).scenario(tmp_path)
    space = space_of(scenario, "s", limits(scenario))
    assert len(space.shapes) == 4
    for number in range(4):
        groups_of = space.shapes[number].groups
        one = deployed(scenario, deployment_of(space, number, [1, 1]))
        slow = [group.pool for group in groups_of] == [0, 1]
        assert (groups_of[0].busy_s > 0.003) == slow
        assert space.work_s[number, 1] == pytest.approx(1 / carried(one)[1], rel=1e-9)
        assert space.work_s[number, 1] == pytest.approx(groups_of[1].busy_s * groups_of[1].survival / 4 / 0.9)
