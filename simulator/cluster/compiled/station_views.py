"""Stations, replicas, batches and requests of the compiled engine as the objects that the control code works on.

Faults, windows, moves and pools are rare, so both engines share their code; here is what it sees of the arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.cluster import lowered
from simulator.cluster.compiled import columns as c
from simulator.cluster.compiled import entry
from simulator.cluster.compiled.arrays import Arrays
from simulator.cluster.compiled.queue_views import CompiledLine, Queue, chain
from simulator.cluster.state import State

if TYPE_CHECKING:
    from simulator.cluster.compiled.engine import CompiledEngine
    from simulator.cluster.compiled.table_view import CompiledTable


class PhaseView:
    """A lowered phase; its way to the next portion may change with a window."""

    link = -1

    def __init__(self, arrays: Arrays, row: int, spec: lowered.Phase) -> None:
        self._arrays, self.row, self.spec = arrays, row, spec
        self.batch = spec.batch

    @property
    def transfers(self) -> list[float]:
        """Time to hand over 0 .. batch survivors [s]."""
        first = self._arrays.phases[self.row, c.H_TRANSFERS]
        found: list[float] = self._arrays.tables[first : first + self.batch + 1].tolist()
        return found

    @transfers.setter
    def transfers(self, seconds: list[float]) -> None:
        first = self._arrays.phases[self.row, c.H_TRANSFERS]
        self._arrays.tables[first : first + self.batch + 1] = seconds


class CompiledBatch:
    """A batch under way; as ``state.Batch``."""

    by_layer: None = None
    """Loads as events are the reference engine's alone."""

    def __init__(self, engine: CompiledEngine, row: int) -> None:
        self._engine, self.row = engine, row

    @property
    def _ints(self) -> Any:
        return self._engine.arrays.batches[self.row]

    @property
    def replica(self) -> CompiledReplica:
        """Who serves it."""
        return self._engine.replica_at(int(self._ints[c.B_REPLICA]))

    @property
    def phase(self) -> PhaseView:
        """What it goes through."""
        return self._engine.phase_at(int(self._ints[c.B_PHASE]))

    @property
    def done(self) -> bool:
        """Whether its service has ended."""
        return bool(self._ints[c.B_DONE])

    @property
    def aborted(self) -> bool:
        """Whether a fault took it back."""
        return bool(self._ints[c.B_ABORTED])

    @aborted.setter
    def aborted(self, value: bool) -> None:
        self._ints[c.B_ABORTED] = value

    @property
    def end(self) -> float:
        """End of its service [s]."""
        return float(self._engine.arrays.spans[self.row, c.B_END])

    @property
    def requests(self) -> list[int]:
        """Its members; once it is done, those that go on."""
        return chain(self._engine.arrays, int(self._ints[c.B_HEAD]))

    survivors = requests

    @property
    def dues(self) -> list[list[float]]:
        """Dues of the members by kind [s]; empty where they had none."""
        if not self._ints[c.B_WAITS]:
            return []
        station = self.replica.station
        kinds = 1 if self._ints[c.B_PHASE] != station.first_phase(self.replica.kind) else len(station.spec.kinds)
        found: list[list[float]] = self._engine.arrays.dues[self.requests, :kinds].T.tolist()
        return found


class CompiledReplica:
    """Devices that serve one batch at a time; as ``state.Replica``."""

    incoming: None = None
    """Loads as events are the reference engine's alone."""

    def __init__(self, engine: CompiledEngine, station: CompiledStation, ident: int, number: int, kind: int) -> None:
        arrays = self._arrays = engine.arrays
        self._engine = engine
        self.row = row = int(arrays.stations[station.row, c.S_REPLICA]) + number
        self.ident, self.number, self.kind, self.station = ident, number, kind, station
        self.spec = station.spec.kinds[kind]
        self.line = station.lines[0 if station.shared else number]
        self.phases = station.phases[kind]
        self.held = self.ready = self.failed = self.lost = 0.0
        self.released = float("inf")
        self._state = State.LOADING
        self._leaving = False
        first = engine.first_buffer(station.row) + number * (len(self.phases) - 1)
        key = (station.service.index << c.SERVICE_SHIFT) + (self.phases[0].spec.portion << c.PORTION_SHIFT) + number
        arrays.replicas[row] = (
            *(station.row, number, kind, self.line.row, ident, key, -1, 0, 0, -1, -1, first, 0),
            *(self.spec.pool, self.spec.devices),
        )
        self.buffers = [Queue(arrays, first + i, 1, 1, replica=row) for i in range(len(self.phases) - 1)]
        for place, buffer in enumerate(self.buffers):
            buffer.set_waits([station.waits[kind][place + 1]])

    @property
    def _ints(self) -> Any:
        return self._arrays.replicas[self.row]

    @property
    def state(self) -> State:
        """What it is doing; between idle and busy the kernel moves it."""
        if self._state in (State.IDLE, State.BUSY):
            return State.BUSY if self._ints[c.P_BATCH] >= 0 else State.IDLE
        return self._state

    @state.setter
    def state(self, value: State) -> None:
        self._state = value

    @property
    def serves(self) -> bool:
        """Whether requests may be sent to it now."""
        return self._state in (State.IDLE, State.BUSY) and not self.leaving

    def is_gone(self) -> bool:
        """Whether it was released for good."""
        return self._state is State.GONE

    @property
    def leaving(self) -> bool:
        """Whether it takes no more batches."""
        return self._leaving

    @leaving.setter
    def leaving(self, value: bool) -> None:
        self._leaving = value
        self._ints[c.P_LEAVING] = value

    @property
    def batch(self) -> CompiledBatch | None:
        """What it serves."""
        row = int(self._ints[c.P_BATCH])
        return None if row < 0 else CompiledBatch(self._engine, row)

    @batch.setter
    def batch(self, value: None) -> None:
        self._ints[c.P_BATCH] = -1

    @property
    def under_way(self) -> list[CompiledBatch]:
        """Batches whose transfer is under way although it may serve again."""
        rows, row = [], int(self._ints[c.P_UNDER_HEAD])
        for _ in range(int(self._ints[c.P_UNDER])):
            rows.append(CompiledBatch(self._engine, row))
            row = int(self._arrays.batches[row, c.B_NEXT])
        return rows

    @under_way.setter
    def under_way(self, value: list[CompiledBatch]) -> None:
        self._ints[c.P_UNDER] = 0

    @property
    def link_free(self) -> float:
        """Instant from which its own link is free [s]."""
        return float(self._arrays.link_free[self.row])

    @link_free.setter
    def link_free(self, value: float) -> None:
        self._arrays.link_free[self.row] = value


class CompiledStation:
    """A portion's lines and replicas; as ``state.Station``."""

    def __init__(self, engine: CompiledEngine, service: CompiledTable, index: int, spec: lowered.Station) -> None:
        self._engine, self._arrays = engine, engine.arrays
        self.service, self.index, self.spec = service, index, spec
        self.row = int(engine.arrays.services[service.index, c.V_STATION]) + index
        self.drops = service.spec.drop != "never"
        self.shared = spec.routing == "shared"
        self.phases = [
            [engine.phase_at(self.first_phase(kind) + place) for place in range(len(phases.phases))]
            for kind, phases in enumerate(spec.kinds)
        ]
        self.waits: list[tuple[float, ...]] = [tuple(phase.spec.max_wait_s for phase in kind) for kind in self.phases]
        self.lines = [self.new_line(0)]
        self.open_lines: list[CompiledLine] = []
        self._open(self.lines)
        self.replicas: list[CompiledReplica] = []
        self.bounded = False

    def first_phase(self, kind: int) -> int:
        """Row of the first phase of a kind."""
        return int(self._arrays.stations[self.row, c.S_PHASE]) + kind * len(self.spec.kinds[0].phases)

    def new_line(self, number: int) -> CompiledLine:
        """The queue of replica ``number``."""
        return CompiledLine(self._arrays, self, number)

    def new_replica(self, ident: int, number: int, kind: int) -> CompiledReplica:
        """A replica of this station; its line, where it has one of its own, is there already."""
        return CompiledReplica(self._engine, self, ident, number, kind)

    def route(self, request: int) -> CompiledLine:
        """The line that a request joins."""
        if self.shared:
            return self.lines[0]
        row = self._engine.act(entry.ROUTE, self.row, request)
        return self.lines[row - self.lines[0].row]

    def waiting_lines(self) -> list[CompiledLine]:
        """Lines in which requests wait."""
        first = self.lines[0].row
        rows = np.flatnonzero(self._arrays.lines[first : first + len(self.lines), c.L_SIZE])
        return [self.lines[row] for row in rows.tolist()]

    def refresh_open_lines(self) -> None:
        """Lines that new requests may join; see ``state.Station``."""
        if self.shared:
            return
        staying = [r for r in self.replicas if not r.leaving and not r.is_gone()]
        serving = [r.line for r in staying if r.serves]
        self._open(serving or [r.line for r in staying] or self.lines)

    def _open(self, lines: list[CompiledLine]) -> None:
        self.open_lines = lines
        s = self._arrays.stations[self.row]
        s[c.S_OPENS] = len(lines)
        self._arrays.opens[s[c.S_OPEN] : s[c.S_OPEN] + len(lines)] = [line.row for line in lines]

    @property
    def pending(self) -> int:
        """Requests inside that are here or may still come."""
        return int(self._arrays.stations[self.row, c.S_PENDING])

    @pending.setter
    def pending(self, value: int) -> None:
        self._arrays.stations[self.row, c.S_PENDING] = value

    @property
    def draining(self) -> bool:
        """Whether no deployment in force uses it any more."""
        return bool(self._arrays.stations[self.row, c.S_DRAINING])

    @draining.setter
    def draining(self, value: bool) -> None:
        self._arrays.stations[self.row, c.S_DRAINING] = value

    @property
    def closed(self) -> bool:
        """Whether whoever comes goes over to the deployment in force."""
        return bool(self._arrays.stations[self.row, c.S_CLOSED])

    @closed.setter
    def closed(self, value: bool) -> None:
        self._arrays.stations[self.row, c.S_CLOSED] = value

    @property
    def bounded(self) -> bool:
        """Whether the queue capacity of its service bounds it."""
        return bool(self._arrays.stations[self.row, c.S_CAPACITY] >= 0)

    @bounded.setter
    def bounded(self, value: bool) -> None:
        capacity = self.service.spec.capacity
        self._arrays.stations[self.row, c.S_CAPACITY] = capacity if value and capacity is not None else -1
