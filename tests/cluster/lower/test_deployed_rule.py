"""`rule` and `ramps` of a deployment: what they change, and where they make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.cluster.lower import lower
from simulator.cluster.lower.exits import survival
from simulator.cluster.lowered import Service
from simulator.errors import ScenarioError
from simulator.scenario import loads
from tests.support import Node

ROWS = "conf_1,pred_1,conf_2,pred_2,conf_3,pred_3,label\n0.6,1,0.7,1,1,1,1\n0.9,0,0.95,1,1,1,1\n0.5,1,0.6,0,1,0,0\n"


def lowered(folder: Path, deployment: Node, exits: Any = None) -> Service:
    """Three layers with ramps after 1 and 2."""
    (folder / "rows.csv").write_text(ROWS)
    node = {
        "version": 1,
        "name": "ruled",
        "run": {"duration": "1s"},
        "cluster": {"pools": {"gpu": {"device": "v100-16gb", "count": 4}}},
        "models": {
            "m": {
                "layers": [{"name": "l", "repeat": 3, "time": "1ms"}],
                "ramps": {"after": "all", "time": {"relative": 0.5}},
                "exits": exits or {"table": "rows.csv", "rule": {"confidence": 0.8}},
            }
        },
        "services": {
            "s": {
                "model": "m",
                "workload": {"process": "poisson", "rate": "1/s"},
                "deployment": {"portions": [{"layers": "1-3", "pool": "gpu", "replicas": 1}], **deployment},
            }
        },
    }
    return lower(loads(json.dumps(node), folder=folder)).services[0]


def test_a_rule_takes_the_place_of_the_models_own(tmp_path: Path) -> None:
    leaves = [
        lowered(tmp_path, {"exit_mode": "compact", **more}).deployments[0].exit_layer.tolist()
        for more in (
            {},
            {"rule": {"confidence": 0.65}},
            {"rule": {"patience": 1}},
            {"rule": {"confidence": [0.6, 1.0]}},
        )
    ]
    assert leaves == [[3, 1, 3], [2, 1, 3], [2, 3, 3], [1, 1, 3]]


def test_accuracy_is_that_of_the_rule(tmp_path: Path) -> None:
    service = lowered(tmp_path, {"exit_mode": "compact", "rule": {"confidence": 0.99}})
    found = service.deployments[0]
    assert found.correct is not None
    assert found.correct[np.arange(3), found.exit_layer - 1].tolist() == [1.0, 1.0, 1.0]
    assert survival(service.exits, found.exit_layer, 3) == 1.0


@pytest.mark.parametrize("mode", ["compact", "answer_early"])
def test_only_named_ramps_take_time_and_answer(mode: str, tmp_path: Path) -> None:
    service = lowered(tmp_path, {"exit_mode": mode, "ramps": [2]})
    assert service.stations[0].kinds[0].phases[0].step_ramp.tolist() == [0, 0, 2, 0]
    assert service.deployments[0].exit_layer.tolist() == [3, 2, 3]


def test_who_would_leave_at_a_ramp_of_a_profile_that_does_not_run_leaves_at_the_next(tmp_path: Path) -> None:
    service = lowered(tmp_path, {"exit_mode": "compact", "ramps": [2]}, {"profile": [0.5, 0.25]})
    assert [survival(service.exits, service.deployments[0].exit_layer, layer) for layer in (2, 3)] == [1.0, 0.25]


ROUTED = {"table": "rows.csv", "rule": {"confidence": 0.8}, "router": {"confusion": np.eye(3).tolist()}}


@pytest.mark.parametrize(
    ("deployment", "exits", "message"),
    [
        ({"exit_mode": "none", "rule": {"confidence": 0.5}}, None, "rule: goes not with `exit_mode: none`"),
        ({"exit_mode": "none", "ramps": [1]}, None, "ramps: goes only with `exit_mode: compact` or `answer_early`"),
        ({"exit_mode": "at_cut", "ramps": [1]}, None, "the ramps at the cuts run, and no others"),
        ({"exit_mode": "compact", "ramps": [2, 1]}, None, "ramps: must be ascending"),
        ({"exit_mode": "compact", "ramps": [3]}, None, "ramps: there is no ramp after layer 3"),
        ({"exit_mode": "compact", "rule": {"confidence": 0.5}}, {"profile": [0.5, 0.25]}, "goes not with exits that"),
        ({"exit_mode": "compact", "rule": {"confidence": 0.5}}, ROUTED, "whose exits a `router` chooses"),
        ({"exit_mode": "compact", "rule": {"confidence": [0.5]}}, None, "1 thresholds for 3 exits"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_at_its_place(deployment: Node, exits: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        lowered(tmp_path, deployment, exits)
    assert len(caught.value.problems) == 1
    assert message in str(caught.value)
