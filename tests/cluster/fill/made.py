"""Filled trainings made for tests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from simulator.cluster.clock import Clock
from simulator.cluster.fill.build import FillPlan, fill_plan
from simulator.cluster.fill.figures import fill_figures
from simulator.cluster.fill.filler import Filler
from simulator.cluster.lower.hardware import pools_of
from simulator.cluster.training.executor import Executor, drive
from simulator.cluster.training.setup import TrainingSetup, setup_of
from simulator.costs.pipeline import Timeline
from tests.cluster.training.made import node, scenario
from tests.support import Node

Laps = Sequence[Sequence[Timeline]]


def planned(fill: Node, **more: Any) -> tuple[TrainingSetup, FillPlan]:
    """A training as ``node`` makes it, and what fills its windows."""
    made = scenario(node(fill=fill, **more))
    setup = setup_of(made, "t", pools_of(made))
    plan = fill_plan(made, setup, pools_of(made))
    assert plan is not None
    return setup, plan


def filled(setup: TrainingSetup, filler: Filler, clock: Clock, replication: int = 0) -> tuple[Executor, Laps]:
    """A training that has run with a filler, and its laps without."""
    alone = Executor(Clock(), setup, replication)
    alone.begin()
    drive(alone.clock, alone)
    executor = Executor(clock, setup, replication, filler)
    filler.attach(executor, alone.lines)
    executor.begin()
    drive(clock, executor)
    return executor, alone.lines


def run(fill: Node, replication: int = 0, **more: Any) -> tuple[Filler, Executor, Laps, Node]:
    """All of it, and the figures."""
    setup, plan = planned(fill, **more)
    clock = Clock()
    filler = plan.filler(clock, setup, replication)
    executor, alone = filled(setup, filler, clock, replication)
    return filler, executor, alone, fill_figures(plan, filler, executor, alone)


def same_to_the_bit(one: Laps, two: Laps) -> bool:
    """Whether two runs are the same, instant by instant."""
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for ones, twos in zip(one, two, strict=True)
        for a, b in zip(ones, twos, strict=True)
        for name in ("start", "end", "begin", "reduced", "step", "finish")
    )


def check_places(filler: Filler, executor: Executor) -> None:
    """Pieces lie in windows of their device, one after the other; a late one delays the training, never overlaps it."""
    ops: list[list[tuple[float, float]]] = [[] for _ in filler.bays]
    ranks = executor.setup.ranks
    for copies in executor.lines:
        for copy, line in enumerate(copies):
            for rank in range(ranks):
                spans = zip(line.of_rank(line.start, rank).tolist(), line.of_rank(line.end, rank).tolist())
                ops[copy * ranks + rank] += [*set(spans), (float(line.step[rank]), float(line.finish[rank]))]
    for device, busy in enumerate(ops):
        pieces = [(ran.start_s, ran.end_s) for ran in filler.ran if ran.device == device]
        together = sorted([*(span for span in busy if span[1] > span[0]), *pieces])
        assert all(one[1] <= two[0] for one, two in pairwise(together))
