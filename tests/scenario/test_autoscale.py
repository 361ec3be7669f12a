"""Key ``autoscale``: what it may say, what is taken where nothing is said, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.cluster import simulate
from simulator.errors import ScenarioError
from simulator.scenario import loads
from simulator.scenario.autoscale import Autoscale, QueueTarget, ScalePolicy
from tests.support import layer, poisson, portion, scenario

Node = dict[str, Any]
RULE: Node = {"max": 4, "target": "60%"}


def written(deployment: Node | None = None, count: int = 8, **service: Any) -> Node:
    """Two replicas that may become four."""
    body = {"workload": poisson(10.0), "deployment": deployment or parallel(RULE), **service}
    return scenario(body, [layer(0.01)], duration_s=1.0, count=count)


def parallel(rule: Node, replicas: int = 2) -> Node:
    return {"portions": [portion("1", replicas, autoscale=rule)]}


def serial(rule: Node, **entry: Any) -> Node:
    return {"execution": "serial", "replicas": 2, "autoscale": rule, "portions": [portion("1", None, **entry)]}


def read(rule: Node) -> Autoscale:
    found = loads(json.dumps(written(parallel(rule)))).services["s"].deployment.portions[0].autoscale
    assert found is not None
    return found


def refused(node: Node) -> tuple[str, str]:
    with pytest.raises(ScenarioError) as caught:
        loads(json.dumps(node, indent=1))
    (problem,) = caught.value.problems
    assert problem.line is not None
    assert problem.line > 1
    return (problem.path or "").removeprefix("services.s."), problem.message


def test_the_defaults_are_those_of_kubernetes() -> None:
    rule = read(RULE)
    assert (rule.min, rule.max, rule.target, rule.period, rule.tolerance) == (None, 4, 0.6, 15.0, 0.1)
    assert (rule.stabilization.up, rule.stabilization.down) == (0.0, 300.0)
    assert rule.policies.up == (ScalePolicy(percent=100.0, period="15s"), ScalePolicy(replicas=4, period="15s"))
    assert rule.policies.down == (ScalePolicy(percent=100.0, period="15s"),)
    assert (rule.select.up, rule.select.down) == ("max", "max")


def test_everything_is_read() -> None:
    rule = read(
        {
            "min": 1,
            "max": 8,
            "target": {"queue": 2.5},
            "period": "30s",
            "tolerance": "5%",
            "stabilization": {"up": "1min"},
            "policies": {"up": [{"replicas": 2, "period": "1min"}], "down": [{"percent": 10, "period": "1min"}]},
            "select": {"down": "disabled"},
        }
    )
    assert (rule.min, rule.max, rule.target, rule.period, rule.tolerance) == (1, 8, QueueTarget(queue=2.5), 30.0, 0.05)
    assert (rule.stabilization.up, rule.stabilization.down) == (60.0, 300.0)
    assert rule.policies.up == (ScalePolicy(replicas=2, period="1min"),)
    assert rule.policies.down == (ScalePolicy(percent=10.0, period="1min"),)
    assert (rule.select.up, rule.select.down) == ("max", "disabled")


def test_a_serial_deployment_says_it_once() -> None:
    found = loads(json.dumps(written(serial(RULE)))).services["s"].deployment
    assert found.autoscale == Autoscale(max=4, target=0.6)


HERE = "deployment.portions.0.autoscale"


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        ({"target": "60%"}, f"{HERE}.max", "is missing"),
        ({"max": 4}, f"{HERE}.target", "is missing"),
        ({**RULE, "min": 5}, f"{HERE}.min", "must not be more than `max` (4)"),
        ({**RULE, "max": 1}, f"{HERE}.max", "must not be less than `replicas` (2)"),
        ({**RULE, "min": 3}, f"{HERE}.min", "must not be more than `replicas` (2), with which the portion starts"),
        ({**RULE, "min": 0}, f"{HERE}.min", "must be at least 1"),
        ({**RULE, "max": 9}, f"{HERE}.max", "needs 9 devices of pool 'pool', which has 8"),
        ({**RULE, "target": 0}, f"{HERE}.target", "must be greater than 0"),
        ({**RULE, "target": "high"}, f"{HERE}.target", "must be a share"),
        ({**RULE, "target": {"queue": 0}}, f"{HERE}.target.queue", "must be greater than 0"),
        ({**RULE, "target": [1]}, f"{HERE}.target", "must be a utilization such as 60%, or {queue: 5}"),
        ({**RULE, "period": 0}, f"{HERE}.period", "must be greater than 0"),
        ({**RULE, "period": 15}, f"{HERE}.period", "needs its unit: write 15ms or 15s"),
        ({**RULE, "policies": {"up": []}}, f"{HERE}.policies.up", "must not be empty"),
        ({**RULE, "policies": {"up": [{}]}}, f"{HERE}.policies.up.0", "must say either `percent` or `replicas`"),
        (
            {**RULE, "policies": {"down": [{"percent": 5, "replicas": 1}]}},
            f"{HERE}.policies.down.0.replicas",
            "must say either `percent` or `replicas`, not both",
        ),
        ({**RULE, "select": {"up": "both"}}, f"{HERE}.select.up", "must be one of"),
        ({**RULE, "maximum": 4}, f"{HERE}.maximum", "unknown key"),
    ],
)
def test_what_makes_no_sense_is_refused_in_its_place(rule: Node, path: str, message: str) -> None:
    at, said = refused(written(parallel(rule)))
    assert at == path
    assert message in said


def test_where_it_stands_follows_the_execution() -> None:
    assert refused(written({**parallel(RULE), "autoscale": RULE})) == (
        "deployment.autoscale",
        "goes only with `execution: serial`; otherwise write it in the portions",
    )
    assert refused(written(serial(RULE, autoscale=RULE))) == (
        "deployment.portions.0.autoscale",
        "goes not with `execution: serial`: write `autoscale` once, beside `portions`",
    )
    assert refused(written(serial({**RULE, "max": 1})))[0] == "deployment.autoscale.max"


def test_devices_per_replica_count() -> None:
    node = written(parallel(RULE), count=7)
    node["cluster"]["pools"]["pool"]["devices_per_replica"] = 2
    assert refused(node) == (f"{HERE}.max", "needs 8 devices (2 per replica) of pool 'pool', which has 7")


def test_a_twin_and_a_service_in_idle_windows_have_none() -> None:
    twin = {"model": "m", "share": "50%", "deployment": parallel(RULE)}
    assert refused(written({"portions": [portion("1", 1)]}, twin=twin))[0] == f"twin.{HERE}"
    node = written()
    times = {"forward": "1s", "backward_input": "1s"}
    node["trainings"] = {
        "t": {
            "pipeline": {"stages": 2, "microbatches": 2, "pool": "pool"},
            "times": times,
            "fill": {"services": ["s"]},
        }
    }
    assert refused(node) == (HERE, "goes not with a service that lives in the idle windows of a training")


def test_looks_without_number_are_refused_before_the_run() -> None:
    with pytest.raises(ScenarioError, match=r"autoscale\.period: about 2e\+08 looks .* raise period"):
        simulate(loads(json.dumps(written(parallel({**RULE, "period": "10ns"})))))
