"""The parameter server beside the services of a run: links of replicas, streams on the same clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.cluster.clock import INFINITY, SideClock
from simulator.cluster.lowered import Floats, Server
from simulator.cluster.state import Batch, Replica
from simulator.cluster.streaming.executor import drive
from simulator.cluster.streaming.faults import drawn
from simulator.cluster.streaming.served import LayerPass, SlotLoads, StartLoads, StartSupply, Supply
from simulator.cluster.streaming.server import AtServer
from simulator.cluster.streaming.sharing import FairLink
from simulator.results.stream import StreamRun

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine

JOINS = 3
"""Place of the first load of a joining replica among the events of a window: after loading ahead, ready and switch."""


class ServerBeside:
    """The server in one replication of the reference engine."""

    def __init__(self, engine: Engine, spec: Server) -> None:
        self.engine, self.spec = engine, spec
        self.clock = SideClock(engine.clock)
        self._serving = True
        seed, faults = engine.lowered.seed, spec.faults
        outages = drawn(faults, seed, engine.replication) if faults is not None else None
        self.at_server = AtServer(self.clock, spec.streams, outages, lambda: self._serving)
        self._own: dict[int, FairLink] = {}

    def link_of(self, replica: Replica) -> FairLink:
        """The link over which the layers of a replica come."""
        if self.spec.shared:
            return self.at_server.to_all
        if replica.ident not in self._own:
            self._own[replica.ident] = self.at_server.new_link()
        return self._own[replica.ident]

    def join(self, replica: Replica) -> None:
        """A replica has its devices: what it loads while it may serve begins after the rest of its start."""
        if not any(phase.starting is not None and phase.starting.copies for phase in replica.phases):
            return
        replica.incoming = StartLoads(replica, self.link_of(replica))
        key = (1, replica.station.service.index, JOINS, replica.station.index, replica.number)
        instant = replica.held + (replica.spec.load_s - replica.spec.first_wait_s)
        self.engine.clock.control_at(instant, key, replica.incoming.begin)

    def start(self, batch: Batch, entered: list[float], due: float) -> bool:
        """A batch starts; whether its layers are still to come (else it goes by the table)."""
        phase, start = batch.phase, batch.replica.incoming
        starting = start is not None and phase.starting is not None and start.covers(phase.place)
        loads = phase.starting if starting else phase.streamed
        if loads is None:
            return False
        way = self._way(batch, loads.compute_s)
        batch.end = INFINITY
        self.engine.recorder.begin(batch, entered, due)
        batch.by_layer = way
        supply: Supply
        if starting and start is not None:
            supply = StartSupply(start, batch, loads)
        else:
            supply = SlotLoads(way, loads, self.link_of(batch.replica))
        way.begin(supply)
        return True

    def _way(self, batch: Batch, compute_s: Floats) -> LayerPass:
        """The steps of a batch, and after which ramp each answer leaves; jitter is that of the computations."""
        passing, table = batch.replica.station.passing, batch.replica.station.service
        seconds = passing.steps(batch, table, compute_s)
        if batch.phase.factors is not None:
            factor = batch.phase.factors(batch.requests[0])
            seconds = [factor * one for one in seconds]
        answers: dict[int, list[int]] = {}
        if not passing.fixed:
            passing.time(batch, table)
            for request, _ in batch.answers:
                answers.setdefault(table.leave[request], []).append(request)
            batch.answers = ()
        return LayerPass(self.engine, batch, seconds, answers)

    def finish(self, end_s: float) -> dict[str, StreamRun]:
        """The services are over: streams go on alone to their end, and what they did."""
        self._serving = False
        self.engine.clock._now = max(self.engine.clock.now, end_s)
        for replica in self.engine.replicas:
            if replica.batch is not None and replica.batch.by_layer is not None:
                replica.batch.by_layer.cancel()
            if replica.incoming is not None:
                replica.incoming.stop()
        self.clock.go_on_alone()
        drive(self.engine.clock, list(self.at_server.executors.values()))
        return self.at_server.runs()
