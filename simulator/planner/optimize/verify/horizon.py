"""A plan over its whole horizon, window changes included: one run, counted by window of arrival, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from simulator.cluster import lowered as low
from simulator.cluster.compiled.engine import CompiledEngine
from simulator.cluster.compiled.feed import ClosedFeed, OpenFeed, chunk_of
from simulator.cluster.compiled.loop import ARRIVAL, GROUP
from simulator.cluster.engines import choose, recorded
from simulator.cluster.fill.tenants import without_tenants
from simulator.planner.optimize.problem import Floats, Ints, PlannedLoad
from simulator.results import RunFrame, RunRecord, check_tally, sketch
from simulator.results.record import Outcome
from simulator.results.tally import groups_of
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment, TimedDeployment

MOST_GROUPS = 1024
"""Classes of a service times windows that are counted apart; of more windows several count together."""
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One service in one run, by window of arrival (W) and class (C): counts, and what its devices cost.

    ``latencies``: by window the bins of the sketch that are used, and how many requests are in each.
    """

    arrived: Ints
    in_time: Ints
    latencies: tuple[tuple[Ints, Ints], ...]
    device_hours: Floats
    cost: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run: what each service saw, and the most devices of each pool that were held at once."""

    services: dict[str, Seen]
    peaks: dict[str, int]


def horizon_of(scenario: Scenario, deployments: Mapping[str, Sequence[Deployment]], load: PlannedLoad) -> Scenario:
    """The scenario with what is planned deployed window by window, and a run that is the horizon."""
    services = dict(scenario.services)
    for name, planned in deployments.items():
        timed: list[TimedDeployment] = []
        for window, one in zip(load.windows, planned, strict=True):
            values = {key: getattr(one, key) for key in Deployment.model_fields}
            if not timed or any(getattr(timed[-1], key) != value for key, value in values.items()):
                timed.append(TimedDeployment.model_construct(**values, from_=window.start_s))
        change = {"deployment": None, "deployments": tuple(timed)}
        services[name] = services[name].model_copy(update=change)
    end, warmup = load.windows[-1].end_s, scenario.run.warmup
    run = {"duration": end, "warmup": warmup if isinstance(warmup, float) and warmup < end else 0.0}
    changes = {"services": services, "run": scenario.run.model_copy(update=run)}
    return without_tenants(scenario.model_copy(update=changes))


@dataclass(frozen=True, eq=False)
class Horizon:
    """What every run of a plan shares."""

    lowered: low.Lowered
    engine: str
    folder: Path
    starts: tuple[float, ...]
    """Starts of the windows [s]."""


def run_horizon(horizon: Horizon, replication: int, workloads: Mapping[str, Any]) -> Run:
    """One run, with other ``workloads`` where they are given."""
    services = tuple(
        replace(one, workload=workloads.get(one.info.name, one.workload)) for one in horizon.lowered.services
    )
    lowered = replace(horizon.lowered, services=services)
    if choose(lowered, horizon.engine).name == "simpy":
        return _from_record(recorded(lowered, "simpy", replication, horizon.folder), horizon.starts)
    step = _together(lowered, len(horizon.starts))
    starts = horizon.starts[::step]
    engine = WindowedEngine(_split(lowered, len(starts)), replication, horizon.folder, starts)
    frame, tally = engine.tally()
    check_tally(frame, tally)
    seen = {}
    for info, index, groups in zip(frame.services, range(len(services)), groups_of(frame.services)):
        shape = (len(starts), -1)
        bins = tally.latency_bins[groups].reshape(len(starts), -1, sketch.BINS).sum(axis=1)
        seen[info.name] = Seen(
            tally.cohort[groups].sum(axis=1).reshape(shape),
            tally.in_time[groups].reshape(shape),
            tuple(_used(row) for row in bins),
            *_held(frame, index, starts),
        )
    return Run(seen, peaks(frame))


def _together(lowered: low.Lowered, windows: int) -> int:
    """Windows that count together."""
    most = max(len(service.info.classes) for service in lowered.services)
    return -(-windows * most // MOST_GROUPS)


def _split(lowered: low.Lowered, windows: int) -> low.Lowered:
    """Each class once for every window, so that they are counted apart; shares and priorities stay."""
    services = tuple(
        replace(one, info=replace(one.info, classes=one.info.classes * windows)) for one in lowered.services
    )
    return replace(lowered, services=services)


class WindowedFeed(OpenFeed):
    """Arrivals that are counted by class and by window in which they come."""

    starts: Floats

    def fill(self, coming_t: Floats, coming_i: Ints) -> int:
        """As ``OpenFeed.fill``; the groups of a window follow those of the window before."""
        count = super().fill(coming_t, coming_i)
        if count and len(self.starts) > 1:
            window = np.searchsorted(self.starts, coming_t[ARRIVAL, self.index, :count], side="right") - 1
            coming_i[GROUP, self.index, :count] += len(self.service.class_shares) * window
        return count


class WindowedEngine(CompiledEngine):
    """The compiled engine, with counters for every window; nothing else is different."""

    def __init__(self, lowered: low.Lowered, replication: int, folder: Path, starts: Sequence[float]) -> None:
        self._starts = np.asarray(starts, dtype=np.float64)
        super().__init__(lowered, replication, folder, keep_tables=False)

    def _feeds(self, replication: int, folder: Path) -> tuple[dict[int, OpenFeed], dict[int, ClosedFeed]]:
        opened, closed = super()._feeds(replication, folder)
        chunk = chunk_of(self.arrays.shape.open_services)
        for index, feed in list(opened.items()):
            windowed = WindowedFeed(self.lowered, index, feed.group, replication, folder, chunk)
            windowed.starts = self._starts
            opened[index] = windowed
        return opened, closed


def _used(bins: Ints) -> tuple[Ints, Ints]:
    used = np.flatnonzero(bins)
    return used, bins[used]


def _held(frame: RunFrame, service: int, starts: Sequence[float]) -> tuple[Floats, Floats]:
    """Device-hours and their cost by window (W,), of what a service holds."""
    replicas = frame.replicas
    owner = np.array([portion.service for portion in frame.portions], dtype=np.int64)[replicas.portion]
    mine = owner == service
    prices = np.array([pool.price_per_hour for pool in frame.pools])[replicas.pool[mine]]
    edges = np.append(np.asarray(starts, dtype=np.float64), frame.duration_s)
    begin = np.maximum(replicas.held_s[mine][:, None], edges[None, :-1])
    end = np.minimum(replicas.released_s[mine][:, None], edges[None, 1:])
    hours = np.maximum(end - begin, 0.0) * replicas.devices[mine][:, None] / HOUR_S
    return np.asarray(hours.sum(axis=0)), np.asarray(prices @ hours)


def peaks(frame: RunFrame) -> dict[str, int]:
    """The most devices of each pool that are held at one instant; a release at an instant comes first."""
    found, replicas = {}, frame.replicas
    for number, pool in enumerate(frame.pools):
        mine = (replicas.pool == number) & (replicas.released_s > replicas.held_s)
        times = np.concatenate((replicas.released_s[mine], replicas.held_s[mine]))
        change = np.concatenate((-replicas.devices[mine], replicas.devices[mine]))
        found[pool.name] = int(np.cumsum(change[np.argsort(times, kind="stable")]).max(initial=0))
    return found


def _from_record(record: RunRecord, starts: Sequence[float]) -> Run:
    """The same from the tables of the reference engine."""
    requests, seen = record.requests, {}
    window = np.maximum(np.searchsorted(np.asarray(starts), requests.arrival_s, side="right") - 1, 0)
    counts = (requests.arrival_s >= record.warmup_s) & (requests.arrival_s < record.duration_s)
    latency = requests.finish_s - requests.arrival_s
    done = requests.outcome == Outcome.COMPLETED
    for index, info in enumerate(record.services):
        mine = counts & (requests.service == index)
        shape = (len(starts), len(info.classes))
        slo = np.array([item.slo_s for item in info.classes])
        good = np.flatnonzero(mine & done)
        good = good[latency[good] <= slo[requests.class_index[good]]]
        cells = window * shape[1] + requests.class_index
        size = shape[0] * shape[1]
        by_window = [sketch.bin_of(latency[mine & done & (window == number)]) for number in range(len(starts))]
        seen[info.name] = Seen(
            np.bincount(cells[mine], minlength=size).reshape(shape),
            np.bincount(cells[good], minlength=size).reshape(shape),
            tuple(np.unique(bins, return_counts=True) for bins in by_window),
            *_held(record, index, starts),
        )
    return Run(seen, peaks(record))
