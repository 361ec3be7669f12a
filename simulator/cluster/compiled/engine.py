"""The compiled engine: the reference's meaning, bit for bit, with the request path in machine code.

Events of the request path lie on the kernel's heap, control events (faults and windows) on the reference's clock. The
kernel runs until the next control event; the control code of the reference then works on views of the arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop
from pathlib import Path
from pickle import UnpicklingError
from time import perf_counter
from typing import Any

import numpy as np

from simulator.cluster import lowered as low
from simulator.cluster.build import hands_on_at_once
from simulator.cluster.clock import INFINITY, Clock
from simulator.cluster.compiled import columns as c
from simulator.cluster.compiled import entry, records
from simulator.cluster.compiled.arrays import Arrays
from simulator.cluster.compiled.enter import ASKING, DIRTY, UNSETTLED
from simulator.cluster.compiled.feed import HALF, ClosedFeed, OpenFeed, chunk_of
from simulator.cluster.compiled.loop import ARRIVAL
from simulator.cluster.compiled.queue_views import CompiledLine
from simulator.cluster.compiled.station_views import CompiledBatch, CompiledReplica, CompiledStation, PhaseView
from simulator.cluster.compiled.table_view import CompiledTable
from simulator.cluster.engine import Progress, standing_clock
from simulator.cluster.pools import Pools
from simulator.cluster.windows import close, set_waits, start_windows
from simulator.results.record import Outcome, RunFrame, RunRecord
from simulator.results.tally import Tally
from simulator.scenario.workload import Closed

FEWEST_ROUNDS, MOST_ROUNDS = 16, 4096
"""Between two returns of the kernel, in which a run can be watched and stopped."""
PAUSE_S = 0.1
"""Computing time that should pass between them [s]."""


class Unsettled:
    """Who goes when the instant is settled; the kernel and the control code both name them."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def append(self, found: CompiledReplica | CompiledStation) -> None:
        """A leaving replica with nothing more to do, or a drained station."""
        arrays = self._arrays
        arrays.lists[UNSETTLED, arrays.g[c.G_UNSETTLED]] = 2 * found.row + isinstance(found, CompiledStation)
        arrays.g[c.G_UNSETTLED] += 1

    def codes(self) -> Iterator[int]:
        """All of them, in order, as twice their row and 1 more for stations; those too that come meanwhile."""
        place, g = 0, self._arrays.g
        while place < g[c.G_UNSETTLED]:
            yield int(self._arrays.lists[UNSETTLED, place])
            place += 1
        g[c.G_UNSETTLED] = 0


class CompiledEngine:
    """State of one replication; ``run`` yields its record, ``tally`` its counters."""

    server: None = None
    """Loads as events are the reference engine's alone."""

    def __init__(
        self,
        lowered: low.Lowered,
        replication: int,
        folder: Path,
        progress: Progress | None = None,
        *,
        keep_tables: bool = True,
    ) -> None:
        self.lowered, self.replication, self.progress = lowered, replication, progress
        self.arrays = Arrays(lowered, keep_tables)
        self._act = entry.act()
        self.clock = Clock(self.settle)
        self.links: list[Any] = []
        self.bounded: list[CompiledStation] = []
        self.unsettled = Unsettled(self.arrays)
        self.recorder = self
        self._phases = [
            PhaseView(self.arrays, row, phase)
            for row, phase in enumerate(
                phase
                for service in lowered.services
                for s in service.stations
                for kind in s.kinds
                for phase in kind.phases
            )
        ]
        self.pools = Pools(self)  # type: ignore[arg-type]  # what it uses of an engine, this one has too
        self.replicas: list[CompiledReplica] = []
        self.tables = [CompiledTable(self, index, service) for index, service in enumerate(lowered.services)]
        self._stations: list[CompiledStation] = []
        for table in self.tables:
            self._build(table)
            start_windows(self, table)  # type: ignore[arg-type]
        self._open, self._closed = self._feeds(replication, folder)
        self.events = 0
        """Events that the kernel put on its heap: ends of batches, transfers, timers, requests of clients."""
        self.last_arrival_s: dict[int, float] = {}
        """Of open loads, by service."""

    # -- what the control code uses of an engine -------------------------------------------------------------------

    def act(self, what: int, one: int = 0, two: int = 0, at: float = 0.0) -> int:
        """Call the kernel."""
        try:
            return self._act(what, one, two, at, *self.arrays.arguments)
        except (EOFError, UnpicklingError):  # a damaged file in the cache: nothing has run yet
            self._act = entry.in_memory()
            return self._act(what, one, two, at, *self.arrays.arguments)

    def replica_at(self, row: int) -> CompiledReplica:
        """The replica of a row."""
        station, number = self.arrays.replicas[row, [c.P_STATION, c.P_NUMBER]].tolist()
        found: CompiledReplica = self._stations[station].replicas[number]
        return found

    def phase_at(self, row: int) -> PhaseView:
        """The phase of a row."""
        return self._phases[row]

    def first_buffer(self, station: int) -> int:
        """First of the buffers of a station's replicas."""
        return self.arrays.shape.rows[station][6]

    def touch(self, line: CompiledLine) -> None:
        """The line dispatches when the instant has settled."""
        arrays = self.arrays
        if not arrays.lines[line.row, c.L_DIRTY]:
            arrays.lines[line.row, c.L_DIRTY] = 1
            arrays.lists[DIRTY, arrays.g[c.G_DIRTY]] = line.row
            arrays.g[c.G_DIRTY] += 1

    def end(self, station: CompiledStation, request: int, now: float, outcome: Outcome) -> None:
        """A request ends here without an answer."""
        if station.service.windowed:
            station.service.leave_path(request)
        self.act(entry.END, request, int(outcome))

    def give_answers(self, batch: CompiledBatch, until: float) -> None:
        """Note the answers that left a batch under way up to ``until`` [s]; the others are not planned any more."""
        arrays, table = self.arrays, batch.replica.station.service
        for request in batch.requests:
            instant = float(arrays.times[request, c.F_ANSWER])
            arrays.times[request, c.F_ANSWER] = np.nan
            if instant <= until and not table.is_answered(request):
                table.answer(request, instant)

    def abort(self, batch: CompiledBatch, now: float, idle: float) -> None:
        """A batch is taken back, or is still under way at the end of the run."""
        self.arrays.clock[c.T_NOW] = now
        if self.arrays.keeps_tables:
            self._aborted.append(int(self.arrays.batches[batch.row, c.B_ROW]))
        self.act(entry.TAKE_BACK, batch.row, 0, idle)

    def settle(self) -> None:
        """Whoever has nothing more to do goes; as ``Engine.settle``."""
        for code in self.unsettled.codes():
            if code & 1:
                station = self._stations[code >> 1]
                if not station.pending:
                    close(self, station)  # type: ignore[arg-type]
            else:
                self.pools.retire(self.replica_at(code >> 1))  # type: ignore[arg-type]

    # -- building --------------------------------------------------------------------------------------------------

    def _build(self, table: CompiledTable) -> None:
        """Stations and first replicas of a service; as ``build.build_stations``."""
        spec, arrays = table.spec, self.arrays
        table.stations = [CompiledStation(self, table, index, item) for index, item in enumerate(spec.stations)]
        self._stations += table.stations
        table.paths = [[table.stations[index] for index in deployment.stations] for deployment in spec.deployments]
        table.entries = [path[0] for path in table.paths]
        arrays.stations[[station.row for station in table.stations], c.S_AT_ONCE] = hands_on_at_once(spec)
        if not table.windowed:
            for station, successor in zip(table.paths[0], table.paths[0][1:]):
                arrays.stations[station.row, c.S_SUCCESSOR] = successor.row
        if spec.capacity is not None:
            table.entries[0].bounded = True
            self.bounded.append(table.entries[0])
        first = spec.deployments[0]
        for entered, replicas, waits in zip(table.paths[0], first.replicas, first.waits_s):
            set_waits(entered, waits)  # type: ignore[arg-type]
            for kind, count in enumerate(replicas):
                for _ in range(count):
                    self.pools.add(entered, kind, 0.0, 0.0)  # type: ignore[arg-type]
            entered.refresh_open_lines()

    def _feeds(self, replication: int, folder: Path) -> tuple[dict[int, OpenFeed], dict[int, ClosedFeed]]:
        opened: dict[int, OpenFeed] = {}
        closed: dict[int, ClosedFeed] = {}
        chunk = chunk_of(self.arrays.shape.open_services)
        for index, service in enumerate(self.lowered.services):
            v = self.arrays.services[index]
            group = int(v[c.V_GROUP])
            if isinstance(service.workload, Closed):
                closed[index] = ClosedFeed(self.lowered, index, group, int(v[c.V_CLIENT]), replication)
            else:
                opened[index] = OpenFeed(self.lowered, index, group, replication, folder, chunk)
                v[c.V_MORE] = 1
        return opened, closed

    # -- the run ---------------------------------------------------------------------------------------------------

    def _run(self) -> float:
        """Run to the end; the instant at which it stopped [s]."""
        arrays, clock = self.arrays, self.clock
        self._aborted: list[int] = []
        self._begin_clients()
        self._sync()
        rounds = self._pace(FEWEST_ROUNDS, 0.0)
        while True:
            before = perf_counter()
            why = self.act(entry.ADVANCE)
            if why == c.OVER:
                break
            rounds = self._pace(rounds, perf_counter() - before)
            if why == c.MORE_ARRIVALS:
                self._more_arrivals()
                arrays.grow()  # the next chunk may belong to the same instant
            elif why == c.CONTROL:
                now, _, _, handler, argument = heappop(clock.heap)
                clock._now = now
                handler(argument)
                self._sync()
            elif why == c.SETTLE:
                clock._now = float(arrays.clock[c.T_NOW])
                self.settle()
                self._sync()
            elif why == c.GROW:
                arrays.grow()
            elif why == c.MORE_CLIENTS:
                self._more_clients()
            elif why == c.STUCK:
                raise standing_clock(float(arrays.clock[c.T_NOW]))
            if self.progress is not None:
                self.progress(float(arrays.clock[c.T_NOW]))
        self.events = int(arrays.g[c.G_EVENTS])
        waiting = arrays.stations[:, c.S_WAITING].any() or self._under_way()
        end = float(arrays.clock[c.T_LIMIT] if waiting else arrays.clock[c.T_NOW])
        return max(end, self.lowered.duration_s)

    def _pace(self, rounds: int, took_s: float) -> int:
        """So many rounds, at most, until the kernel comes back, when the last ones took that long [s]."""
        found = max(min(int(rounds * PAUSE_S / max(took_s, 1e-9)), 2 * rounds, MOST_ROUNDS), FEWEST_ROUNDS)
        self.arrays.g[c.G_TICK] = self.arrays.g[c.G_ROUNDS] + found
        return found

    def _sync(self) -> None:
        """Tell the kernel what the control code may have changed."""
        arrays, heap = self.arrays, self.clock.heap
        arrays.clock[c.T_CONTROL] = heap[0][0] if heap else INFINITY
        arrays.g[c.G_BOUNDED] = len(self.bounded)
        arrays.bounded[: len(self.bounded)] = [station.row for station in self.bounded]

    def _more_arrivals(self) -> None:
        arrays = self.arrays
        for index, feed in self._open.items():
            v = arrays.services[index]
            if v[c.V_MORE] and v[c.V_AT] >= v[c.V_COUNT]:
                v[c.V_COUNT] = feed.fill(arrays.coming_t, arrays.coming_i)
                v[c.V_AT] = 0
                v[c.V_MORE] = v[c.V_COUNT] > 0
                if v[c.V_COUNT]:
                    self.last_arrival_s[index] = float(arrays.coming_t[ARRIVAL, index, v[c.V_COUNT] - 1])

    def _begin_clients(self) -> None:
        """Every client thinks first; their first events lie in order, which is a heap."""
        arrays, events = self.arrays, []
        for index, feed in self._closed.items():
            mine = np.arange(feed.clients)
            for ordinal in (0, HALF):
                feed.fill(arrays.ahead, mine, ordinal)
            rows = feed.first + mine
            arrays.clients[rows, c.C_LOADED] = 2 * HALF
            at = arrays.ahead[rows, 0, c.C_THINK]
            key = c.ARRIVAL_KEY + (index << c.SERVICE_SHIFT) + mine
            sent = at < self.lowered.duration_s
            events.append((at[sent], key[sent], rows[sent]))
        if not events:
            return
        at, key, rows = (np.concatenate(column) for column in zip(*events))
        order = np.lexsort((key, at))
        n = len(order)
        arrays.heap_t[:n] = at[order]
        arrays.heap_i[:n, 0], arrays.heap_i[:n, 1] = key[order], np.arange(n)
        arrays.heap_i[:n, 2] = (rows[order] << 3) | c.SEND
        arrays.g[c.G_HEAP] = arrays.g[c.G_EVENTS] = n

    def _more_clients(self) -> None:
        arrays = self.arrays
        asking = arrays.lists[ASKING, : arrays.g[c.G_ASKING]].copy()
        loaded = arrays.clients[asking, c.C_LOADED]
        services = arrays.clients[asking, c.C_SERVICE]
        for index, feed in self._closed.items():
            for ordinal in np.unique(loaded[services == index]).tolist():
                rows = asking[(services == index) & (loaded == ordinal)]
                feed.fill(arrays.ahead, rows - feed.first, ordinal)
                arrays.clients[rows, c.C_LOADED] += HALF
                arrays.clients[rows, c.C_ASKED] = 0
        arrays.g[c.G_ASKING] = arrays.g[c.G_URGENT] = 0

    def _under_way(self) -> list[CompiledReplica]:
        """Replicas with a batch or a transfer."""
        rows = self.arrays.replicas
        busy = np.flatnonzero((rows[:, c.P_BATCH] >= 0) | (rows[:, c.P_UNDER] > 0))
        return [self.replica_at(row) for row in busy.tolist()]

    def _cut_off(self, end_s: float) -> None:
        """Batches still under way are noted as cut off at the end."""
        for replica in sorted(self._under_way(), key=lambda replica: replica.ident):
            for batch in [*replica.under_way, *([replica.batch] if replica.batch else [])]:
                self.give_answers(batch, end_s)
                self.abort(batch, end_s, batch.end if batch.done and self.lowered.overlap else end_s)

    def run(self) -> RunRecord:
        """Run, and the record of everything that happened (with ``keep_tables``)."""
        try:
            end_s = self._run()
            self._cut_off(end_s)
            return records.record(self, end_s, self._aborted)
        finally:
            self.arrays.release()

    def tally(self) -> tuple[RunFrame, Tally]:
        """Run, and the counters and sketches of what happened (without ``keep_tables``)."""
        arrays = self.arrays
        try:
            end_s = self._run()
            late = end_s - arrays.clock[c.T_MARK]
            arrays.clock[c.T_INSIDE] += arrays.g[c.G_INSIDE] * late
            arrays.clock[c.T_COHORT] += arrays.g[c.G_COHORT] * late
            self._cut_off(end_s)
            return records.frame(self, end_s), records.tally(self, end_s)
        finally:
            arrays.release()
