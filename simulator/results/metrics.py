"""The figures of one replication."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.errors import InternalError
from simulator.results.breakdown import PARTS, breakdown_sums
from simulator.results.capacity import pool_figures, portion_figures, service_cost
from simulator.results.cohort import Cohort, Json, Mask
from simulator.results.record import Floats, Ints, RunRecord

TOLERANCE = 1e-9
"""Relative difference allowed between a mean latency and the sum of its parts."""


def metrics(record: RunRecord) -> Json:
    """All figures of one replication: ``{"services": {name: {...}}, "pools": {name: {...}}}``.

    The cohort is the arrivals in [warmup, duration): counts, latency, attainment, goodput, exits, accuracy
    and breakdown speak of it. Throughput (by finish instant), portions, pools and cost are clipped to the
    same window. Seconds, requests per second, shares from 0 to 1, money per hour or per million completed. No
    data is None.
    """
    cohorts = [Cohort(record, index) for index in range(len(record.services))]
    services = {}
    for cohort, shares in zip(cohorts, _breakdowns(record, cohorts)):
        figures = cohort.figures(None)
        figures |= service_cost(record, cohort.service, figures["completed"])
        figures["portions"] = portion_figures(record, cohort.service)
        figures["breakdown"] = shares[None]
        if cohort.info.named_classes:
            figures["classes"] = {
                item.name: cohort.figures(number) | {"breakdown": shares[number]}
                for number, item in enumerate(cohort.info.classes)
            }
        services[cohort.info.name] = figures
    return {"services": services, "pools": pool_figures(record)}


def _breakdowns(record: RunRecord, cohorts: list[Cohort]) -> list[dict[int | None, Json]]:
    """Breakdown of every service (key None) and of each of its named classes (key: their number)."""
    groups, count, views = _views(record, cohorts)
    by_group, by_tail = breakdown_sums(record, groups, count, [view.tail for view in views])
    found: list[dict[int | None, Json]] = [{} for _ in cohorts]
    for column, view in enumerate(views):
        cohort = view.cohort
        done, slow = cohort.completed(view.number), view.tail[cohort.rows]
        found[cohort.service][view.number] = {
            "mean": _shares(by_group[:, view.groups].sum(axis=1), cohort.latency_s[done], cohort.info.name),
            "p99": _shares(by_tail[:, column], cohort.latency_s[slow], cohort.info.name),
        }
    return found


@dataclass(frozen=True, slots=True)
class _View:
    """The completed requests of one service (``number`` None) or of one of its classes."""

    cohort: Cohort
    number: int | None
    groups: slice
    tail: Mask
    """The slowest 1 %, as a mask over all requests of the record."""


def _views(record: RunRecord, cohorts: list[Cohort]) -> tuple[Ints, int, list[_View]]:
    """A group number for every completed request (by service and class), and what is asked of the groups."""
    total = len(record.requests.arrival_s)
    count = sum(len(cohort.info.classes) for cohort in cohorts)
    groups = np.full(total, count, dtype=np.int64)
    views, first = [], 0
    for cohort in cohorts:
        classes = len(cohort.info.classes)
        groups[cohort.rows] = np.where(cohort.done, first + cohort.kind, count)
        spans: dict[int | None, slice] = {None: slice(first, first + classes)}
        if cohort.info.named_classes:
            spans |= {number: slice(first + number, first + number + 1) for number in range(classes)}
        for number, span in spans.items():
            tail = np.zeros(total, dtype=bool)
            tail[cohort.rows] = cohort.tail(number)
            views.append(_View(cohort, number, span, tail))
        first += classes
    return groups, count, views


def _shares(sums: Floats, latency_s: Floats, service: str) -> Json:
    """Mean seconds of each part; they must add up to the mean latency."""
    if not len(latency_s):
        return dict.fromkeys(PARTS)
    total = float(latency_s.sum())
    if abs(float(sums.sum()) - total) > TOLERANCE * total:
        raise InternalError(f"latency of {service!r}: parts sum to {float(sums.sum())!r} s, latencies to {total!r} s")
    return {part: float(value) / len(latency_s) for part, value in zip(PARTS, sums)}
