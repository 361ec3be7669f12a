"""Nobody knows where a request will leave before the ramp that decides it has run.

Two tables agree on every row but one, which leaves at the second ramp by the one table and at the end by the other.
Until the first such request stands at that ramp, the two runs must be the same to the last bit: every batch, every
drop, every choice of a replica. With a router the two matrices differ in one true exit, and the same must hold.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simulator.cluster
from simulator.cluster.draws import Draws, uniform
from simulator.cluster.lower import lower
from simulator.results.record import RunRecord
from simulator.scenario import loads
from tests.differential.compare import assert_same
from tests.differential.support import both
from tests.support import Node, layer, poisson, portion, scenario

ROWS, ODD = 400, 17
CUT = ("1-2", "3-4", "5-6")
DEPLOYMENTS: dict[str, Node] = {
    "compact": {"exit_mode": "compact", "portions": [portion("1-6", 3, batch=4, max_wait=0.001)]},
    "at_cut": {"exit_mode": "at_cut", "portions": [portion(cut, 2, batch=4, max_wait=0.002) for cut in CUT]},
    "two_choices": {"exit_mode": "at_cut", "routing": "two_choices", "portions": [portion(cut, 3) for cut in CUT]},
    "serial": {
        "exit_mode": "at_cut",
        "execution": "serial",
        "routing": "least_outstanding",
        "replicas": 4,
        "portions": [portion(cut, None, batch=4, max_wait=0.003) for cut in CUT],
    },
    "answer_early": {"exit_mode": "answer_early", "portions": [portion(cut, 3, batch=4) for cut in CUT]},
}
DEVICE: Node = {"memory": "64GiB", "memory_bandwidth": "1000GB/s", "peak": {"fp16": "100TFLOPS"}}
MODEL_EXITS: Node = {"table": "rows.csv", "rule": {"confidence": 0.8}}


def table(odd: float, seed: int = 2) -> str:
    """A third of the rows leaves at each exit; row ``ODD`` is sure of the second by ``odd``, never of the first."""
    rng = np.random.default_rng(seed)
    sure = np.where(rng.random((ROWS, 3)) < [1 / 3, 1 / 2, 1], 0.9, 0.5)
    sure[ODD] = [0.5, odd, 0.9]
    return "\n".join(["conf_1,conf_2,conf_3", *(",".join(map(str, row)) for row in sure.tolist()), ""])


def node(deployment: Node, drop: str, router: Node | None = None) -> Node:
    """A loaded service with classes, deadlines, links, failures and jitter: every policy has something to decide."""
    exits = MODEL_EXITS if router is None else {**MODEL_EXITS, "router": router}
    body: Node = {
        "workload": poisson(900.0),
        "slo": {"latency": "12ms"},
        "queue": {"capacity": 30, "drop": drop},
        "jitter": {"distribution": "lognormal", "cv": 0.3},
        "classes": [{"name": "low", "share": 0.7}, {"name": "high", "share": 0.3, "priority": 1}],
        "deployment": deployment,
    }
    cluster = {
        "pools": {"pool": {"device": DEVICE, "count": 20, "faults": {"mtbf": "2s", "mttr": "20ms"}}},
        "network": {"bandwidth": "1GB/s", "latency": "100us"},
    }
    model = {"ramps": {"after": [2, 4], "time": {"relative": 0.1}}, "exits": exits}
    layers = [layer((0.0003, 0.00005), repeat=6, output="64KB")]
    return scenario(body, layers, duration_s=2.0, seed=9, model=model, cluster=cluster)


def odd_requests(trees: list[Node], files: list[dict[str, str]], folder: Path) -> set[int]:
    """Numbers of the requests that leave elsewhere by the one tree than by the other."""
    leave = []
    for tree, texts in zip(trees, files):
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        lowered = lower(loads(json.dumps(tree), folder=folder))
        (service,) = lowered.services
        draws = Draws(service, lowered.seed, 0, lowered.duration_s, folder)
        rows, arrival_s = draws.exit_rows(), draws.arrival_s
        assert rows is not None
        found = rows.draw(draws.column("exits", uniform), arrival_s, np.arange(len(arrival_s)))
        leave.append(service.deployments[0].exit_layer[found])
    return set(np.flatnonzero(leave[0] != leave[1]).tolist())


def decided(records: list[RunRecord], odd: set[int]) -> float:
    """The first instant at which one of these requests left at the ramp that the runs do not agree on [s]."""
    found = []
    for rec in records:
        requests = rec.requests
        there = np.isin(requests.number, list(odd)) & (requests.exit_layer == 4)
        found += requests.finish_s[there].tolist()
    return float(min(found))


def history(rec: RunRecord, until_s: float) -> dict[str, list[Any]]:
    """All that happened before an instant."""
    batches, requests = rec.batches, rec.requests
    cuts = zip(batches.offset[:-1].tolist(), batches.offset[1:].tolist())
    numbers = requests.number[batches.member]
    started = [
        (start, portion, replica, numbers[first:last].tolist())
        for start, portion, replica, (first, last) in zip(
            batches.start_s.tolist(), batches.portion.tolist(), batches.replica.tolist(), cuts
        )
        if start < until_s
    ]
    ended = {
        name: sorted(zip(values[values < until_s].tolist(), batches.replica[values < until_s].tolist()))
        for name, values in (("end", batches.end_s), ("free", batches.free_s), ("idle", batches.idle_s))
    }
    gone = requests.finish_s < until_s
    left = [requests.number[gone], requests.finish_s[gone], requests.outcome[gone], requests.exit_layer[gone]]
    return {"started": started, **ended, "left": [column.tolist() for column in left]}


@pytest.mark.parametrize("drop", ["never", "expired", "hopeless"])
@pytest.mark.parametrize("mode", DEPLOYMENTS)
def test_swapping_the_table_behind_a_ramp_changes_nothing_before_it(mode: str, drop: str, tmp_path: Path) -> None:
    check([node(DEPLOYMENTS[mode], drop)] * 2, [{"rows.csv": table(odd)} for odd in (0.9, 0.5)], tmp_path)


@pytest.mark.parametrize("drop", ["never", "expired", "hopeless"])
@pytest.mark.parametrize("mode", DEPLOYMENTS)
def test_a_router_is_not_overheard(mode: str, drop: str, tmp_path: Path) -> None:
    """It chooses when a request comes, and nobody acts on that before the request leaves, or stays, at a ramp.

    Who is sent to the second exit by the one router, and to the end by the other, is rare: two of a hundred.
    """
    routers = [{"confusion": [[1, 0, 0], [0.98, *last], [0.5, 0.25, 0.25]]} for last in ([0.02, 0], [0, 0.02])]
    check([node(DEPLOYMENTS[mode], drop, router) for router in routers], [{"rows.csv": table(0.9)}] * 2, tmp_path)


def check(trees: list[Node], files: list[dict[str, str]], folder: Path) -> None:
    """Each engine by itself; both agree anyway."""
    runs = [both(tree, texts) for tree, texts in zip(trees, files)]
    for run in runs:
        assert_same(*run)
    odd = odd_requests(trees, files, folder)
    for records in zip(*runs):
        until_s = decided(list(records), odd)
        before = [history(rec, until_s) for rec in records]
        assert len(before[0]["started"]) > 5, "something must have happened by then"
        assert before[0] == before[1]
        after = [history(rec, np.inf) for rec in records]
        assert after[0] != after[1], "the swap must make a difference later"


@pytest.mark.parametrize("module", ["dispatch", "fifo", "routing"])
def test_policies_do_not_name_what_they_must_not_know(module: str) -> None:
    """Queues, routing and dispatch never read the row, the exit or the answers of a request."""
    path = Path(simulator.cluster.__path__[0]) / f"{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not named & {"rows", "leave", "fires", "exit_layer", "exit_layers", "correct", "exits"}
