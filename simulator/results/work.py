"""What the batches of a recorded run did in its window."""

from __future__ import annotations

import numpy as np

from simulator.results.capacity import Work, clipped
from simulator.results.quantiles import percentiles
from simulator.results.record import Floats, RunRecord


def work_of(record: RunRecord) -> Work:
    """Busy time, batches and waits of a run, from its table of batches."""
    batches = record.batches
    busy_s, size = clipped(record, batches.start_s, batches.idle_s), np.diff(batches.offset)
    begun = (batches.start_s >= record.warmup_s) & (batches.start_s < record.duration_s)
    count = len(record.portions)
    work = Work(
        busy_s=np.zeros(count),
        pool_busy_s=_pool_busy(record, busy_s),
        batches=np.zeros(count, dtype=np.int64),
        members=np.zeros(count, dtype=np.int64),
        wait_s=np.zeros(count),
        wait_p99_s=(p99_s := []),
    )
    for number in range(count):
        ours = batches.portion == number
        work.busy_s[number] = busy_s[ours].sum()
        ours &= begun
        wait_s = np.repeat(batches.start_s[ours], size[ours]) - batches.entered_s[np.repeat(ours, size)]
        work.batches[number], work.members[number] = np.count_nonzero(ours), len(wait_s)
        work.wait_s[number] = wait_s.sum()
        p99_s.append(percentiles(wait_s, ("p99",))["p99"])
    return work


def _pool_busy(record: RunRecord, busy_s: Floats) -> Floats:
    """Device-seconds with a batch in the window, by pool."""
    replicas = record.replicas
    by_replica = np.bincount(record.batches.replica, weights=busy_s, minlength=len(replicas.pool)) * replicas.devices
    return np.array([by_replica[replicas.pool == number].sum() for number in range(len(record.pools))], dtype=float)
