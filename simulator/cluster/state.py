"""What the reference engine keeps while it runs: replicas, lines, stations and batches under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from heapq import heapify, heappush
from typing import TYPE_CHECKING

from simulator.cluster.bands import PriorityFifo
from simulator.cluster.clock import INFINITY, Key
from simulator.cluster.fifo import Fifo

if TYPE_CHECKING:
    from simulator.cluster import lowered
    from simulator.cluster.engine import Engine
    from simulator.cluster.passes import Pass
    from simulator.cluster.requests import RequestTable
    from simulator.cluster.streaming.served import LayerPass, StartLoads


class State(IntEnum):
    """What a replica is doing."""

    LOADING = 0
    IDLE = 1
    BUSY = 2
    DOWN = 3
    GONE = 4


class PhaseState:
    """A lowered phase with its tables as lists: indexing a list costs a fifth of indexing an array."""

    __slots__ = ("batch", "factors", "is_last", "link", "place", "spec", "starting", "streamed", "times", "transfers")

    def __init__(self, spec: lowered.Phase, place: int, layers: int, factors: Callable[[int], float] | None) -> None:
        self.spec = spec
        self.place = place
        """Number of the phase on its replica."""
        self.batch = spec.batch
        self.is_last = spec.last_layer == layers
        self.times: list[float] = spec.time_s.tolist()
        self.transfers: list[float] = spec.transfer_s.tolist()
        self.link = spec.link
        self.factors = factors
        self.streamed: lowered.Loads | None = None
        """Loads of every batch where they are events; None: the table of times has them."""
        self.starting: lowered.Loads | None = None
        """Loads of a joining replica, likewise."""


class Batch:
    """Requests that a replica serves together, from its start until the survivors have arrived further on.

    What most batches never need stands on the class: setting it for each would cost a tenth of the run.
    """

    done = False
    """Whether its service has ended (its transfer may still be under way)."""
    aborted = False
    """Whether a fault took it back."""
    answers: Sequence[tuple[int, float]] = ()
    """(request, instant) of answers that leave before the batch ends."""
    survivors: list[int] | None = None
    """Requests that go on, once known."""
    by_layer: LayerPass | None = None
    """What computes it layer by layer, as they come; None: its end is known from the table."""
    end: float
    row: int
    """Row of the batch table."""

    def __init__(
        self, replica: Replica, phase: PhaseState, requests: list[int], dues: list[list[float]], start: float
    ) -> None:
        self.replica = replica
        self.phase = phase
        self.requests = requests
        self.dues = dues
        self.start = start


class Replica:
    """Devices that serve one batch at a time."""

    __slots__ = (
        "batch",
        "buffers",
        "codes",
        "failed",
        "held",
        "ident",
        "incoming",
        "key",
        "kind",
        "leaving",
        "line",
        "link_free",
        "lost",
        "number",
        "phases",
        "ready",
        "released",
        "spec",
        "state",
        "station",
        "under_way",
    )

    def __init__(self, ident: int, number: int, kind: int, station: Station, phases: list[PhaseState]) -> None:
        self.ident = ident
        self.number = number
        self.kind = kind
        self.spec = station.spec.kinds[kind]
        self.station = station
        self.phases = phases
        self.key: Key = (0, station.service.index, phases[0].spec.portion, number)
        self.codes = [(p.spec.portion, ident, p.batch, station.service.index) for p in phases]
        self.state = State.LOADING
        self.leaving = False
        self.batch: Batch | None = None
        self.under_way: list[Batch] = []
        """Batches whose transfer is still under way although the replica may serve again (overlap)."""
        self.link_free = 0.0
        self.buffers = [Fifo((wait,)) for wait in station.waits[kind][1:]]
        self.line: Line
        self.held = self.ready = 0.0
        self.failed = self.lost = 0.0
        """When it failed last, and how long it has been under repair in all, the present time left out [s]."""
        self.released = INFINITY
        self.incoming: StartLoads | None = None
        """Weights that are still on their way although it may serve."""

    def is_gone(self) -> bool:
        """Whether it was released for good."""
        return self.state is State.GONE

    @property
    def serves(self) -> bool:
        """Whether requests may be sent to it now."""
        return not self.leaving and self.state in (State.IDLE, State.BUSY)


class Line:
    """One queue and the replicas that draw from it: all of a station (shared), or a single one (other routings)."""

    __slots__ = ("dirty", "dispatch", "fifo", "idle", "least", "order", "station", "timer")

    def __init__(self, station: Station, number: int, fifo: Fifo | PriorityFifo) -> None:
        self.station = station
        self.order = (station.service.index, station.index, number)
        self.fifo = fifo
        self.dispatch = station.dispatch
        self.idle: list[int] = []
        """Heap of the numbers of idle replicas that may take batches."""
        self.dirty = False
        self.timer = -INFINITY
        """Instant of the next timer already set [s]."""
        self.set_least()

    def set_least(self) -> None:
        """Below ``least`` requests nobody is ready before the timer that is set: the batch, or 1 where that is not so.

        It is so where all replicas wait equally long: later entries are due later. With a drop policy every arrival
        counts, because who waits beside an idle replica may have to go at any instant.
        """
        station = self.station
        waits = self.fifo.waits and not station.drops and not station.spec.serial and len(station.phases) == 1
        self.least = station.phases[0][0].batch if waits else 1

    def gain(self, number: int) -> None:
        """Replica ``number`` may take batches."""
        heappush(self.idle, number)

    def forget(self, number: int) -> None:
        """Replica ``number`` takes no batch any more, for now or for good."""
        if number in self.idle:
            self.idle.remove(number)
            heapify(self.idle)

    def outstanding(self) -> int:
        """Requests waiting and in service (for lines of one replica)."""
        replicas, number = self.station.replicas, self.order[2]
        batch = replicas[number].batch if number < len(replicas) else None
        return self.fifo.size + (len(batch.requests) if batch else 0)


class Station:
    """Runtime state of one station: its lines, its replicas and where its survivors go."""

    __slots__ = (
        "bounded",
        "closed",
        "dispatch",
        "draining",
        "drops",
        "fixed",
        "hands_on_at_once",
        "index",
        "lines",
        "open_lines",
        "passing",
        "pending",
        "phases",
        "replicas",
        "route",
        "service",
        "shared",
        "spec",
        "successor",
        "turn",
        "waits",
    )

    def __init__(
        self,
        service: RequestTable,
        index: int,
        spec: lowered.Station,
        phases: list[list[PhaseState]],
        passing: Pass,
        dispatch: Callable[[Engine, Line, float], None],
    ) -> None:
        self.service = service
        self.passing = passing
        self.fixed = passing.fixed
        self.drops = service.spec.drop != "never"
        self.dispatch = dispatch
        self.index = index
        self.spec = spec
        self.phases = phases
        """By kind, then by portion."""
        self.waits: list[tuple[float, ...]] = [tuple(p.spec.max_wait_s for p in kind) for kind in phases]
        self.shared = spec.routing == "shared"
        self.lines: list[Line] = [self.new_line(0)]
        """One when shared, else one for each replica; the first is there before any replica, for those who wait."""
        self.open_lines: list[Line] = list(self.lines)
        self.replicas: list[Replica] = []
        self.route: Callable[[int], Line]
        self.turn = 0
        self.successor: Station | None = None
        """Next station of every request; None when requests of several deployments pass (then by request)."""
        self.hands_on_at_once = False
        """Whether survivors may enter the next portion with the completion: no transfer takes time, none could tell."""
        self.bounded = False
        self.draining = False
        self.closed = False
        self.pending = 0
        """Requests that are here or may still come (counted only where the table tracks its requests)."""

    def new_line(self, number: int) -> Line:
        """A fresh queue; with several priorities it has one band for each."""
        waits = [wait[0] for wait in self.waits]
        bands, band_of = self.service.bands, self.service.band_of
        fifo = Fifo(waits) if bands == 1 else PriorityFifo(waits, bands, band_of)
        return Line(self, number, fifo)

    def new_replica(self, ident: int, number: int, kind: int) -> Replica:
        """A replica of this station; its line, where it has one of its own, is there already."""
        replica = Replica(ident, number, kind, self, self.phases[kind])
        replica.line = self.lines[0 if self.shared else number]
        return replica

    def waiting_lines(self) -> list[Line]:
        """Lines in which requests wait."""
        return [line for line in self.lines if line.fifo]

    def waiting(self) -> int:
        """Requests waiting in all lines."""
        return sum(len(line.fifo) for line in self.lines)

    def refresh_open_lines(self) -> None:
        """Lines that new requests may join: of serving replicas, or if there is none of any replica that stays."""
        if self.shared:
            return
        staying = [r for r in self.replicas if not r.leaving and r.state is not State.GONE]
        serving = [r.line for r in staying if r.serves]
        self.open_lines = serving or [r.line for r in staying] or self.lines
