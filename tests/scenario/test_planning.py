"""The planner's section: what it may say, and what contradicts itself or the rest of the scenario."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import Scenario, loads
from simulator.scenario.planning import LoadHistories, LoadHistory, SurviveDevices, SurvivePool
from tests.support import Node

POOL = {"device": "v100-16gb", "count": 4, "price_per_hour": 3.0}


def scenario(planner: Node, *, exits: Any = None, pools: int = 2, services: int = 1, **cluster: Any) -> Scenario:
    """Two layers with a ramp, and exits if given."""
    model: Node = {"layers": [{"name": "l", "repeat": 2, "time": "1ms"}], "ramps": {"after": [1]}}
    model |= {} if exits is None else {"exits": exits}
    body = {"model": "m", "workload": {"process": "poisson", "rate": "1/s"}}
    node = {
        "version": 1,
        "name": "planned",
        "run": {"duration": "1s"},
        "cluster": {"pools": {f"p{number}": POOL for number in range(pools)}, **cluster},
        "models": {"m": model},
        "services": {f"s{number}": body for number in range(services)},
        "planner": planner,
    }
    return loads(json.dumps(node))


def test_every_key_is_read() -> None:
    planner = scenario(
        {
            "objective": "attainment",
            "budget_per_hour": 12.5,
            "window": "1h",
            "quantile": "99%",
            "survival_quantile": 0.9,
            "accuracy_floor": 0.5,
            "forecast": {"series": "load.csv", "column": "calls", "interval": "10min", "at": "2h", "scale": 1.5},
            "survive": {"devices": 2},
            "switch_cost": 0.02,
            "search": {
                "batch": [1, 4],
                "max_cuts": 1,
                "precision": ["fp16", "int8"],
                "exit_mode": ["none", "at_cut"],
                "execution": ["parallel", "serial"],
                "rules": [{"confidence": 0.7}, {"entropy": 0.3}],
                "max_wait": ["0s", "5ms"],
                "pools": ["p1"],
                "weights": ["resident"],
                "evaluations": 50,
            },
            "verification": {"replications": 12},
        },
        exits={"table": "rows.csv", "rule": {"confidence": 0.8}},
    ).planner
    assert planner is not None
    assert planner.forecast == LoadHistory.model_validate(
        {"series": "load.csv", "column": "calls", "interval": "10min", "at": "2h", "scale": 1.5}
    )
    assert planner.survive == SurviveDevices(devices=2)
    assert (planner.budget_per_hour, planner.switch_cost, planner.survival_quantile) == (12.5, 0.02, 0.9)
    assert planner.search.max_wait == (0.0, 0.005)
    assert planner.search.exit_rules is not None
    assert [rule.model_dump() for rule in planner.search.exit_rules] == [{"confidence": 0.7}, {"entropy": 0.3}]
    assert planner.history_of("s0", ["s0"]) is planner.forecast
    assert planner.history_of("s0", ["s0", "s1"]) is None


def test_histories_by_service() -> None:
    planner = scenario({"forecast": {"services": {"s1": {"series": "b.csv"}}}}, services=2).planner
    assert planner is not None
    assert isinstance(planner.forecast, LoadHistories)
    assert planner.history_of("s0", ["s0", "s1"]) is None
    assert planner.history_of("s1", ["s0", "s1"]) == LoadHistory(series="b.csv")


def test_loss_of_a_pool() -> None:
    planner = scenario({"survive": {"pool": "any"}}).planner
    assert planner is not None
    assert planner.survive == SurvivePool(pool="any")


PROFILE = {"profile": [0.5]}
WRONG: list[tuple[str, Node, dict[str, Any], str]] = [
    ("a misspelt key", {"objectiv": "cost"}, {}, "planner.objectiv: unknown key 'objectiv', did you mean 'objective'?"),
    ("a misspelt objective", {"objective": "costs"}, {}, "planner.objective: "),
    ("no budget", {"objective": "attainment"}, {}, "planner.objective: `attainment` needs `budget_per_hour`"),
    ("a budget for nothing", {"budget_per_hour": 3}, {}, "budget_per_hour: goes only with `objective: attainment`"),
    ("no money", {"objective": "attainment", "budget_per_hour": 0}, {}, "planner.budget_per_hour: "),
    ("optimism", {"survival_quantile": 0.3}, {}, "planner.survival_quantile: "),
    ("an unknown pool", {"search": {"pools": ["p3"]}}, {}, "planner.search.pools.0: unknown pool 'p3'"),
    ("a pool twice", {"search": {"pools": ["p1", "p1"]}}, {}, "planner.search.pools: must not repeat a pool"),
    ("batches that fall", {"search": {"batch": [4, 2]}}, {}, "planner.search.batch: must be ascending"),
    ("waits that fall", {"search": {"max_wait": ["5ms", "0s"]}}, {}, "planner.search.max_wait: must be ascending"),
    ("early exits of a model without", {"search": {"exit_mode": ["none", "at_cut"]}}, {}, "needs a model with"),
    ("a rule for a profile", {"search": {"rules": [{"confidence": 0.5}]}}, {"exits": PROFILE}, "a profile has no rule"),
    ("a rule for nobody", {"search": {"rules": [{"patience": 1}], "exit_mode": ["none"]}}, {}, "nothing to rule"),
    ("nothing in serial", {"search": {"exit_mode": ["none"], "execution": ["serial"]}}, {}, "only `at_cut` runs"),
    ("cuts without cuts", {"search": {"exit_mode": ["at_cut"], "max_cuts": 0}}, {"exits": PROFILE}, "needs a cut"),
    ("streams from nowhere", {"search": {"weights": ["streamed"]}}, {}, "`streamed` needs `cluster.parameter_server`"),
    (
        "streamed weights that shrink",
        {"search": {"weights": ["streamed"], "exit_mode": ["compact"]}},
        {"exits": PROFILE, "parameter_server": {"bandwidth": "1GB/s", "memory": "1GB"}},
        "go not with `exit_mode: compact`",
    ),
    ("one pool of two", {"survive": {"pool": "any"}}, {"pools": 1}, "needs two pools: the cluster has one"),
    ("one pool to search", {"survive": {"pool": "any"}, "search": {"pools": ["p0"]}}, {}, "`search.pools` names one"),
    ("the loss of nothing", {"survive": {"device": 1}}, {}, "planner.survive"),
    ("whose load", {"forecast": {"series": "a.csv"}}, {"services": 2}, "planner.forecast: must say whose load it is"),
    ("nobody's load", {"forecast": {"services": {"x": {"series": "a.csv"}}}}, {}, "unknown service 'x'"),
    ("one run to verify", {"verification": {"replications": 1}}, {}, "planner.verification.replications: "),
]  # fmt: skip


@pytest.mark.parametrize(("planner", "more", "message"), [pytest.param(*rest, id=name) for name, *rest in WRONG])
def test_contradictions_are_told_at_their_place(planner: Node, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(planner, **more)
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1
