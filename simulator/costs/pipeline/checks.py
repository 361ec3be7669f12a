"""What is wrong with a schedule: each rank taken alone, and who waits for whom where nothing moves any more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.costs.pipeline.ops import BW, B, Bools, F, Ints, Kind, Op, Schedule, W
from simulator.errors import Problem


def check_ops(schedule: Schedule) -> list[Problem]:
    """What is wrong with the ops of each rank taken alone: outside, twice, missing, elsewhere or out of order."""
    shape = list(_shape(schedule))
    if shape:
        return [_problem(schedule, text) for text in shape]
    texts = (
        list(_outside(schedule)) or [*_counts(schedule), *_places(schedule)] or [*_local(schedule), *_fused(schedule)]
    )
    return [_problem(schedule, text) for text in texts]


def _problem(schedule: Schedule, text: str) -> Problem:
    return Problem(f"schedule {schedule.name}: {text}")


def _shape(schedule: Schedule) -> Iterator[str]:
    lazy = set(range(schedule.ranks)) - {rank for ranks in schedule.placement for rank in ranks}
    if schedule.ranks < 1 or schedule.microbatches < 1 or not schedule.placement or not schedule.placement[0]:
        yield "needs at least one rank, one microbatch and one stage"
    elif len(schedule.orders) != schedule.ranks:
        yield f"has orders of {len(schedule.orders)} ranks, but {schedule.ranks} ranks"
    elif len({len(ranks) for ranks in schedule.placement}) != 1:
        yield "places a different number of stages for each direction"
    elif any(not 0 <= rank < schedule.ranks for ranks in schedule.placement for rank in ranks):
        yield f"places a stage outside the ranks 0 to {schedule.ranks - 1}"
    elif lazy:
        yield f"rank {min(lazy)} holds no stage"
    elif len(schedule.directions) != schedule.microbatches:
        yield f"gives directions of {len(schedule.directions)} microbatches, but has {schedule.microbatches}"
    elif any(not 0 <= way < len(schedule.placement) for way in schedule.directions):
        yield f"has a direction outside 0 to {len(schedule.placement) - 1}"


def _outside(schedule: Schedule) -> Iterator[str]:
    ops = schedule.arrays
    within = (ops.stage >= 0) & (ops.stage < schedule.stages)
    within &= (ops.microbatch >= 0) & (ops.microbatch < schedule.microbatches)
    for rank, op in _ops_at(schedule, ~within):
        yield f"rank {rank} has {op}; there are {schedule.stages} stages and {schedule.microbatches} microbatches"


def _counts(schedule: Schedule) -> Iterator[str]:
    """Every (stage, microbatch) has F once and, unless all is inference, either B and W or a full backward."""
    ops = schedule.arrays
    shape = (len(Kind), schedule.stages, schedule.microbatches)
    count = np.zeros(shape, dtype=np.int64)
    np.add.at(count, (ops.kind, ops.stage, ops.microbatch), 1)
    for kind, stage, microbatch in np.argwhere(count > 1).tolist():
        yield f"{Op(Kind(kind), stage, microbatch)} comes {count[kind, stage, microbatch]} times"
    for stage, microbatch in np.argwhere(count[F] == 0).tolist():
        yield f"{Op(F, stage, microbatch)} is missing"
    if schedule.forward_only:
        return
    full, split, weight = count[BW] > 0, count[B] > 0, count[W] > 0
    for stage, microbatch in np.argwhere(full & (split | weight)).tolist():
        yield f"{Op(BW, stage, microbatch)} is there beside {'B' if split[stage, microbatch] else 'W'} of the same"
    for stage, microbatch in np.argwhere(~full & ~split).tolist():
        yield f"{Op(B, stage, microbatch)} is missing"
    for stage, microbatch in np.argwhere(~full & split & ~weight).tolist():
        yield f"{Op(W, stage, microbatch)} is missing"


def _places(schedule: Schedule) -> Iterator[str]:
    ops = schedule.arrays
    direction = np.array(schedule.directions, dtype=np.int64)[ops.microbatch]
    home = np.array(schedule.placement, dtype=np.int64)[direction, ops.stage]
    for rank, op in _ops_at(schedule, home != ops.rank):
        yield f"rank {rank} has {op}, which is placed on rank {schedule.rank_of(op.stage, op.microbatch)}"


def _local(schedule: Schedule) -> Iterator[str]:
    """F before B before W on the same rank; a cell that holds two of them waits for itself."""
    ops = schedule.arrays
    cell = np.cumsum(~ops.fused)
    at = np.zeros((len(Kind), schedule.stages, schedule.microbatches), dtype=np.int64)
    at[ops.kind, ops.stage, ops.microbatch] = cell
    for late, needs in ((B, F), (BW, F), (W, B)):
        for i in np.flatnonzero((ops.kind == late) & (at[needs, ops.stage, ops.microbatch] >= cell)).tolist():
            stage, microbatch = int(ops.stage[i]), int(ops.microbatch[i])
            need = Op(needs, stage, microbatch)
            yield f"deadlock: rank {ops.rank[i]} waits at {Op(late, stage, microbatch)} for its own {need}, not yet run"


def _fused(schedule: Schedule) -> Iterator[str]:
    """A fused op is a full backward right after a forward that is not fused itself."""
    ops = schedule.arrays
    before = np.arange(len(ops.kind)) - 1
    bad = ops.fused & (
        np.isin(np.arange(len(ops.kind)), ops.first[:-1])
        | (ops.kind != BW)
        | (ops.kind[before] != F)
        | ops.fused[before]
    )
    for rank, op in _ops_at(schedule, bad):
        yield f"rank {rank} has {op} fused; only a full backward fuses, with the F before it"


def _ops_at(schedule: Schedule, where: Bools) -> Iterator[tuple[int, Op]]:
    ops = schedule.arrays
    for i in np.flatnonzero(where).tolist():
        yield int(ops.rank[i]), Op(Kind(int(ops.kind[i])), int(ops.stage[i]), int(ops.microbatch[i]))


def stuck(schedule: Schedule, order: list[int], cell: Ints, source: Ints) -> list[Problem]:
    """Who waits at which op, and for what, where only the cells of ``order`` can run."""
    ops = schedule.arrays
    done = np.zeros(int(cell[-1]) + 1, dtype=np.bool_)
    done[order] = True
    problems = []
    for rank in range(schedule.ranks):
        rows = np.arange(ops.first[rank], ops.first[rank + 1])
        left = rows[~done[cell[rows]]]
        if left.size == 0:
            continue
        waits = [int(i) for i in left if cell[i] == cell[left[0]] and source[i] >= 0 and not done[cell[source[i]]]]
        for i in waits:
            mine, other = _op(schedule, i), _op(schedule, int(source[i]))
            there = int(ops.rank[source[i]])
            ahead = (
                left[0]
                if there == rank
                else ops.first[there] + np.argmin(done[cell[ops.first[there] : ops.first[there + 1]]])
            )
            text = f"deadlock: rank {rank} waits at {mine} for {other} of rank {there}"
            if int(ahead) != int(source[i]):
                text += f", which is itself at {_op(schedule, int(ahead))}"
            problems.append(_problem(schedule, text))
    return problems


def _op(schedule: Schedule, i: int) -> Op:
    ops = schedule.arrays
    return Op(Kind(int(ops.kind[i])), int(ops.stage[i]), int(ops.microbatch[i]))
