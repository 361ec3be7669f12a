"""Rules and sets of ramps that change from window to window: both engines to the last bit, and what changes."""

from __future__ import annotations

import copy
from random import Random

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from simulator.results.record import RunRecord
from tests.differential.compare import assert_same
from tests.differential.strategies import EXITS, RULES, WINDOWS, Case, cases, windows_of
from tests.differential.support import both
from tests.laws.invariants import check_all
from tests.support import Node, layer, portion, scenario

AS_DRAWN = (Phase.explicit, Phase.generate)


def ruled(case: Case, seed: int) -> Case:
    """The same scenario with a rule and some of the ramps in every deployment that may have them."""
    node, rng = copy.deepcopy(case.node), Random(seed)
    for service in node["services"].values():
        model = node["models"][service["model"]]
        for deployment in windows_of(service):
            mode = deployment["exit_mode"]
            if mode == "none":
                continue
            if "table" in model["exits"] and rng.random() < 0.8:
                deployment["rule"] = rng.choice(RULES)
            if mode in ("compact", "answer_early") and rng.random() < 0.8:
                ramps = _ramps(model)
                deployment["ramps"] = sorted(rng.sample(ramps, rng.randint(1, len(ramps))))
    return Case(node, case.files)


def _ramps(model: Node) -> list[int]:
    layers = sum(one.get("repeat", 1) for one in model["layers"])
    after = model["ramps"]["after"]
    return [ramp for ramp in (range(1, layers) if after == "all" else after) if ramp < layers]


@settings(max_examples=60, phases=AS_DRAWN, deadline=None)
@given(cases(EXITS), st.integers(0, 1_000_000))
def test_one_deployment(case: Case, seed: int) -> None:
    check(ruled(case, seed))


@settings(max_examples=60, phases=AS_DRAWN, deadline=None)
@given(cases(WINDOWS), st.integers(0, 1_000_000))
def test_windows(case: Case, seed: int) -> None:
    check(ruled(case, seed))


def check(case: Case) -> None:
    one, other = both(case.node, case.files)
    assert_same(one, other)
    check_all(one)


ROWS = "conf_1,pred_1,conf_2,pred_2,conf_3,pred_3,label\n0.6,1,0.7,1,1,1,1\n0.9,0,0.95,1,1,1,1\n"


def changing(first: Node, second: Node) -> RunRecord:
    """Three layers, 32 requests a second; another deployment from half of the run on."""
    whole = {"exit_mode": "compact", "portions": [portion("1-3", 4, batch=2)]}
    body = {
        "workload": {"process": "poisson", "rate": "32/s"},
        "deployments": [{"from": "0s", **whole, **first}, {"from": "16s", **whole, **second}],
    }
    model = {
        "ramps": {"after": [1, 2], "time": {"relative": 0.25}},
        "exits": {"table": "rows.csv", "rule": {"confidence": 0.8}},
    }
    layers = [layer(0.0625), layer(0.0625), layer(0.0625)]
    node = scenario(body, layers, duration_s=32.0, model=model)
    node["cluster"]["pools"]["pool"] |= {"start_up": "1s"}
    one, other = both(node, {"rows.csv": ROWS})
    assert_same(one, other)
    return one


def exits(record: RunRecord, late: bool) -> set[int]:
    """Layers after which the requests of a half leave."""
    requests = record.requests
    mine = (requests.arrival_s >= 16.0) == late
    return set(np.unique(requests.exit_layer[mine]).tolist()) - {0}


def test_a_rule_holds_for_those_that_arrive_under_it() -> None:
    record = changing({}, {"rule": {"confidence": 0.65}})
    assert exits(record, False) == {1, 3}
    assert exits(record, True) == {1, 2}


def test_a_changed_rule_keeps_the_replicas_and_a_changed_set_of_ramps_does_not() -> None:
    assert len(changing({}, {"rule": {"confidence": 0.65}}).portions) == 1
    assert len(changing({}, {"ramps": [2]}).portions) == 2
    assert len(changing({"ramps": [1, 2]}, {}).portions) == 1


def test_only_the_ramps_that_are_named_run() -> None:
    record = changing({"ramps": [2]}, {"ramps": [1]})
    assert exits(record, False) == {2, 3}
    assert exits(record, True) == {1, 3}
