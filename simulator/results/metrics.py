"""The figures of one replication, from its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.errors import InternalError
from simulator.results.arrivals import Arrivals, Mask
from simulator.results.breakdown import breakdown_sums, shares
from simulator.results.cohort import Json
from simulator.results.measured import Measured, View, tree, views_of
from simulator.results.quantiles import summary
from simulator.results.record import Floats, Ints, RunRecord
from simulator.results.twins import twin_figures
from simulator.results.work import work_of

TOLERANCE = 1e-9
"""Relative difference allowed between a mean latency and the sum of its parts."""


def metrics(record: RunRecord) -> Json:
    """All figures of one replication: ``{"services": {name: {...}}, "pools": {name: {...}}}``.

    The cohort is the arrivals in [warmup, duration): counts, latency, attainment, goodput, exits, accuracy
    and breakdown speak of it. Throughput (by finish instant), portions, pools and cost are clipped to the
    same window. Seconds, requests per second, shares from 0 to 1, money per hour or per million completed. No
    data is None.
    """
    services = [Arrivals(record, index) for index in range(len(record.services))]
    measured = [
        Measured(
            cohort=arrivals.totals(),
            latency={view: summary(arrivals.latency_s[arrivals.completed(view)]) for view in views_of(arrivals.info)},
            breakdown=breakdown,
            twin=twin_figures(record, arrivals.service, arrivals.rows),
        )
        for arrivals, breakdown in zip(services, _breakdowns(record, services))
    ]
    return tree(record, measured, work_of(record))


def _breakdowns(record: RunRecord, services: Sequence[Arrivals]) -> list[dict[View, Json]]:
    """Breakdown of every service in each of its views."""
    groups, count, groupings = _groupings(record, services)
    by_group, by_tail = breakdown_sums(record, groups, count, [item.tail for item in groupings])
    found: list[dict[View, Json]] = [{} for _ in services]
    for column, item in enumerate(groupings):
        arrivals = item.arrivals
        done, slow = arrivals.completed(item.view), item.tail[arrivals.rows]
        found[arrivals.service][item.view] = {
            "mean": _shares(by_group[:, item.groups].sum(axis=1), arrivals.latency_s[done], arrivals.info.name),
            "p99": _shares(by_tail[:, column], arrivals.latency_s[slow], arrivals.info.name),
        }
    return found


@dataclass(frozen=True, slots=True)
class _Grouping:
    """The completed requests of one service in one view."""

    arrivals: Arrivals
    view: View
    groups: slice
    tail: Mask
    """The slowest 1 %, as a mask over all requests of the record."""


def _groupings(record: RunRecord, services: Sequence[Arrivals]) -> tuple[Ints, int, list[_Grouping]]:
    """A group number for every completed request (by service and class), and what is asked of the groups."""
    total = len(record.requests.arrival_s)
    count = sum(len(arrivals.info.classes) for arrivals in services)
    groups = np.full(total, count, dtype=np.int64)
    found, first = [], 0
    for arrivals in services:
        classes = len(arrivals.info.classes)
        groups[arrivals.rows] = np.where(arrivals.done, first + arrivals.kind, count)
        for view in views_of(arrivals.info):
            low, width = (first, classes) if view is None else (first + view, 1)
            tail = np.zeros(total, dtype=bool)
            tail[arrivals.rows] = arrivals.tail(view)
            found.append(_Grouping(arrivals, view, slice(low, low + width), tail))
        first += classes
    return groups, count, found


def _shares(sums: Floats, latency_s: Floats, service: str) -> Json:
    """Mean seconds of each part; they must add up to the mean latency."""
    total = float(latency_s.sum())
    if len(latency_s) and abs(float(sums.sum()) - total) > TOLERANCE * total:
        raise InternalError(f"latency of {service!r}: parts sum to {float(sums.sum())!r} s, latencies to {total!r} s")
    return shares(sums, len(latency_s))
