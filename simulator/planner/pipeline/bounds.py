"""How fast no order of the passes can be: lower bounds on the time of an iteration.

All are of the steady state, one iteration right after the other. A rank begins an iteration after it has finished the
one before, so that an iteration takes at least, for every rank, from its first pass to its last one, and then its
all-reduce and optimizer step. Of that stretch three things are known, whatever the order:

- All of the rank's work lies in it, and before its first backward only forwards can run, as many as memory holds: while
  the first microbatch goes to the last stage and back to the rank's deepest one, the rest of the time is idle (Zero
  Bubble, arXiv 2401.10241, Appendix B, for stages that are each on a rank of their own).
- On the rank of the first stage, all forwards and backwards of any other rank lie in it, and around them the way there
  of the first microbatch and the way back of the last one, whose weight gradient follows. One microbatch all the way
  there and back lies in it, too.
- Every microbatch holds its activations on a rank at least for its way from there to the last stage and back. All these
  times, each by what is held, fit into the memory of the rank by the length of the stretch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.costs.pipeline import Schedule, Times
from simulator.costs.pipeline.times import Floats
from simulator.planner.pipeline.case import Stages

Placement = Sequence[Sequence[int]]


def least_iteration_s(schedule: Schedule, stages: Stages, limit: Floats) -> float:
    """No order of these passes on these ranks takes less per iteration [s], in steady state.

    ``limit`` (ranks,): what activations may take on each rank, in the unit of the stages' memory; infinite: no limit.
    Only placement and directions of ``schedule`` count, not its order.
    """
    ranks, times = schedule.ranks, stages.times
    counts = np.bincount(schedule.directions, minlength=len(schedule.placement)).tolist()
    tail = np.broadcast_to(np.asarray(stages.ending.all_reduce, dtype=np.float64), (ranks,)) + np.asarray(
        stages.ending.optimizer
    )
    train = not schedule.forward_only
    work = np.zeros(ranks)
    for direction, count in enumerate(counts):
        np.add.at(work, list(schedule.placement[direction]), count * _passes(times, train))
    spans = work + (_fills(schedule, stages, limit, counts) if train else 0.0)
    spans = np.maximum(spans, _held(schedule, stages, limit, counts, train))
    if train and len(counts) == 1:
        home = schedule.placement[0][0]
        spans[home] = max(spans[home], _around(schedule, times))
    return float((spans + tail).max())


def ideal_s(stages: Stages, ranks: int, microbatches: int) -> float:
    """The work of an iteration shared evenly among the ranks, and the shortest of their endings [s]: no cut into
    stages, no placement and no order takes less."""
    ending = np.broadcast_to(np.asarray(stages.ending.all_reduce) + np.asarray(stages.ending.optimizer), (ranks,))
    return float(_passes(stages.times, True).sum()) * microbatches / ranks + float(ending.mean())


def _passes(times: Times, train: bool) -> Floats:
    """All passes of one microbatch by virtual stage [s]; where passes fuse, as short as fusing could make them."""
    whole = times.forward + times.backward_input + times.backward_weight if train else times.forward
    return np.asarray(whole * min(1.0, times.fused if train else 1.0))


def _fills(schedule: Schedule, stages: Stages, limit: Floats, counts: Sequence[int]) -> Floats:
    """Idle time before the first backward of every rank, at least (ranks,) [s]."""
    times = stages.times
    shortest = min(1.0, times.fused)
    ways = [_way_there_and_back(schedule.placement[d], times) for d, count in enumerate(counts) if count]
    used = [d for d, count in enumerate(counts) if count]
    idle = np.zeros(schedule.ranks)
    for rank, held in enumerate(schedule.held):
        own = [(d, stage) for d, stage in held if d in used]
        way = min(ways[used.index(d)][rank] for d in {d for d, _ in own})
        forwards = sum(counts[d] * float(times.forward[stage]) for d, stage in own)
        if stages.memory is not None:
            rates = [_rate(times, stages.memory.activation, stage) for _, stage in own]
            forwards = min(forwards, float(limit[rank]) * max(rates))
        elif np.isfinite(limit[rank]):
            share = schedule.ranks / schedule.stages
            forwards = min(forwards, float(limit[rank]) / share * max(float(times.forward[stage]) for _, stage in own))
        idle[rank] = max(0.0, way * shortest - forwards)
    return idle


def _held(schedule: Schedule, stages: Stages, limit: Floats, counts: Sequence[int], train: bool) -> Floats:
    """What all microbatches hold on each rank, by how long they do at least, over what may be held (ranks,) [s]."""
    times, memory = stages.times, stages.memory
    shortest = min(1.0, times.fused)
    activation = np.full(schedule.stages, schedule.ranks / schedule.stages) if memory is None else memory.activation
    kept = np.zeros(schedule.stages) if memory is None else memory.kept
    area = np.zeros(schedule.ranks)
    for placement, count in zip(schedule.placement, counts):
        if train:
            there, back = _links(placement, times)
            links = np.append(_from_here(there + back), 0.0)
            way = (_from_here(times.forward + times.backward_input) + links) * shortest
            held = activation * way + kept * times.backward_weight * shortest
        else:
            held = activation * times.forward
        np.add.at(area, list(placement), count * held)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((area > 0.0) & (limit > 0.0), area / limit, 0.0)


def _from_here(values: Floats) -> Floats:
    """Sums from every entry to the last."""
    return np.cumsum(values[::-1])[::-1]


def _rate(times: Times, activation: Floats, stage: int) -> float:
    """Forward time that a unit of memory holds [s]."""
    return float(times.forward[stage] / activation[stage]) if activation[stage] > 0.0 else float("inf")


def _way_there_and_back(placement: Sequence[int], times: Times) -> dict[int, float]:
    """By rank: from the start of its first forward to that of its first backward, for one microbatch alone [s]."""
    there, back = _links(placement, times)
    ways = {}
    for rank in set(placement):
        own = [stage for stage, where in enumerate(placement) if where == rank]
        first, deepest = min(own), max(own)
        forward = float(times.forward[first:].sum() + there[first:].sum())
        ways[rank] = forward + float(times.backward_input[deepest + 1 :].sum() + back[deepest:].sum())
    return ways


def _links(placement: Sequence[int], times: Times) -> tuple[Floats, Floats]:
    """Transfers from every stage to the next, and back [s]; none where both are on one rank."""
    apart = np.diff(np.asarray(placement)) != 0
    return np.where(apart, times.transfer, 0.0), np.where(apart, times.transfer_back, 0.0)


def _around(schedule: Schedule, times: Times) -> float:
    """From the first pass to the last one of the rank with the first stage, at least [s]."""
    placement, many = schedule.placement[0], schedule.microbatches
    there, back = _links(placement, times)
    shortest = min(1.0, times.fused)
    whole = float(times.forward.sum() + times.backward_input.sum() + times.backward_weight[0])
    least = whole * shortest + float(there.sum() + back.sum())  # one microbatch all the way
    for rank in set(placement) - {placement[0]}:
        own = [stage for stage, where in enumerate(placement) if where == rank]
        first = min(own)
        passes = many * float((times.forward[own] + times.backward_input[own]).sum())
        around = float(times.forward[:first].sum() + times.backward_input[:first].sum())
        links = float(there[:first].sum() + back[:first].sum())
        least = max(least, (passes + around + float(times.backward_weight[0])) * shortest + links)
    return least
