"""A lap: one iteration of one copy of the pipeline, while it runs and as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.cluster.draws import jitter_sampler
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Schedule, Timeline, Times, durations, graph_of
from simulator.costs.pipeline.times import Floats
from simulator.streams import stream


@dataclass(frozen=True, slots=True)
class Wiring:
    """The cells of a schedule for an executor: who hands its result to whom, and what that costs [s].

    ``rank[c]`` runs cell c. ``outputs[c]``: cells that wait for cell c, with the cost of the transfer. ``inputs[c]``:
    how many it waits for. ``held[c]``: how long its rank is held by what it sends. ``op[c]``: number of its first op.
    """

    bounds: list[int]
    rank: list[int]
    inputs: list[int]
    outputs: list[list[tuple[int, float]]]
    held: list[float]
    op: list[int]


def wire(schedule: Schedule, times: Times) -> Wiring:
    """The wiring of a schedule with the transfers of these times."""
    graph, costs = graph_of(schedule), times.transfers()
    cells = len(graph.rank)
    inputs = [0] * cells
    outputs: list[list[tuple[int, float]]] = [[] for _ in range(cells)]
    for sources, edges in ((graph.first, graph.first_edge), (graph.second, graph.second_edge)):
        for cell, (source, edge) in enumerate(zip(sources, edges)):
            if source >= 0:
                inputs[cell] += 1
                outputs[source].append((cell, costs[edge]))
    held = [0.0] * cells if times.overlap else [max(costs[a], costs[b]) for a, b in zip(*graph.sends)]
    return Wiring(graph.bounds, graph.rank, inputs, outputs, held, np.flatnonzero(~schedule.arrays.fused).tolist())


class Lap:
    """State of one lap: what its cells still wait for, and every instant that is known [s]."""

    __slots__ = (
        "begin",
        "compute_end",
        "copy",
        "end",
        "finish",
        "iteration",
        "missing",
        "reduced",
        "reducing",
        "running",
        "seconds",
        "start",
        "step",
    )

    def __init__(self, copy: int, iteration: int, seconds: list[float], wiring: Wiring) -> None:
        ranks = len(wiring.bounds) - 1
        self.copy, self.iteration, self.seconds = copy, iteration, seconds
        self.missing = wiring.inputs.copy()
        self.start, self.end = [0.0] * len(seconds), [0.0] * len(seconds)
        self.begin, self.compute_end, self.reduced = [0.0] * ranks, [0.0] * ranks, [0.0] * ranks
        self.step, self.finish = [0.0] * ranks, [0.0] * ranks
        self.reducing = ranks
        """Ranks whose all-reduce has not ended."""
        self.running = ranks
        """Ranks that have not finished."""

    def line(self, setup: TrainingSetup) -> Timeline:
        """The lap as it was, in the form of the evaluator's."""
        cell = graph_of(setup.schedule).cell
        starts, ends = np.array(self.start)[cell], np.array(self.end)[cell]
        instants = (np.array(x) for x in (self.begin, self.compute_end, self.reduced, self.step, self.finish))
        return Timeline(setup.schedule, setup.times, starts, ends, *instants)


def factors_of(setup: TrainingSetup, replication: int) -> Callable[[int, int], Floats | None]:
    """Jitter factors (ops,) of a copy and an iteration; None: exact times.

    Each comes from a stream of its own, so that an iteration that is repeated after a failure takes the same time, and
    other iterations theirs.
    """
    sampler = jitter_sampler(setup.jitter)
    count = len(setup.schedule.arrays.kind)

    def factors(copy: int, iteration: int) -> Floats | None:
        if sampler is None:
            return None
        rng = stream(setup.seed, replication, setup.name, "training", "jitter", copy, iteration)
        drawn: Floats = sampler(rng, (count,))
        return drawn

    return factors


def seconds_of(setup: TrainingSetup, factors: Floats | None) -> list[float]:
    """Time of every cell [s]."""
    found: list[float] = durations(setup.schedule, setup.times, factors).tolist()
    return found
