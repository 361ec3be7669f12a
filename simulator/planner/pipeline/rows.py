"""One candidate of a comparison or a search, tried: how long an iteration takes, what it holds, whether that fits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from simulator.costs.pipeline import (
    SCHEDULES,
    Ending,
    Measures,
    Schedule,
    Timeline,
    Times,
    evaluate,
    measure,
    peaks,
    refusal,
    unit_memory,
)
from simulator.costs.pipeline.times import Floats
from simulator.errors import ScenarioError
from simulator.planner.pipeline.bounds import ideal_s, least_iteration_s
from simulator.planner.pipeline.case import Bounds, PipelineCase, Stages

Json = dict[str, Any]
FITS, TOO_BIG, REFUSED, LEFT = "fits", "too big", "refused", "left out"
"""What becomes of a candidate."""
ROUNDING = 1e-9
"""Shares of a limit that are rounding, as in the simulation."""
MOST_PASSES = 2_000_000
"""Passes of an iteration that are evaluated, at most."""
MOST_ITERATIONS = 8
"""Iterations after which a time that still changes is taken as it is."""
STEADY = 1e-9
"""Relative change of the time per iteration that counts as none."""


class Candidate(NamedTuple):
    """A schedule, its microbatches and chunks; ``bounds`` of the stages, None: balanced (or as written).

    ``order``: that of the scenario's file instead of one by name.
    """

    schedule: str
    microbatches: int
    chunks: int
    bounds: Bounds | None = None
    order: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a candidate. Times in seconds; memory in bytes, or in microbatches where no sizes are known.

    ``status``: ``fits``, ``too big`` for the limit or the devices, ``refused`` (no such schedule) or ``left out``;
    ``why`` says more. ``iteration_s``: in steady state, iterations back to back. ``activations``: the most of any rank,
    ``memory`` with what it holds all the time. ``least_s``: no order of its passes on its ranks takes less. The other
    figures are those of ``Measures``, of one iteration alone. None: not known.
    """

    candidate: Candidate
    status: str
    why: str = ""
    batch: int | None = None
    iteration_s: float | None = None
    makespan_s: float | None = None
    span_s: float | None = None
    bubble_makespan: float | None = None
    bubble_span: float | None = None
    activations: float | None = None
    memory: float | None = None
    samples_per_s: float | None = None
    least_s: float | None = None
    ideal_s: float | None = None
    bounds: Bounds | None = None

    @property
    def fits(self) -> bool:
        """Whether it can run."""
        return self.status == FITS

    def to_dict(self) -> Json:
        """As JSON values."""
        return {
            "schedule": self.candidate.schedule,
            "chunks": self.candidate.chunks,
            "microbatches": self.candidate.microbatches,
            "microbatch": self.batch,
            "partition": None if self.bounds is None else _ranges(self.bounds),
            "status": self.status,
            "why": self.why or None,
            "iteration": self.iteration_s,
            "makespan": self.makespan_s,
            "span": self.span_s,
            "bubble_fraction": {"makespan": self.bubble_makespan, "span": self.bubble_span},
            "activations": self.activations,
            "memory": self.memory,
            "samples_per_s": self.samples_per_s,
            "bound": self.least_s,
            "ideal": self.ideal_s,
        }


def _ranges(bounds: Bounds) -> list[str]:
    """Layers of every stage, counted from 1 as in deployments."""
    return [str(end) if end == start + 1 else f"{start + 1}-{end}" for start, end in pairwise(bounds)]


class Built(NamedTuple):
    """A candidate that can be made: its order, its stages, and what activations may take on each rank."""

    schedule: Schedule
    stages: Stages
    limit: Floats


def build(case: PipelineCase, candidate: Candidate) -> Built:
    """The schedule and the stages of a candidate; ScenarioError where there are none such."""
    if candidate.order:
        found = case.order()
        assert found is not None
        if case.inference and not found.forward_only:
            raise ScenarioError("the order has backward passes: `backward_input` is missing in `times`")
        stages = case.stages(found.stages, candidate.microbatches, candidate.bounds)
        return Built(found, stages, limits(case, found, stages))
    name, ranks = candidate.schedule, case.ranks
    why = refusal(name, ranks, candidate.microbatches, candidate.chunks)
    if why is not None:
        raise ScenarioError(why)
    if SCHEDULES[name].timed:
        stages = case.stages(ranks, candidate.microbatches, candidate.bounds)
        _holds_one(case, name, stages)
        schedule = case.schedule(name, candidate.microbatches, candidate.chunks, stages)
    else:
        schedule = case.schedule(name, candidate.microbatches, candidate.chunks)
        stages = case.stages(schedule.stages, candidate.microbatches, candidate.bounds)
    return Built(schedule, stages, limits(case, schedule, stages))


def _holds_one(case: PipelineCase, name: str, stages: Stages) -> None:
    """Refuse a search within less than one microbatch needs."""
    limit = case.search_limit(name, stages)
    least = 1.0 if stages.memory is None else float(stages.memory.activation.max())
    if limit is not None and limit < least:
        text = f"{name}: {sized(case, max(limit, 0.0))} do not hold one microbatch, which takes {sized(case, least)}"
        raise ScenarioError(text)


def limits(case: PipelineCase, schedule: Schedule, stages: Stages) -> Floats:
    """What activations may take on each rank (ranks,): the limit, and what the devices leave where sizes are known."""
    most = np.full(schedule.ranks, np.inf if case.limit is None else case.limit)
    return most if stages.memory is None else np.minimum(most, case.capacity - stages.held(schedule))


def try_out(case: PipelineCase, candidate: Candidate) -> Row:
    """The row of a candidate; one that cannot be made is a row, too."""
    passes = 3.0 * candidate.microbatches * candidate.chunks * case.ranks
    if passes > MOST_PASSES:
        return Row(candidate, LEFT, f"{passes:.2g} passes in an iteration, at most {MOST_PASSES:.0e} are looked at")
    try:
        built = build(case, candidate)
    except ScenarioError as error:
        return Row(candidate, REFUSED, "; ".join(problem.message for problem in error.problems))
    return row_of(case, candidate, built)


def row_of(case: PipelineCase, candidate: Candidate, built: Built) -> Row:
    """The figures of a candidate."""
    schedule, stages, limit = built
    activations = peaks(schedule, unit_memory(schedule) if stages.memory is None else stages.memory)
    held = stages.held(schedule)
    why = _too_big(case, activations, held)
    steady, figures = steady_s(schedule, stages.times, stages.ending)
    batch = case.samples(candidate.microbatches)
    whole = None if batch is None else case.copies * batch * candidate.microbatches
    return Row(
        candidate,
        TOO_BIG if why else FITS,
        why,
        batch=batch,
        iteration_s=steady,
        makespan_s=figures.makespan_s,
        span_s=figures.span_s,
        bubble_makespan=figures.bubble_makespan,
        bubble_span=figures.bubble_span,
        activations=float(activations.max()),
        memory=float((activations + held).max()) if case.sized else None,
        samples_per_s=None if whole is None else whole / steady,
        least_s=least_iteration_s(schedule, stages, limit * (1.0 + ROUNDING)),
        ideal_s=ideal_s(stages, case.ranks, candidate.microbatches),
        bounds=stages.bounds,
    )


def _too_big(case: PipelineCase, activations: Floats, held: Floats) -> str:
    """Why a candidate does not fit; empty: it does."""
    worst = int(activations.argmax())
    if case.limit is not None and activations[worst] > case.limit * (1.0 + ROUNDING):
        return (
            f"activations of stage {worst} reach {sized(case, float(activations[worst]))}, the limit is "
            f"{sized(case, case.limit)}"
        )
    whole = activations + held if case.sized else held
    worst = int(whole.argmax())
    if whole[worst] > case.capacity:
        return f"stage {worst} holds {_gb(float(whole[worst]))}, its devices have {_gb(case.capacity)}"
    return ""


def sized(case: PipelineCase, amount: float) -> str:
    """An amount of activations with its unit."""
    return _gb(amount) if case.sized else f"{amount:.4g} microbatches"


def _gb(size: float) -> str:
    return f"{size / 1e9:.4g} GB"


def steady_s(schedule: Schedule, times: Times, ending: Ending) -> tuple[float, Measures]:
    """Time per iteration of iterations back to back once it no longer changes [s], and the first one by itself.

    It takes the differences of the instants at which the ranks finish: when they are equal for all ranks, every later
    iteration is the same again.
    """
    line = evaluate(schedule, times, ending=ending)
    alone = measure(line)
    longest = float(line.finish.max())
    for _ in range(MOST_ITERATIONS):
        after = _next(line, schedule, times, ending)
        steps = after.finish - line.finish
        longest = float(after.finish.max() - line.finish.max())
        if np.ptp(steps) <= STEADY * steps.max():
            break
        line = after
    return longest, alone


def _next(line: Timeline, schedule: Schedule, times: Times, ending: Ending) -> Timeline:
    return evaluate(schedule, times, ending=ending, begin=line.finish)
