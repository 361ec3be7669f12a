"""The reference engine: one replication of a lowered cluster on SimPy's event heap, exact to the rule.

An instant is settled in rounds. First its events are applied in order of their keys (see ``clock``); then the lines
they touched dispatch, by service, portion and line; then what is beyond a queue's capacity is rejected. Events that a
dispatch creates at the same instant open the next round.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from pathlib import Path

import numpy as np

from simulator.cluster.autoscaler import start_autoscalers
from simulator.cluster.bands import PriorityFifo
from simulator.cluster.build import build_stations
from simulator.cluster.clock import COMPLETION, INFINITY, TRANSFER, Clock, Key
from simulator.cluster.closed import Clients
from simulator.cluster.dispatch import IDLE
from simulator.cluster.fifo import Fifo
from simulator.cluster.links import SharedLink, hand_over
from simulator.cluster.lowered import Lowered
from simulator.cluster.moves import redirect
from simulator.cluster.pools import Pools
from simulator.cluster.recorder import Recorder
from simulator.cluster.requests import RequestTable
from simulator.cluster.state import Batch, Line, PhaseState, Replica, State, Station
from simulator.cluster.streaming.beside import ServerBeside
from simulator.cluster.twins import request_tables
from simulator.cluster.windows import close, start_windows
from simulator.errors import ScenarioError
from simulator.results.record import Outcome, RunRecord
from simulator.results.stream import StreamRun

BEFORE_ARRIVALS: Key = (TRANSFER + 1,)
ALL: Key = (99,)
CHECK_EVERY = 4096
"""Rounds between two looks at progress."""
MOST_STANDING = 24
"""Looks in a row that may find the clock at the same instant (a hundred thousand rounds)."""

BUSY = State.BUSY
Progress = Callable[[float], None]
"""Called now and then with the simulated time reached [s]; may raise to stop the run."""


class Engine:
    """State and rules of one replication; ``run`` yields its record."""

    def __init__(self, lowered: Lowered, replication: int, folder: Path, progress: Progress | None = None) -> None:
        self.lowered = lowered
        self.replication = replication
        self.progress = progress
        self.clock = Clock(self.settle)
        self._heap, self._events = self.clock.heap, self.clock._eid
        self.recorder = Recorder()
        self.dirty: list[Line] = []
        self.bounded: list[Station] = []
        self.lingering: set[Line] = set()
        """Lines with an idle replica and requests that a drop policy may take when their service next dispatches."""
        self.unsettled: list[Replica | Station] = []
        """Leaving replicas with nothing more to do, and drained stations: they go when the instant is settled."""
        self.checked, self.standing = -1.0, 0
        self.links = [SharedLink(self, link) for link in lowered.links]
        self.server = None if lowered.server is None else ServerBeside(self, lowered.server)
        self.tables = request_tables(lowered, replication, folder)
        self.pools = Pools(self)
        self.replicas: list[Replica] = []
        for table in self.tables:
            build_stations(self, table)
            start_autoscalers(self, table)
            start_windows(self, table)
            if table.draws.closed:
                table.clients = Clients(self, table, lowered.duration_s)
                table.clients.begin()

    # -- the run -------------------------------------------------------------------------------------------------

    def run(self) -> RunRecord:
        """Run until empty, or until the drain time after the end of the load has passed."""
        clock, heap, dirty = self.clock, self.clock.heap, self.dirty
        times, admit = self._arrivals()
        duration = self.lowered.duration_s
        limit = duration + self.lowered.drain_s
        bounded, i, rounds = self.bounded, 0, 0
        while True:
            arrival = times[i]
            now = heap[0][0] if heap else INFINITY
            if arrival < now:
                clock._now = now = arrival
                admit(i)
                i += 1
                if times[i] == now:
                    continue  # the next one belongs to the same instant
            elif now > limit or (now > duration and len(heap) == clock.controls + clock.aside and self._is_empty()):
                break
            elif arrival == now:
                clock._now = now
                clock.apply(now, BEFORE_ARRIVALS)
                while times[i] == now:
                    admit(i)
                    i += 1
                clock.apply(now, ALL)
            else:
                clock._now = now
                while heap and heap[0][0] == now:
                    _, _, _, handler, argument = heappop(heap)
                    handler(argument)
            if self.unsettled:
                self.settle()
            if len(dirty) == 1 and not self.lingering and not bounded:
                self._dispatch_one(now)
            elif dirty:
                self._dispatch(now)
            rounds += 1
            if rounds % CHECK_EVERY == 0:
                self._check(now)
        end = clock.now if self._is_empty() else limit
        return self.recorder.record(self, max(end, duration))

    def streams(self, end_s: float) -> dict[str, StreamRun]:
        """After the run, which ended at ``end_s``: streams that shared a link with services, run to their end."""
        return {} if self.server is None else self.server.finish(end_s)

    def _check(self, now: float) -> None:
        """Now and then: time must go on, and whoever watches is told how far it is."""
        self.standing = self.standing + 1 if now == self.checked else 0
        self.checked = now
        if self.standing > MOST_STANDING:
            raise standing_clock(now)
        if self.progress is not None:
            self.progress(now)

    def _arrivals(self) -> tuple[list[float], Callable[[int], None]]:
        """Arrival instants of all open loads in order, closed by infinity, and what admits the i-th of them."""
        tables = [table for table in self.tables if not table.draws.closed]
        if not tables:
            return [INFINITY], lambda i: None
        if len(tables) > 1:
            return self._merged_arrivals(tables)
        table = tables[0]
        times = [*table.arrival, INFINITY]
        station = table.entries[0]
        if table.tracked or not station.shared or station.bounded:
            return times, lambda i: self.arrive(table, i)
        line, dirty = station.lines[0], self.dirty
        fifo = line.fifo

        def admit(i: int) -> None:
            """The plain case, without any choice to make, spelt out for speed."""
            now = times[i]
            fifo.push(i, now)
            # Too few to start and a timer set: nobody can become ready before one of both changes.
            if line.idle and not line.dirty and (fifo.size >= line.least or line.timer <= now):
                line.dirty = True
                dirty.append(line)

        return times, admit

    def _merged_arrivals(self, tables: list[RequestTable]) -> tuple[list[float], Callable[[int], None]]:
        times = np.concatenate([table.draws.arrival_s for table in tables])
        which = np.repeat(np.arange(len(tables)), [len(table.draws.arrival_s) for table in tables])
        number = np.concatenate([np.arange(len(table.draws.arrival_s)) for table in tables])
        order = np.argsort(times, kind="stable")
        owners, numbers = which[order].tolist(), number[order].tolist()
        return [*times[order].tolist(), INFINITY], lambda i: self.arrive(tables[owners[i]], numbers[i])

    def _is_empty(self) -> bool:
        """Whether no request waits or is in service anywhere (arrivals apart)."""
        busy = any(replica.batch is not None or replica.under_way for replica in self.replicas)
        return not busy and not any(station.waiting() for table in self.tables for station in table.stations)

    # -- requests enter ------------------------------------------------------------------------------------------

    def arrive(self, table: RequestTable, request: int) -> None:
        """A request arrives from outside."""
        station = table.entries[table.deployment[request]] if table.windowed else table.entries[0]
        if table.tracked:
            table.enter_path(request)
        line = station.lines[0] if station.shared else station.route(request)
        line.fifo.push(request, self.clock._now)
        if line.idle or station.bounded:
            self.touch(line)

    def enter(self, station: Station, requests: list[int]) -> None:
        """Requests enter a station together, in order."""
        if station.closed:
            redirect(self, station, requests, [self.clock.now] * len(requests))
            return
        now = self.clock._now
        if station.shared:
            line = station.lines[0]
            line.fifo.extend(requests, now)
            self.touch(line)
            return
        for request in requests:
            line = station.route(request)
            line.fifo.push(request, now)
            self.touch(line)

    def touch(self, line: Line) -> None:
        """The line dispatches when the instant has settled."""
        if not line.dirty:
            line.dirty = True
            self.dirty.append(line)

    # -- dispatch ------------------------------------------------------------------------------------------------

    def _dispatch_one(self, now: float) -> None:
        """The plain case: a single line."""
        line = self.dirty.pop()
        line.dirty = False
        if line.idle:
            line.dispatch(self, line, now)
        if self.unsettled:
            self.settle()
            self._dispatch(now)

    def _dispatch(self, now: float) -> None:
        dirty = self.dirty
        if self.lingering:
            # Only of the services that dispatch anyway: an unrelated service must not change when requests are dropped.
            active = {line.station.service for line in dirty if line.idle}
            for line in [line for line in self.lingering if line.station.service in active]:
                self.lingering.discard(line)
                self.touch(line)
        lines = sorted(dirty, key=_order) if len(dirty) > 1 else list(dirty)
        dirty.clear()
        for line in lines:
            line.dirty = False
            if line.idle:
                line.dispatch(self, line, now)
        for station in self.bounded:
            self._reject_beyond_capacity(station, now)
        if self.unsettled:
            self.settle()
        if dirty:  # what ended here freed devices for replicas that are ready at once
            self._dispatch(now)

    def settle(self) -> None:
        """Whoever has nothing more to do goes: before control events, before and after a dispatch."""
        while self.unsettled:
            found = self.unsettled.pop(0)
            if isinstance(found, Replica):
                self.pools.retire(found)
            elif not found.pending:
                close(self, found)

    def _reject_beyond_capacity(self, station: Station, now: float) -> None:
        """The newest go: the highest request numbers, for in the first portion requests enter in order of arrival."""
        capacity = station.service.spec.capacity
        assert capacity is not None
        excess = station.waiting() - capacity
        for _ in range(excess):
            line = max((line for line in station.lines if line.fifo), key=lambda line: line.fifo.newest())
            self.end(station, line.fifo.pop_newest(), now, Outcome.REJECTED)

    def end(self, station: Station, request: int, now: float, outcome: Outcome) -> None:
        """A request ends here without an answer."""
        table = station.service
        table.close(request, now, outcome)
        table.slot_ends(request)

    def start(
        self, line: Line, replica: Replica, phase: PhaseState, fifo: Fifo | PriorityFifo, k: int, now: float
    ) -> None:
        """An idle replica takes the first ``k`` requests of a queue."""
        kind = replica.kind if fifo is line.fifo else 0
        due = fifo.earliest_due(kind) if fifo.waits else -INFINITY
        requests, entered, dues = fifo.take(k)
        batch = Batch(replica, phase, requests, dues, now)
        station = line.station
        replica.batch = batch
        replica.state = BUSY
        if self.server is not None and self.server.start(batch, entered, due):
            return
        total = phase.times[k] if station.fixed else station.passing.time(batch, station.service)
        if phase.factors is None:
            batch.end = now + total
        else:
            batch.end = now + phase.factors(requests[0]) * total
        self.recorder.begin(batch, entered, due)
        if batch.answers:
            self._plan_answers(batch, line.station.service)
        heappush(self._heap, (batch.end, replica.key, next(self._events), self.complete, batch))

    def _plan_answers(self, batch: Batch, table: RequestTable) -> None:
        factors = batch.phase.factors
        factor = 1.0 if factors is None else factors(batch.requests[0])
        batch.answers = [(request, batch.start + factor * time) for request, time in batch.answers]
        if table.prompt:
            for request, instant in batch.answers:
                key = (COMPLETION, table.index, batch.phase.spec.portion, batch.replica.number)
                self.clock.schedule_at(instant, key, self.answer, (batch, request))

    def answer(self, arg: tuple[Batch, int]) -> None:
        """An answer leaves a batch under way, now."""
        batch, request = arg
        table = batch.replica.station.service
        if not batch.aborted and not table.is_answered(request):
            table.answer_all([request], self.clock.now)

    # -- completion and transfer ---------------------------------------------------------------------------------

    def complete(self, batch: Batch) -> None:
        """Service of a batch ends: answers leave, survivors go on."""
        if batch.aborted:
            return
        batch.done = True
        replica = batch.replica
        station = replica.station
        table = station.service
        if batch.answers:
            self.give_answers(batch, INFINITY)
        survivors = station.passing.finish(batch, table)
        if table.tracked and len(survivors) < len(batch.requests):
            going_on = set(survivors)
            for request in batch.requests:
                if request not in going_on:
                    table.leave_path(request)
        if not survivors:
            self.release(replica)
        elif station.spec.serial:
            replica.buffers[batch.phase.spec.ordinal].extend(survivors, batch.end)
            self.release(replica)
        else:
            batch.survivors = survivors
            hand_over(self, batch)

    def give_answers(self, batch: Batch, until: float) -> None:
        """Note the answers that left a batch under way up to ``until`` [s]."""
        table = batch.replica.station.service
        for request, instant in batch.answers:
            if instant <= until and not table.is_answered(request):
                table.answer_all([request], instant)

    def release(self, replica: Replica) -> None:
        """A replica has nothing in service any more: it becomes idle, or goes if it is leaving."""
        replica.batch = None
        if replica.leaving:
            if not replica.under_way:  # else it goes when its last transfer has arrived
                self.unsettled.append(replica)
            return
        replica.state = IDLE
        line = replica.line
        heappush(line.idle, replica.number)
        if not line.dirty:
            line.dirty = True
            self.dirty.append(line)


def _order(line: Line) -> tuple[int, int, int]:
    return line.order


def standing_clock(now: float) -> ScenarioError:
    """What is said of a run that does not get past an instant [s]."""
    return ScenarioError(
        f"the run does not get past {now:g}s: requests end and come back at the same instant; "
        "give the clients a think time"
    )
