"""A tally of a recorded run, added up from its tables request by request and batch by batch.

Written from what the fields of a tally mean, not with the code that computes figures from tables: parts are lengths of
stretches of time cut off at the answer, the number inside is counted at every event.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from simulator.results import Outcome, RunFrame, RunRecord, Tally
from simulator.results.record import Floats, Ints
from simulator.results.sketch import bin_of


def frame_of(record: RunRecord) -> RunFrame:
    """What a run without tables says."""
    return RunFrame(**{field.name: getattr(record, field.name) for field in fields(RunFrame)})


def tally_of(record: RunRecord) -> Tally:
    """The tally of a run that has tables."""
    layers = max(portion.last_layer for portion in record.portions)
    tally = Tally.empty(record.services, record.portions, record.pools, layers)
    _add_requests(record, tally)
    _add_batches(record, tally)
    asked = record.requests
    left_s = np.where(np.isnan(asked.finish_s), record.end_s, asked.finish_s)
    cohort = in_cohort(record)
    tally.inside_s[0] = _inside(asked.arrival_s, left_s)
    tally.sojourn_s[0] = (left_s - asked.arrival_s).sum()
    tally.cohort_inside_s[0] = _inside(asked.arrival_s[cohort], left_s[cohort])
    tally.cohort_sojourn_s[0] = (left_s - asked.arrival_s)[cohort].sum()
    return tally


def group_of(record: RunRecord) -> Ints:
    """Group of each request: the classes of the first service, then those of the second, ..."""
    first = np.cumsum([0, *(len(service.classes) for service in record.services)])
    groups: Ints = first[record.requests.service] + record.requests.class_index
    return groups


def in_cohort(record: RunRecord) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Arrivals in [warmup, duration)."""
    arrival_s = record.requests.arrival_s
    return (arrival_s >= record.warmup_s) & (arrival_s < record.duration_s)


def parts_of(record: RunRecord) -> Floats:
    """Seconds of fill, queue, service, transfer and retry, by request (N, 5)."""
    batches = record.batches
    batch = np.repeat(np.arange(len(batches.start_s)), np.diff(batches.offset))
    newest = np.full(len(batches.start_s), -np.inf)
    np.maximum.at(newest, batch, batches.entered_s)
    full = np.diff(batches.offset) >= batches.capacity
    ready_s = np.where(full, np.minimum(batches.due_s, newest), batches.due_s)[batch]
    entered_s, start_s, end_s = batches.entered_s, batches.start_s[batch], batches.end_s[batch]
    ready_s = np.clip(ready_s, entered_s, start_s)
    answer_s = record.requests.finish_s[batches.member]

    def stretch(from_s: Floats, to_s: Floats) -> Floats:
        return np.nan_to_num(np.maximum(np.minimum(to_s, answer_s) - from_s, 0.0), nan=0.0)

    taken_back = batches.aborted[batch] & (answer_s > end_s)
    served_s = stretch(start_s, end_s)
    seconds = (
        stretch(entered_s, ready_s),
        stretch(ready_s, start_s),
        np.where(taken_back, 0.0, served_s),
        np.where(taken_back, 0.0, stretch(end_s, batches.free_s[batch])),
        np.where(taken_back, served_s, 0.0),
    )
    total = len(record.requests.arrival_s)
    return np.stack([np.bincount(batches.member, part, total) for part in seconds], axis=1)


def _add_requests(record: RunRecord, tally: Tally) -> None:
    asked, groups, cohort = record.requests, group_of(record), in_cohort(record)
    slo_s = np.array([item.slo_s for service in record.services for item in service.classes])[groups]
    done = asked.outcome == Outcome.COMPLETED
    in_window = done & (asked.finish_s >= record.warmup_s) & (asked.finish_s < record.duration_s)
    np.add.at(tally.arrived, groups, 1)
    np.add.at(tally.outcomes, (groups, asked.outcome), 1)
    np.add.at(tally.cohort, (groups[cohort], asked.outcome[cohort]), 1)
    np.add.at(tally.finished, groups[in_window], 1)
    mine = done & cohort
    groups, latency_s = groups[mine], (asked.finish_s - asked.arrival_s)[mine]
    deadline_s = (asked.arrival_s + slo_s)[mine]
    np.add.at(tally.in_time, groups[asked.finish_s[mine] <= deadline_s], 1)
    np.add.at(tally.latency_sum, groups, latency_s)
    np.maximum.at(tally.latency_max, groups, latency_s)
    np.add.at(tally.latency_bins, (groups, bin_of(latency_s)), 1)
    np.add.at(tally.parts_bins, (groups, bin_of(latency_s)), parts_of(record)[mine])
    np.add.at(tally.exits, (groups, asked.exit_layer[mine]), 1)
    correct = asked.correct[mine]
    np.add.at(tally.known, groups[~np.isnan(correct)], 1)
    np.add.at(tally.correct, groups, np.nan_to_num(correct, nan=0.0))


def _add_batches(record: RunRecord, tally: Tally) -> None:
    batches, replicas = record.batches, record.replicas
    low, high = record.warmup_s, record.duration_s
    busy_s = np.maximum(np.minimum(batches.idle_s, high) - np.maximum(batches.start_s, low), 0.0)
    np.add.at(tally.busy_s, batches.portion, busy_s)
    np.add.at(tally.pool_busy_s, replicas.pool[batches.replica], busy_s * replicas.devices[batches.replica])
    begun = (batches.start_s >= low) & (batches.start_s < high)
    np.add.at(tally.batches, batches.portion[begun], 1)
    batch = np.repeat(np.arange(len(begun)), np.diff(batches.offset))
    portion, wait_s = batches.portion[batch], batches.start_s[batch] - batches.entered_s
    counts = begun[batch]
    np.add.at(tally.members, portion[counts], 1)
    np.add.at(tally.wait_sum, portion[counts], wait_s[counts])
    np.add.at(tally.wait_bins, (portion[counts], bin_of(wait_s[counts])), 1)


def _inside(arrival_s: Floats, left_s: Floats) -> float:
    """Integral of the number inside: at each event, those who came less those who left."""
    times = np.unique(np.concatenate((arrival_s, left_s)))
    if not len(times):
        return 0.0
    came = np.searchsorted(np.sort(arrival_s), times[:-1], side="right")
    left = np.searchsorted(np.sort(left_s), times[:-1], side="right")
    return float(((came - left) * np.diff(times)).sum())
