"""The ops of a second instance as a graph: what each waits for, wherever and whenever its rank finds time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.costs.pipeline import BW, B, Ending, F, Kind, Schedule, Times, W
from simulator.costs.pipeline.times import Floats

UPDATE = max(Kind) + 1
"""Kind of the last op of a rank: all-reduce and optimizer step, after all its others."""


@dataclass(frozen=True, eq=False)
class OpGraph:
    """Ops 0, 1, .. of one iteration, in the order of the schedule, then one update per rank.

    ``inputs[i]``: how many ops op i waits for; ``outputs[i]``: ops that wait for it, with the time until they may
    start [s]. ``takes[i]``: activations that it takes (+) when it starts or gives back (-) when it ends, in bytes.
    Fused ops are two ops here.
    """

    rank: list[int]
    kind: list[int]
    microbatch: list[int]
    seconds: list[float]
    inputs: list[int]
    outputs: list[list[tuple[int, float]]]
    takes: list[float]
    orders: list[list[int]]
    """Ops of every rank in the schedule's order, the update last."""

    @property
    def ranks(self) -> int:
        """Ranks of the pipeline."""
        return len(self.orders)

    def work_s(self) -> Floats:
        """Time of all ops of every rank (ranks,) [s]."""
        total: Floats = np.bincount(self.rank, weights=self.seconds, minlength=self.ranks).astype(np.float64)
        return total


def op_graph(schedule: Schedule, times: Times, ending: Ending, activation: Floats, kept: Floats) -> OpGraph:
    """The graph; ``activation`` and ``kept`` by virtual stage as in ``Memory`` [bytes]."""
    arrays, ranks = schedule.arrays, schedule.ranks
    count = len(arrays.kind)
    kind, stage, microbatch = arrays.kind.tolist(), arrays.stage.tolist(), arrays.microbatch.tolist()
    at = {row: i for i, row in enumerate(zip(kind, stage, microbatch))}
    costs = {F: times.transfer, B: times.transfer_back, BW: times.transfer_back}
    outputs: list[list[tuple[int, float]]] = [[] for _ in range(count + ranks)]
    inputs = [0] * (count + ranks)
    rank = [*arrays.rank.tolist(), *range(ranks)]

    def link(source: int | None, target: int, cost: float = 0.0) -> None:
        if source is not None:
            outputs[source].append((target, cost if rank[source] != rank[target] else 0.0))
            inputs[target] += 1

    for i in range(count):
        k, s, j = Kind(kind[i]), stage[i], microbatch[i]
        if k is F and s:
            link(at[F, s - 1, j], i, float(costs[F][s - 1]))
        if k in (B, BW):
            link(at[F, s, j], i)
            if s + 1 < schedule.stages:
                link(at.get((B, s + 1, j), at.get((BW, s + 1, j))), i, float(costs[B][s]))
        if k is W:
            link(at[B, s, j], i)
        link(i, count + rank[i])
    table = np.stack([times.per_stage(k) for k in Kind])
    update = np.zeros(ranks) + np.asarray(ending.all_reduce, dtype=float) + np.asarray(ending.optimizer, dtype=float)
    back = {F: activation, B: kept - activation, W: -kept, BW: -activation}
    takes = [float(back[Kind(k)][s]) for k, s in zip(kind, stage)]
    if schedule.forward_only:
        takes = [0.0] * count
    first = arrays.first.tolist()
    return OpGraph(
        rank,
        kind + [UPDATE] * ranks,
        microbatch + [-1] * ranks,
        [*table[arrays.kind, arrays.stage].tolist(), *update.tolist()],
        inputs,
        outputs,
        takes + [0.0] * ranks,
        [[*range(first[r], first[r + 1]), count + r] for r in range(ranks)],
    )
