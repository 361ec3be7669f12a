"""The key ``twin`` of a service: what it may say, and what it does not go with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import loads
from tests.support import layer, poisson, portion, scenario

Node = dict[str, Any]


def written(service: Node | None = None, main: Node | None = None, count: int = 2, **twin: Any) -> str:
    """A service with a twin on two devices; None takes a key away."""
    beside = {"model": "t", "share": "50%", "deployment": {"portions": [portion("1")]}, **twin}
    body = {
        "workload": poisson(10.0),
        "deployment": {"portions": [portion("1")]},
        "twin": {key: value for key, value in beside.items() if value is not None},
        **(service or {}),
    }
    body = {key: value for key, value in body.items() if value is not None}
    node = scenario(body, [layer(0.01)], duration_s=1.0, model=main, count=count)
    node["models"]["t"] = {"layers": [layer(0.001)]}
    return json.dumps(node)


def test_a_twin_is_read() -> None:
    twin = loads(written()).services["s"].twin
    assert twin is not None
    assert (twin.model, twin.share, twin.table) == ("t", 0.5, None)


TABLE: Node = {"share": None, "table": "twin.csv", "rule": {"confidence": 0.9}}
ROWS: Node = {"layers": [layer(0.1), layer(0.1)], "ramps": {"after": [1]}}
TWO = {"deployment": {"portions": [portion("1-2")]}}
WINDOW = {"from": "0s", "portions": [portion("1")]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (written(share=None), "must say either `share` or `table`"),
        (written(table="twin.csv"), "share: must say either `share` or `table`, not both"),
        (written(**{**TABLE, "rule": None}), "`rule` is missing"),
        (written(rule={"confidence": 0.9}), "twin.rule: goes only with `table`"),
        (written(split="dev"), "twin.split: goes only with `table`"),
        (written(**TABLE), "twin.table: needs a model with `exits: {table: ..}`"),
        (
            written(
                TWO,
                {**ROWS, "exits": {"table": "a.csv", "rule": {"confidence": 0.9}, "router": {"column": "routed"}}},
                **TABLE,
            ),
            "twin.table: goes not with a model whose exits a `router` chooses",
        ),
        (written(model="u"), "unknown"),
        (written(name="small"), "unknown key 'name'"),
        (written(deployment={"exit_mode": "compact", "portions": [portion("1")]}), "exit_mode: must be none"),
        (written(deployment={"portions": [portion("1-2")]}), "is beyond the last layer"),
        (written(count=1), "services.s.twin: needs, with the main network, 2 devices"),
        (written({"deployment": None, "deployments": [WINDOW]}), "deployments: goes not with `twin`"),
        (
            written({"workload": {"process": "closed", "clients": 3, "think": "1s"}}),
            "services.s.workload: must be an open load",
        ),
    ],
)
def test_what_cannot_be_is_told_at_its_place(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(text)
    assert message in str(caught.value)
