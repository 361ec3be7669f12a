"""What no run may break, whatever its scenario: stated on the records."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.results.record import Outcome, RunRecord
from tests.support import members


def check_outcomes(rec: RunRecord) -> None:
    """Every request ends in exactly one way; times and exits fit the way."""
    requests = rec.requests
    counts = np.bincount(requests.outcome, minlength=len(Outcome))
    assert counts.sum() == len(requests.arrival_s)
    assert len(counts) == len(Outcome)
    ended = requests.outcome != Outcome.INSIDE
    assert np.array_equal(ended, ~np.isnan(requests.finish_s))
    assert np.all(requests.finish_s[ended] >= requests.arrival_s[ended])
    assert np.all(requests.finish_s[ended] <= rec.duration_s + rec.end_s)
    assert np.all((requests.exit_layer > 0) == (requests.outcome == Outcome.COMPLETED))
    assert np.all((requests.arrival_s >= 0) & (requests.arrival_s < rec.duration_s))
    assert np.all(np.diff(requests.arrival_s) >= 0)
    for index in range(len(rec.services)):
        numbers = requests.number[requests.service == index]
        assert np.array_equal(numbers, np.arange(len(numbers)))


def check_order(rec: RunRecord) -> None:
    """arrival <= entry <= start <= end <= free for every member of every batch; members belong to the
    service.
    """
    batches, requests, batch = rec.batches, rec.requests, members(rec)
    assert np.all(requests.arrival_s[batches.member] <= batches.entered_s)
    assert np.all(batches.entered_s <= batches.start_s[batch])
    assert np.all(batches.start_s <= batches.end_s)
    done = ~batches.aborted
    assert np.all(batches.end_s[done] <= batches.free_s[done])
    assert np.all(batches.idle_s[done] <= batches.free_s[done])
    service_of_portion = np.array([portion.service for portion in rec.portions])
    assert np.array_equal(service_of_portion[batches.portion[batch]], requests.service[batches.member])


def check_batches(rec: RunRecord) -> None:
    """Batches are not empty, keep to their capacity and hold nobody twice."""
    sizes = np.diff(rec.batches.offset)
    assert np.all(sizes >= 1)
    assert np.all(sizes <= rec.batches.capacity)
    for i in range(len(sizes)):
        held = rec.batches.member[rec.batches.offset[i] : rec.batches.offset[i + 1]]
        assert len(set(held.tolist())) == len(held)


def check_replicas(rec: RunRecord) -> None:
    """A replica serves one batch at a time, only from ready until released."""
    batches, replicas = rec.batches, rec.replicas
    for replica in np.unique(batches.replica):
        mine = batches.replica == replica
        start, idle, free = batches.start_s[mine], batches.idle_s[mine], batches.free_s[mine]
        order = np.lexsort((idle, start))
        assert np.all(start[order][1:] >= idle[order][:-1])
        assert np.all(start >= replicas.ready_s[replica])
        assert np.all(free <= replicas.released_s[replica])
    assert np.all(replicas.held_s <= replicas.ready_s)


def check_pools(rec: RunRecord) -> None:
    """Never more devices held than a pool has; at one instant what is released can be taken."""
    replicas = rec.replicas
    for index, pool in enumerate(rec.pools):
        mine = replicas.pool == index
        held, released, devices = replicas.held_s[mine], replicas.released_s[mine], replicas.devices[mine]
        instants = np.concatenate([held, released])
        change = np.concatenate([devices, -devices])
        order = np.lexsort((change, instants))
        assert np.all(np.cumsum(change[order]) <= pool.count)


def check_path(rec: RunRecord) -> None:
    """Nobody is served by two replicas at once; a completed request was served, and answered within a batch."""
    batch, requests = members(rec), rec.requests
    order = np.lexsort((rec.batches.start_s[batch], rec.batches.member))
    who, start, end = rec.batches.member[order], rec.batches.start_s[batch][order], rec.batches.end_s[batch][order]
    same = who[1:] == who[:-1]
    assert np.all(start[1:][same] >= end[:-1][same])
    completed = np.flatnonzero(requests.outcome == Outcome.COMPLETED)
    assert np.all(np.isin(completed, rec.batches.member))
    refused = np.flatnonzero((requests.outcome == Outcome.REJECTED) & ~_sent_back(rec))
    assert not np.any(np.isin(refused, rec.batches.member[~rec.batches.aborted[batch]]))


def _sent_back(rec: RunRecord) -> NDArray[np.bool_]:
    """Requests that may have come to a first portion, whose queue may then be full, after they had been served.

    Those of services whose portions change; in serial execution also those that lose what their replica had buffered,
    with a fault or because a window takes the replica away.
    """
    services = np.array([portion.service for portion in rec.portions])
    changing = [portion.service for portion in rec.portions if portion.from_s > 0]
    # The replicas of serial execution count as those of its first portion, so that the others have none.
    without = np.setdiff1d(np.arange(len(rec.portions)), rec.replicas.portion)
    serial = services[without]
    taken = services[rec.replicas.portion[np.isfinite(rec.replicas.released_s)]]
    service = rec.requests.service
    buffered = np.isin(service, serial) & (np.isin(service, taken) | (rec.requests.attempts > 1))
    return np.isin(service, changing) | buffered


def check_all(rec: RunRecord) -> None:
    """Every invariant of this module."""
    for check in (check_outcomes, check_order, check_batches, check_replicas, check_pools, check_path):
        check(rec)
