"""Deployment windows: replicas load ahead, portions are kept or drained, devices change hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.cluster.lowered import Transfer
from simulator.cluster.moves import move_waiting, redirect
from simulator.cluster.state import Replica, State, Station

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine
    from simulator.cluster.requests import RequestTable

Change = tuple[Station, int, int]
"""(station, kind, replicas to add when positive or to remove when negative)."""


def start_windows(engine: Engine, table: RequestTable) -> None:
    """Plan every change of deployment of one service: loading ahead of time, then the switch at the window's start."""
    table.emptied = engine.unsettled.append
    autoscaled = table.spec.autoscaled
    for number in range(1, len(table.spec.deployments)):
        Window(engine, table, number, autoscaled).plan()


class Window:
    """One change of deployment."""

    def __init__(
        self, engine: Engine, table: RequestTable, number: int, autoscaled: frozenset[tuple[int, int]]
    ) -> None:
        self.engine = engine
        self.table = table
        self.number = number
        self.start = table.spec.deployments[number].from_s
        self.missing: list[tuple[Station, int]] = []
        """Replicas that found no free devices when they should have begun to load."""
        self.changes = [c for c in _changes(table, number) if (c[0].index, c[1]) not in autoscaled]
        self.autoscaled = sorted(autoscaled)
        """(station, kind) of replicas whose number is known only when the time has come."""

    def plan(self) -> None:
        """Set the events: one per kind of added replica when it must begin to load, and the switch."""
        for station, kind, count in self.changes:
            if count > 0:
                self._plan_load(station, kind, count)
        for index, kind in self.autoscaled:
            if self.table.stations[index] in self.table.paths[self.number]:
                self._plan_load(self.table.stations[index], kind, None)
        self.engine.clock.control_at(self.start, (1, self.table.index, 2, self.number), self._switch)

    def _plan_load(self, station: Station, kind: int, count: int | None) -> None:
        load_s = station.spec.kinds[kind].load_s
        begin = max(self.start - load_s, 0.0)
        ready = self.start if begin > 0 or load_s <= self.start else begin + load_s
        key = (1, self.table.index, 0, self.number, station.index, kind)
        self.engine.clock.control_at(begin, key, self._load, (station, kind, count, ready))

    def _load(self, arg: tuple[Station, int, int | None, float]) -> None:
        station, kind, count, ready = arg
        if count is None:
            self.table.autoscalers[station.index, kind].load_ahead(self.number, self._needed(station, kind), ready)
            return
        pools, now = self.engine.pools, self.engine.clock.now
        for _ in range(count):
            if pools.fits(station, kind):
                pools.hold(station, kind, now, ready)
            else:
                self.missing.append((station, kind))

    def _needed(self, station: Station, kind: int) -> int:
        """Autoscaled replicas that are there at the start: as written where they are new, else the fewest allowed."""
        deployments, number = self.table.spec.deployments, self.number
        scaling, replicas = deployments[number].of(station.index, kind)
        kept = station in self.table.paths[number - 1] and deployments[number - 1].of(station.index, kind)[1] > 0
        return scaling.least if kept and scaling is not None else replicas

    def _switch_autoscaled(self) -> None:
        """From now on the limits of this window hold."""
        table = self.table
        for (index, kind), autoscaler in table.autoscalers.items():
            if table.stations[index] in table.paths[self.number]:
                autoscaler.enter(self.number, *table.spec.deployments[self.number].of(index, kind))
            elif table.stations[index] in table.paths[self.number - 1]:
                autoscaler.leave()

    def _short(self) -> set[int]:
        """Pools that have too few devices for the replicas of this window."""
        asked = [(self.table.stations[index], kind) for index, kind in self.autoscaled]
        waiting = [(station, kind) for station, kind in asked if self.engine.pools.wished(station, kind)]
        return {station.spec.kinds[kind].pool for station, kind in [*self.missing, *waiting]}

    def _switch(self, _: None) -> None:
        engine, table = self.engine, self.table
        table.current = self.number
        path = table.paths[self.number]
        leaving = [s for s in table.stations if s not in path and not s.draining and self._is_older(s)]
        deployment = table.spec.deployments[self.number]
        for station, waits, transfers in zip(path, deployment.waits_s, deployment.transfers):
            set_waits(station, waits)
            set_transfers(station, transfers)
        self._move_bound(path[0])
        for station, kind, count in self.changes:
            remove(engine, station, kind, max(-count, 0))
        if self.autoscaled:
            self._switch_autoscaled()
        for station in leaving:
            station.draining = True
            if not station.pending:
                close(engine, station)
        short = self._short()
        for station in [s for s in table.stations if s.draining]:
            stop(engine, station, short)
        for station, kind in self.missing:
            engine.pools.want(station, kind)

    def _is_older(self, station: Station) -> bool:
        return any(station in path for path in self.table.paths[: self.number])

    def _move_bound(self, entry: Station) -> None:
        """The queue capacity bounds the first portion of the deployment in force."""
        if self.table.spec.capacity is None:
            return
        for station in self.table.stations:
            if station.bounded and station is not entry:
                station.bounded = False
                self.engine.bounded.remove(station)
        if not entry.bounded:
            entry.bounded = True
            self.engine.bounded.append(entry)


def _changes(table: RequestTable, number: int) -> list[Change]:
    old, new = table.spec.deployments[number - 1], table.spec.deployments[number]
    before = dict(zip(old.stations, old.replicas))
    changes = []
    for index, replicas in zip(new.stations, new.replicas):
        had = before.get(index, (0,) * len(replicas))
        for kind, (asked, present) in enumerate(zip(replicas, had)):
            if asked != present:
                changes.append((table.stations[index], kind, asked - present))
    return changes


def staying(station: Station, kind: int) -> list[Replica]:
    """Replicas of a kind that are held and not leaving, by number."""
    return [r for r in station.replicas if r.kind == kind and not r.leaving and r.state is not State.GONE]


def remove(engine: Engine, station: Station, kind: int, count: int) -> None:
    """``count`` replicas go: those that still wait for devices, then those not serving, then the highest numbers."""
    count -= engine.pools.unwant(station, kind, count)
    going = sorted(staying(station, kind), key=lambda r: (r.state is State.BUSY, -r.number))
    for replica in going[:count]:
        dismiss(engine, replica)


def dismiss(engine: Engine, replica: Replica) -> None:
    """A replica takes no more batches; it goes as soon as it has nothing in service or in transfer."""
    replica.leaving = True
    replica.line.forget(replica.number)
    station = replica.station
    station.refresh_open_lines()
    for buffer in replica.buffers:
        requests, since, _ = buffer.take(len(buffer))
        redirect(engine, station, requests, since)
    if not station.shared:
        move_waiting(engine, replica.line)
    if replica.batch is None and not replica.under_way:
        engine.pools.retire(replica)


def close(engine: Engine, station: Station) -> None:
    """A drained station: nothing is here or can still come, so all its replicas go."""
    for replica in station.replicas:
        if not replica.leaving:
            dismiss(engine, replica)


def stop(engine: Engine, station: Station, short: set[int]) -> None:
    """The pools ``short`` cannot hold old and new together: old replicas there stop taking batches.

    A draining station left without replicas is closed: who waits there, or comes later, goes over to the new one.
    """
    for replica in station.replicas:
        if replica.spec.pool in short and not replica.leaving:
            dismiss(engine, replica)
    if not station.closed and all(replica.leaving for replica in station.replicas):
        station.closed = True
        for line in station.lines:
            requests, since, _ = line.fifo.take(len(line.fifo))
            redirect(engine, station, requests, since)


def set_waits(station: Station, waits: tuple[tuple[float, ...], ...]) -> None:
    """``max_wait`` by kind and portion [s] for requests that enter a queue from now on."""
    station.waits = list(waits)
    for line in station.lines:
        line.fifo.set_waits([wait[0] for wait in waits])
        line.set_least()
    for replica in station.replicas:
        for buffer, wait in zip(replica.buffers, waits[replica.kind][1:]):
            buffer.set_waits([wait])


def set_transfers(station: Station, transfers: tuple[Transfer, ...]) -> None:
    """How batches that end from now on hand over their survivors, by kind."""
    for phases, transfer in zip(station.phases, transfers):
        phases[-1].transfers, phases[-1].link = transfer.seconds.tolist(), transfer.link
