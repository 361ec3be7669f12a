"""Trainings made for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulator.cluster import loads
from simulator.cluster.clock import Clock
from simulator.cluster.lower.hardware import pools_of
from simulator.cluster.training.executor import Executor, drive
from simulator.cluster.training.guest import Guest
from simulator.cluster.training.setup import TrainingSetup, setup_of
from simulator.scenario import Scenario
from simulator.scenario.loader import load
from tests.support import DEVICE, Node

TIMES: Node = {"forward": "1s", "backward_input": "1s", "backward_weight": "1s"}


def node(pipeline: Node | None = None, times: Node | None = None, pool: Node | None = None, **more: Any) -> Node:
    """A scenario with one training ``t`` of four stages and eight microbatches on pool ``g``.

    ``models``, ``services``, ``network`` and ``run`` go to the scenario, what is left to the training.
    """
    parts = {key: more.pop(key) for key in ("models", "services", "seed", "run") if key in more}
    network = {"network": more.pop("network")} if "network" in more else {}
    training = {
        "pipeline": {"stages": 4, "microbatches": 8, "pool": "g"} | (pipeline or {}),
        "times": times or TIMES,
        **more,
    }
    pools = {"g": {"device": DEVICE, "count": 64} | (pool or {})}
    run = {"duration": "1s", **parts.pop("run", {})}
    cluster = {"pools": pools, **network}
    return {"version": 1, "name": "case", "run": run, "cluster": cluster, "trainings": {"t": training}, **parts}


def scenario(tree: Node, folder: Path | None = None) -> Scenario:
    """The scenario that a tree says; files that it names lie in ``folder``."""
    if folder is None:
        return loads(json.dumps(tree))
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return load(path)


def setup(tree: Node | None = None, folder: Path | None = None) -> TrainingSetup:
    """The only training of a scenario."""
    made = scenario(node() if tree is None else tree, folder)
    return setup_of(made, "t", pools_of(made))


def executed(made: TrainingSetup, replication: int = 0, guest: Guest | None = None) -> Executor:
    """A training that has run alone, without faults."""
    executor = Executor(Clock(), made, replication, guest)
    executor.begin()
    drive(executor.clock, executor)
    return executor
