"""Where the time of a request goes: waiting for its batch to fill, queueing, service, transfer, retries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulator.results.record import Floats, Ints, RunRecord
from simulator.results.twins import gave_the_answer

PARTS = ("fill", "queue", "service", "transfer", "retry")
_BLOCK = 1 << 17
"""Batch members handled at once: few enough to stay in the processor's cache."""


def breakdown_sums(
    record: RunRecord, groups: Ints, count: int, tails: Sequence[NDArray[np.bool_]]
) -> tuple[Floats, Floats]:
    """Total time [s] spent in each of :data:`PARTS`, by group of requests and in each of ``tails``.

    ``groups`` gives every request a group 0 .. count - 1, or ``count`` to leave it out; ``tails`` are masks
    over requests (they may overlap). Shapes of the answer: (5, count) and (5, len(tails)). Only completed
    requests may be in a group or a tail; for them the five parts of all visits add up to the latency:

    - a visit waits from its entry to the start of its batch; the wait is *fill* until the batch was ready
      (full, or its earliest due had passed), *queue* after that;
    - *service* lasts to the end of the batch, or to the answer when that left earlier; *transfer* follows for
      those that went on;
    - a visit that a fault took back is *retry* from start to abort;
    - what happens after the answer (a slot kept, see ``answer_early``) belongs to nobody, and neither does what the
      other network did where a service has a twin.
    """
    batches = record.batches
    by_group = np.zeros((len(PARTS), count + 1))
    by_tail = np.zeros((len(PARTS), len(tails)))
    in_a_tail = np.logical_or.reduce(tails) if len(tails) else np.zeros(len(groups), dtype=bool)
    ready_s = _ready(record)
    for first, last in _blocks(batches.offset):
        member = batches.member[batches.offset[first] : batches.offset[last]]
        parts = _visit_parts(record, first, last, ready_s)
        group, slow = groups[member], in_a_tail[member]
        if record.twins is not None:
            portion = np.repeat(batches.portion[first:last], np.diff(batches.offset[first : last + 1]))
            of_use = gave_the_answer(record, portion, member)
            group, slow = np.where(of_use, group, count), slow & of_use
        chosen = np.flatnonzero(slow)
        few = member[chosen]
        for row, part in enumerate(parts):
            if part is None:
                continue
            by_group[row] += np.bincount(group, weights=part, minlength=count + 1)
            for column, tail in enumerate(tails):
                by_tail[row, column] += part[chosen[tail[few]]].sum()
    return by_group[:, :count], by_tail


def shares(sums: Floats, count: int) -> dict[str, float | None]:
    """Mean seconds of each of :data:`PARTS` over ``count`` requests; None without any."""
    return {part: float(value) / count for part, value in zip(PARTS, sums)} if count else dict.fromkeys(PARTS)


def _blocks(offset: Ints) -> list[tuple[int, int]]:
    """Ranges of batches with about ``_BLOCK`` members each."""
    marks = np.arange(0, int(offset[-1]) + _BLOCK, _BLOCK)
    edges = np.unique(np.searchsorted(offset, marks).clip(max=len(offset) - 1))
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def _ready(record: RunRecord) -> Floats | None:
    """Instant at which each batch was ready to start [s]; None when no portion waits for a batch to fill."""
    batches = record.batches
    if not np.isfinite(batches.due_s).any():
        return None
    full = np.diff(batches.offset) >= batches.capacity
    newest = np.maximum.reduceat(batches.entered_s, batches.offset[:-1])
    return np.where(full, np.minimum(batches.due_s, newest), batches.due_s)


def _visit_parts(record: RunRecord, first: int, last: int, ready_s: Floats | None) -> tuple[Floats | None, ...]:
    """Seconds of each part, by member of the batches ``first`` to ``last``; None stands for all zero."""
    batches, requests = record.batches, record.requests
    offset = batches.offset[first : last + 1]
    rows = slice(int(offset[0]), int(offset[-1]))
    batch = np.repeat(np.arange(first, last), np.diff(offset))
    start, end = batches.start_s[batch], batches.end_s[batch]
    entered, finish = batches.entered_s[rows], requests.finish_s[batches.member[rows]]
    alive = entered < finish  # False after the answer, and for those that never finished
    wait = np.where(alive, start - entered, 0.0)
    fill = None if ready_s is None else np.clip(ready_s[batch] - entered, 0.0, wait)
    went_on = alive & (finish > end)
    service = np.where(alive, np.minimum(end, finish) - start, 0.0)
    transfer = retry = None
    aborted = batches.aborted[first:last]
    if aborted.any():
        taken_back = went_on & batches.aborted[batch]
        retry = np.where(taken_back, service, 0.0)
        service = np.where(taken_back, 0.0, service)
        went_on &= ~taken_back
    if (batches.free_s[first:last] > batches.end_s[first:last]).any():
        transfer = np.where(went_on, batches.free_s[batch] - end, 0.0)
    return fill, wait if fill is None else wait - fill, service, transfer, retry
