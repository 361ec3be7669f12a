"""What a plan may not touch: devices of others, services that stay, prices that nobody told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.planner.optimize.space.fixed import check_prices, planned_services, pool_limits
from simulator.scenario import Scenario, loads
from tests.support import Node

OPEN = {"process": "poisson", "rate": "1/s"}
CLOSED = {"process": "closed", "clients": 3, "think": "1s"}
SERVED = {"portions": [{"layers": "1-2", "pool": "a", "replicas": 2}]}


def scenario(services: dict[str, Node], pools: Node | None = None, **more: Any) -> Scenario:
    """Two pools, and services of a model of two layers."""
    node = {
        "version": 1,
        "name": "shared",
        "run": {"duration": "1s"},
        "cluster": {
            "pools": pools
            or {
                "a": {"device": "v100-16gb", "count": 8, "price_per_hour": 3.0, "devices_per_replica": 2},
                "b": {"device": "t4", "count": 5, "price_per_hour": 1.0},
            }
        },
        "models": {"m": {"layers": [{"name": "l", "repeat": 2, "time": "1ms"}]}},
        "services": {name: {"model": "m", "workload": OPEN, **body} for name, body in services.items()},
        "planner": {},
        **more,
    }
    return loads(json.dumps(node))


def test_others_keep_their_devices() -> None:
    training = {
        "pipeline": {"schedule": "1f1b", "stages": 3, "microbatches": 4, "pool": "b"},
        "times": {"forward": "1ms", "backward_input": "1ms", "backward_weight": "1ms"},
    }
    made = scenario({"new": {}, "old": {"workload": CLOSED, "deployment": SERVED}}, trainings={"t": training})
    planned, fixed = planned_services(made)
    assert planned == ("new",)
    assert list(fixed) == ["old"]
    assert [(pool.name, pool.devices, pool.price_per_hour) for pool in pool_limits(made)] == [
        ("a", 4, 3.0),
        ("b", 2, 1.0),
    ]


def test_named_services_are_planned_and_the_others_stay() -> None:
    made = scenario({"one": {"deployment": SERVED}, "two": {"deployment": SERVED}})
    assert [pool.devices for pool in pool_limits(made)] == [8, 5]
    assert [pool.devices for pool in pool_limits(made, ["one"])] == [4, 5]


def test_a_service_that_stays_must_be_deployed() -> None:
    with pytest.raises(ScenarioError, match=r"services.old: needs a `deployment`: has a closed load"):
        planned_services(scenario({"new": {}, "old": {"workload": CLOSED}}))


def test_there_must_be_something_to_plan() -> None:
    with pytest.raises(ScenarioError, match="no service to plan: old has a closed load"):
        planned_services(scenario({"old": {"workload": CLOSED, "deployment": SERVED}}))


def priced(*prices: float | None) -> dict[str, Any]:
    inline = {"memory": "8GiB", "memory_bandwidth": "68GB/s", "peak": {"fp16": "1TFLOPS"}}
    pools = {f"p{number}": {"device": inline, "count": 1, "price_per_hour": one} for number, one in enumerate(prices)}
    return {name: {key: value for key, value in pool.items() if value is not None} for name, pool in pools.items()}


@pytest.mark.parametrize(("prices", "named"), [((0,), "p0"), ((0, 0), "p0, p1"), ((2, None), "p1"), ((0, None), "p1")])
def test_missing_prices_are_one_message(prices: tuple[float | None, ...], named: str) -> None:
    made = scenario({"new": {}}, priced(*prices))
    with pytest.raises(ScenarioError, match=f"prices are missing: devices of {named} cost nothing") as caught:
        check_prices(made, pool_limits(made))
    assert len(caught.value.problems) == 1


def test_a_pool_may_be_free_beside_others() -> None:
    made = scenario({"new": {}}, priced(2, 0))
    check_prices(made, pool_limits(made))


def test_goodput_needs_no_price() -> None:
    made = scenario({"new": {}}, priced(0), planner={"objective": "goodput"})
    check_prices(made, pool_limits(made))
