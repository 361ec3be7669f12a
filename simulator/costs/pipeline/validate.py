"""Whether a schedule can be run: every op once and on its rank, inputs first, nobody waits for ever."""

from __future__ import annotations

from simulator.costs.pipeline.graph import graph_of
from simulator.costs.pipeline.ops import Schedule
from simulator.errors import Problem, ScenarioError


def problems_of(schedule: Schedule) -> tuple[Problem, ...]:
    """All that is wrong: ops that are missing, repeated, on the wrong rank or too early; or, where all of them are
    there, which op each rank that is stuck waits at, and for what. Empty for a schedule that can be run.

    >>> from simulator.costs.pipeline.ops import BW, F, Op, one_way
    >>> crossed = one_way("crossed", 1, 1, (0,), [[Op(BW, 0, 0), Op(F, 0, 0)]])
    >>> print(problems_of(crossed)[0].message)
    schedule crossed: deadlock: rank 0 waits at full backward of stage 0, microbatch 0 for its own F of stage 0, \
microbatch 0, not yet run
    """
    try:
        graph_of(schedule)
    except ScenarioError as error:
        return error.problems
    return ()


def validate(schedule: Schedule) -> Schedule:
    """The schedule itself; ScenarioError with every problem if it cannot be run."""
    graph_of(schedule)
    return schedule
