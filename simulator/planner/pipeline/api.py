"""Pipelines of a scenario's training in one call: the schedules side by side, and the search for the best one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from simulator.planner.pipeline.case import pipeline_case
from simulator.planner.pipeline.compare import Comparison, compare
from simulator.planner.pipeline.search import Found, search
from simulator.scenario import Scenario

PipelineComparison: TypeAlias = Comparison
PipelineSearch: TypeAlias = Found
"""The names of what is returned, where other comparisons and searches are at hand."""
Progress = Callable[[float], object]


def compare_pipelines(
    scenario: Scenario,
    training: str | None = None,
    schedules: Sequence[str] | None = None,
    *,
    memory_limit: float | None = None,
    chunks: int | None = None,
    microbatches: int | None = None,
    progress: Progress | None = None,
) -> PipelineComparison:
    """The schedules of a training (the only one unless named) side by side: time, bubbles and memory of each.

    ``schedules``: all that suit the training, unless named; ``memory_limit`` of activations [bytes, or microbatches of
    one stage where the training has no ``memory``], ``chunks`` and ``microbatches`` replace those of the scenario.
    """
    case = pipeline_case(scenario, training, memory_limit)
    return compare(case, schedules, chunks=chunks, microbatches=microbatches, progress=progress)


def search_pipelines(
    scenario: Scenario,
    training: str | None = None,
    schedules: Sequence[str] | None = None,
    *,
    memory_limit: float | None = None,
    chunks: Sequence[int] | None = None,
    microbatches: Sequence[int] | None = None,
    time_limit: float = float("inf"),
    progress: Progress | None = None,
) -> PipelineSearch:
    """The pipeline of a training with the least time per iteration that fits, and how far it is from the best possible.

    Arguments as for :func:`compare_pipelines`, with several ``chunks`` and ``microbatches`` to look at (left out: all
    that may serve); after ``time_limit`` [s] the best found until then is returned.
    """
    return search(
        pipeline_case(scenario, training, memory_limit),
        schedules,
        chunks=chunks,
        microbatches=microbatches,
        time_limit_s=time_limit,
        progress=progress,
    )
