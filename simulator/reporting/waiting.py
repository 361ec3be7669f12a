"""How many requests wait in each queue, over time."""

from __future__ import annotations

from itertools import chain

import numpy as np

from simulator.results.record import Floats, Ints, Outcome, RunRecord


def queue_lengths(record: RunRecord, portion: int) -> tuple[Floats, Ints]:
    """Instants [s] at which the number waiting in a portion's queue changes, and the number from then on.

    Members of a batch wait from their entry to its start. Requests that were dropped, rejected or cut off
    while waiting do so to their end (or the run's), in the queue that they would have left next.
    """
    batches = record.batches
    mine = batches.portion == portion
    size = np.diff(batches.offset)
    entered_s = batches.entered_s[np.repeat(mine, size)]
    started_s = np.repeat(batches.start_s[mine], size[mine])
    where, lost_entered_s, lost_left_s = _unserved(record)
    here = where == portion
    into = np.concatenate((entered_s, lost_entered_s[here]))
    out = np.concatenate((started_s, lost_left_s[here]))
    times, slot = np.unique(np.concatenate((into, out)), return_inverse=True)
    change = np.repeat(np.array([1, -1]), [len(into), len(out)])
    step = np.bincount(slot, weights=change, minlength=len(times)).astype(np.int64)
    changes = step != 0
    return times[changes], step.cumsum()[changes]


def _unserved(record: RunRecord) -> tuple[Ints, Floats, Floats]:
    """Portion, entry and end of the last wait [s] of the requests that ended without their next service."""
    facts, batches = record.requests, record.batches
    waited = np.isin(facts.outcome, [Outcome.DROPPED, Outcome.REJECTED, Outcome.INSIDE])
    last = np.full(len(waited), -1)
    owner = np.repeat(np.arange(len(batches.start_s)), np.diff(batches.offset))
    order = np.argsort(batches.start_s[owner], kind="stable")
    last[batches.member[order]] = owner[order]  # of repeated rows the latest start is assigned last
    rows = np.flatnonzero(waited)
    where, entered_s = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
    for number, row in enumerate(rows.tolist()):
        batch = int(last[row])
        if batch < 0:
            arrival_s = float(facts.arrival_s[row])
            entered_s[number] = arrival_s
            where[number] = _first_portion(record, int(facts.service[row]), arrival_s)
        else:
            entered_s[number] = batches.free_s[batch]
            aborted = bool(batches.aborted[batch])
            where[number] = batches.portion[batch] if aborted else _next_portion(record, int(batches.portion[batch]))
    finish_s = facts.finish_s[rows]
    return where, entered_s, np.where(np.isnan(finish_s), record.end_s, finish_s)


def _first_portion(record: RunRecord, service: int, arrival_s: float) -> int:
    """The portion that takes arrivals of a service at an instant: of those begun, the one begun last."""
    begun = [
        number
        for number, portion in enumerate(record.portions)
        if portion.service == service and portion.first_layer == 1 and portion.from_s <= arrival_s
    ]
    return max(begun, key=lambda number: record.portions[number].from_s, default=-1)


def _next_portion(record: RunRecord, number: int) -> int:
    """The portion that goes on where portion ``number`` ends; of several, the first written after it."""
    portion = record.portions[number]
    for other in chain(range(number + 1, len(record.portions)), range(number)):
        candidate = record.portions[other]
        if candidate.service == portion.service and candidate.first_layer == portion.last_layer + 1:
            return other
    return -1
