"""What a search looks at: schedules, numbers of chunks and microbatches, and cuts of the model into stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from simulator.costs.pipeline import SCHEDULES, Shape, peaks
from simulator.costs.pipeline.stages import Layer, partition
from simulator.errors import Problem, ScenarioError
from simulator.planner.pipeline.case import Bounds, PipelineCase
from simulator.planner.pipeline.compare import known_names
from simulator.planner.pipeline.rows import Built, Candidate

CHUNKS = (1, 2, 3, 4)
"""Chunks per rank that are looked at unless others are asked for."""
MOST_PER_RANK = 16
"""Microbatches per rank that are looked at, at most, unless others are asked for: bubbles are below 6 % by then."""


def microbatch_options(case: PipelineCase, asked: Sequence[int] | None) -> tuple[int, ...]:
    """Numbers of microbatches whose product with their size stays; those asked for are all taken.

    Unless asked, all into which the samples of an iteration can be cut, up to 16 per rank; where the training names no
    model, only the one that it says.
    """
    if asked:
        for count in asked:
            if count < 1:
                raise ScenarioError(Problem(f"microbatches: must be at least 1, got {count}"))
        return tuple(sorted(set(asked)))
    if case.batch is None or case.training.pipeline.order is not None:
        return (case.microbatches,)
    whole = case.batch * case.microbatches
    most = max(MOST_PER_RANK * case.ranks, case.microbatches)
    return tuple(count for count in range(1, min(most, whole) + 1) if whole % count == 0)


def candidates(
    case: PipelineCase,
    schedules: Sequence[str] | None,
    chunks: Sequence[int] | None,
    microbatches: Sequence[int] | None,
) -> Iterator[Candidate]:
    """All candidates with balanced stages. A number of chunks that a schedule never has is none of its candidates,
    unless it is the only one asked for, so that the refusal is seen."""
    if chunks and min(chunks) < 1:
        raise ScenarioError(Problem(f"chunks: must be at least 1, got {min(chunks)}"))
    written = case.order()
    numbers = microbatch_options(case, microbatches)
    if written is not None and schedules is None and written.microbatches in numbers:
        yield Candidate(written.name, written.microbatches, written.chunks, order=True)
    names = known_names(case, schedules)
    if case.limit is not None and {"zb-1p", "zb-2p"} <= set(names):
        names.remove("zb-2p")  # under a limit of their own both are the same search
    for name in names:
        for count in numbers:
            possible = [v for v in chunks or CHUNKS if _has_chunks(case, name, v)]
            for v in possible or [chunks[0] if chunks else SCHEDULES[name].default_chunks]:
                yield Candidate(name, count, v)


def _has_chunks(case: PipelineCase, name: str, chunks: int) -> bool:
    """Whether a schedule ever has so many chunks on these ranks, and the model layers for them."""
    shape = Shape(case.ranks, 2 * case.ranks, chunks)
    enough = case.layer_count is None or case.ranks * chunks <= max(case.layer_count, case.ranks)
    return enough and SCHEDULES[name].refusal(shape) is None


def within_memory(case: PipelineCase, built: Built) -> Bounds | None:
    """Balanced stages whose weights fit beside the activations of this order; None: there are none, or no layers.

    Every chunk of a rank may take an equal share of what its activations leave.
    """
    schedule, stages, _ = built
    if case.layer_count is None or len(schedule.placement) > 1 or _weights_are_written(case):
        return None
    held = np.zeros(case.ranks) if stages.memory is None else peaks(schedule, stages.memory)
    room = np.maximum(case.capacity - held, 0.0)
    share = room / np.bincount(schedule.placement[0], minlength=case.ranks)
    batch = case.samples(schedule.microbatches)
    assert batch is not None
    layers = case.of_layers(batch)
    each = [
        Layer(forward, state_bytes=weight)
        for forward, weight in zip(layers.times.forward.tolist(), layers.weights.tolist())
    ]
    try:
        found = partition(each, schedule.stages, memory_bytes=share[list(schedule.placement[0])])
    except ScenarioError:
        return None
    return (0, *found.ends)


def _weights_are_written(case: PipelineCase) -> bool:
    memory = case.training.memory
    return memory is not None and memory.weights is not None


def neighbours(bounds: Bounds) -> Iterator[Bounds]:
    """Cuts that differ by one layer at one boundary, no stage empty.

    >>> list(neighbours((0, 1, 3)))
    [(0, 2, 3)]
    """
    for place in range(1, len(bounds) - 1):
        for step in (-1, 1):
            moved = (*bounds[:place], bounds[place] + step, *bounds[place + 1 :])
            if all(a < b for a, b in pairwise(moved)):
                yield moved
