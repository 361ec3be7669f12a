"""The request table: deadlines, bands, and requests that go over to another deployment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.cluster.lower import lower
from simulator.cluster.requests import RequestTable
from simulator.scenario import loads
from tests.support import Node, layer, poisson, portion, scenario

# Rows of the profile leave after ramp 1, 2, 3 or stay to the end.
MODEL: Node = {"ramps": {"after": "all"}, "exits": {"profile": [0.25, 0.25, 0.25]}}


def table(deployments: list[Node], classes: list[Node] | None = None) -> RequestTable:
    timeline = [{"from": f"{10 * i}s", **deployment} for i, deployment in enumerate(deployments)]
    service = {"workload": poisson(10.0), "deployments": timeline, "slo": {"latency": "1s"}}
    node = scenario(
        {**service, **({"classes": classes} if classes else {})}, [layer(0.01)] * 4, duration_s=30.0, model=MODEL
    )
    made = lower(loads(json.dumps(node)))
    return RequestTable(0, made.services[0], made.seed, 0, made.duration_s, Path())


HALVES: Node = {"portions": [portion("1-2"), portion("3-4")], "exit_mode": "at_cut"}
THIRDS: Node = {"portions": [portion("1"), portion("2-3"), portion("4")], "exit_mode": "at_cut"}
WHOLE: Node = {"portions": [portion("1-4")]}


def test_each_request_has_the_deployment_of_its_arrival() -> None:
    requests = table([HALVES, THIRDS, WHOLE])
    assert requests.windowed
    for arrival, number, row, leave in zip(requests.arrival, requests.deployment, requests.rows, requests.leave):
        assert number == min(int(arrival // 10), 2)
        assert leave == [[2, 2, 4, 4], [1, 3, 3, 4], [4, 4, 4, 4]][number][row]


@pytest.mark.parametrize(
    ("deployment", "layer_of_entry", "leave"),
    [
        (0, 1, [2, 2, 4, 4]),
        (0, 3, [4, 4, 4, 4]),  # the ramp after layer 2 is behind it
        (1, 1, [1, 3, 3, 4]),
        (1, 2, [3, 3, 3, 4]),
        (1, 4, [4, 4, 4, 4]),
        (2, 1, [4, 4, 4, 4]),
    ],
)
def test_a_request_that_moves_leaves_where_its_row_says(deployment: int, layer_of_entry: int, leave: list[int]) -> None:
    requests = table([HALVES, THIRDS, WHOLE])
    for row in range(4):
        request = requests.rows.index(row)
        requests.move(request, deployment, layer_of_entry)
        assert requests.deployment[request] == deployment
        assert requests.leave[request] == leave[row]


def test_deadlines_and_bands_of_classes() -> None:
    classes = [
        {"name": "low", "share": 0.5, "priority": -3},
        {"name": "high", "share": 0.25, "priority": 7, "slo": {"latency": "250ms"}},
        {"name": "high-too", "share": 0.25, "priority": 7},
    ]
    requests = table([WHOLE], classes)
    assert requests.bands == 2
    found = set()
    for i, (arrival, deadline, kind) in enumerate(zip(requests.arrival, requests.deadline, requests.classes)):
        found.add((kind, requests.band_of(i)))
        assert deadline == arrival + [1.0, 0.25, 1.0][kind]
    assert found == {(0, 1), (1, 0), (2, 0)}
