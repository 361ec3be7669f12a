"""The tree of figures of one replication, however its requests and batches were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulator.results.capacity import Work, pool_figures, portion_figures, service_cost
from simulator.results.cohort import Cohort, Json
from simulator.results.record import RunFrame, ServiceInfo

View = int | None
"""A class of a service by its number, or all its classes together."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of the requests of one service; latencies and parts by view, in seconds."""

    cohort: Cohort
    latency: Mapping[View, Json]
    breakdown: Mapping[View, Json]
    twin: Json | None = None
    """What became of the tasks of both networks, in a service with a twin."""


def views_of(info: ServiceInfo) -> list[View]:
    """The views that a service is shown in: as a whole, and each of its named classes."""
    return [None, *range(len(info.classes))] if info.named_classes else [None]


def tree(frame: RunFrame, services: Sequence[Measured], work: Work) -> Json:
    """All figures of one replication: ``{"services": {name: {...}}, "pools": {name: {...}}}``."""
    found = {}
    for index, (info, measured) in enumerate(zip(frame.services, services)):
        cohort = measured.cohort
        figures = cohort.figures(frame, index, None, measured.latency[None])
        figures |= service_cost(frame, index, figures["completed"])
        figures["portions"] = portion_figures(frame, index, work)
        figures["breakdown"] = measured.breakdown[None]
        if measured.twin is not None:
            figures["twin"] = measured.twin | {"portions": portion_figures(frame, index, work, twin=True)}
        if info.named_classes:
            figures["classes"] = {
                item.name: cohort.figures(frame, index, number, measured.latency[number])
                | {"breakdown": measured.breakdown[number]}
                for number, item in enumerate(info.classes)
            }
        found[info.name] = figures
    return {"services": found, "pools": pool_figures(frame, work)}
