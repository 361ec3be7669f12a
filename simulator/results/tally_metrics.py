"""The figures of one replication, from its tally."""

from __future__ import annotations

import numpy as np

from simulator.results import sketch
from simulator.results.breakdown import shares
from simulator.results.capacity import Work
from simulator.results.cohort import Cohort, Json
from simulator.results.measured import Measured, tree, views_of
from simulator.results.quantiles import QUANTILES
from simulator.results.record import RunFrame, ServiceInfo
from simulator.results.tally import Tally, groups_of


def tally_metrics(frame: RunFrame, tally: Tally) -> Json:
    """The figures of :func:`simulator.results.metrics.metrics`, with the same keys, from a tally.

    Percentiles come from sketches: nearest rank, known to
    :data:`~simulator.results.sketch.RELATIVE_ERROR`. The slowest 1 % of the breakdown are the requests of the bin of
    the p99 and of all bins above. All other figures are exact.
    """
    measured = [_measured(tally, info, groups) for info, groups in zip(frame.services, groups_of(frame.services))]
    return tree(frame, measured, _work(tally))


def _measured(tally: Tally, info: ServiceInfo, groups: slice) -> Measured:
    """What was measured of the service that has these groups."""
    rows = {view: groups if view is None else _single(groups.start + view) for view in views_of(info)}
    return Measured(
        cohort=Cohort(
            outcomes=tally.cohort[groups],
            in_time=tally.in_time[groups],
            finished=tally.finished[groups],
            exits=tally.exits[groups],
            correct=tally.correct[groups],
            known=tally.known[groups],
        ),
        latency={view: _latency(tally, mine) for view, mine in rows.items()},
        breakdown={view: _breakdown(tally, mine) for view, mine in rows.items()},
    )


def _single(group: int) -> slice:
    return slice(group, group + 1)


def _latency(tally: Tally, groups: slice) -> Json:
    counts = tally.latency_bins[groups].sum(axis=0)
    total, top = float(tally.latency_sum[groups].sum()), float(tally.latency_max[groups].max())
    return sketch.summary(counts, total, top)


def _breakdown(tally: Tally, groups: slice) -> Json:
    """Mean seconds of each part, of all and of those in the bin of the p99 and above."""
    counts = tally.latency_bins[groups].sum(axis=0)
    used = np.flatnonzero(counts != 0)  # a few hundred of the bins: the others have no parts
    parts, p99 = tally.parts_bins[groups, used].sum(axis=0), sketch.bin_at(counts, QUANTILES["p99"])
    slow = used >= (p99 or 0)
    return {
        "mean": shares(parts.sum(axis=0), int(counts.sum())),
        "p99": shares(parts[slow].sum(axis=0), int(counts[used[slow]].sum())),
    }


def _work(tally: Tally) -> Work:
    return Work(
        busy_s=tally.busy_s,
        pool_busy_s=tally.pool_busy_s,
        batches=tally.batches,
        members=tally.members,
        wait_s=tally.wait_sum,
        wait_p99_s=[sketch.quantile(counts, QUANTILES["p99"]) for counts in tally.wait_bins],
    )
