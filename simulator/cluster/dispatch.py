"""Which idle replica starts what, once an instant has settled: the batching disciplines."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop
from typing import TYPE_CHECKING

from simulator.cluster import lowered
from simulator.cluster.bands import PriorityFifo
from simulator.cluster.clock import INFINITY, TIMER
from simulator.cluster.fifo import Fifo
from simulator.cluster.state import Line, PhaseState, Replica, State, Station
from simulator.results.record import Outcome

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine

Queue = Fifo | PriorityFifo
IDLE = State.IDLE  # an enum's member is slow to look up in the hot loop


def dispatch_alike(engine: Engine, line: Line, now: float) -> None:
    """Each idle replica, by ascending number, starts iff waiting >= batch or now >= due; takes min(batch, waiting).

    Replicas of one kind are ready together, so the first that is not ready ends the walk.
    """
    station, fifo, idle = line.station, line.fifo, line.idle
    drops, replicas, phase = station.drops, station.replicas, station.phases[0][0]
    batch = phase.batch
    while idle:
        replica = replicas[idle[0]]
        waiting = fifo.size
        if drops and waiting:
            drop_stale(engine, station, fifo, phase, now)
            waiting = fifo.size
        if waiting >= batch:
            heappop(idle)
            engine.start(line, replica, phase, fifo, batch, now)
        elif waiting and (not fifo.waits or fifo.earliest_due(0) <= now):
            heappop(idle)
            engine.start(line, replica, phase, fifo, waiting, now)
        else:
            if waiting:
                _wait(engine, line, fifo.earliest_due(0), drops)
            break


def dispatch_kinds(engine: Engine, line: Line, now: float) -> None:
    """The same walk over several kinds of replica: batch and ``max_wait`` differ, so each idle one is asked."""
    fifo, drops = line.fifo, line.station.drops
    left: list[Replica] = []
    for replica in _idle_replicas(line):
        phase = replica.phases[0]
        if drops and fifo:
            drop_stale(engine, line.station, fifo, phase, now)
        k = _ready(fifo, replica.kind, phase.batch, now)
        if k:
            engine.start(line, replica, phase, fifo, k, now)
        else:
            left.append(replica)
    line.idle = [replica.number for replica in left]
    heapify(line.idle)
    if fifo and left:
        _wait(engine, line, min(fifo.earliest_due(kind) for kind in {r.kind for r in left}), drops)


def dispatch_serial(engine: Engine, line: Line, now: float) -> None:
    """Each idle replica serves its deepest ready buffer, else the service queue."""
    drops = line.station.drops
    left: list[Replica] = []
    for replica in _idle_replicas(line):
        for depth in reversed(range(len(replica.phases))):
            phase = replica.phases[depth]
            fifo: Queue = replica.buffers[depth - 1] if depth else line.fifo
            if drops and fifo:
                drop_stale(engine, line.station, fifo, phase, now)
            k = _ready(fifo, 0 if depth else replica.kind, phase.batch, now)
            if k:
                engine.start(line, replica, phase, fifo, k, now)
                break
        else:
            left.append(replica)
    line.idle = [replica.number for replica in left]
    heapify(line.idle)
    dues = [buffer.earliest_due(0) for replica in left for buffer in replica.buffers if buffer]
    if line.fifo:
        dues += [line.fifo.earliest_due(kind) for kind in {replica.kind for replica in left}]
    if dues:
        _wait(engine, line, min(dues), drops)


def drop_stale(engine: Engine, station: Station, fifo: Queue, phase: PhaseState, now: float) -> None:
    """Drop, of the requests that a replica would take, those that the policy gives up; the next ones move up."""
    table = station.service
    latest = now + (phase.spec.floor_s if table.spec.drop == "hopeless" else 0.0)
    deadline = table.deadline
    while True:
        stale = [r for r in fifo.first(phase.batch) if latest > deadline[r] and not table.is_answered(r)]
        if not stale:
            return
        fifo.remove_among_first(phase.batch, set(stale))
        for request in stale:
            engine.end(station, request, now, Outcome.DROPPED)


def _idle_replicas(line: Line) -> list[Replica]:
    replicas = line.station.replicas
    return [replicas[number] for number in sorted(line.idle)]


def _ready(fifo: Queue, kind: int, batch: int, now: float) -> int:
    """How many requests a replica of this kind starts with now; 0 when it is not ready."""
    n = fifo.size
    if n >= batch:
        return batch
    if n and (not fifo.waits or fifo.earliest_due(kind) <= now):
        return n
    return 0


def _wait(engine: Engine, line: Line, due: float, drops: bool) -> None:
    """Nobody is ready: dispatch again when the oldest is due, and with a drop policy at every instant until then."""
    if drops:
        engine.lingering.add(line)
    if due < line.timer or line.timer <= engine.clock._now:
        line.timer = due
        if due < INFINITY:
            engine.clock.schedule_at(due, (TIMER, *line.order), engine.touch, line)


def discipline_of(spec: lowered.Station) -> Callable[[Engine, Line, float], None]:
    """How the replicas of a station take from its queues."""
    if spec.serial:
        return dispatch_serial
    return dispatch_alike if len(spec.kinds) == 1 else dispatch_kinds
