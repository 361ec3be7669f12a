"""Replicas fail and are repaired; what they had in service goes back to the queue or fails."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from simpy import Event

from simulator.cluster.fifo import Taken, joined, picked
from simulator.cluster.links import forget_transfers
from simulator.cluster.moves import move_waiting, redirect
from simulator.cluster.state import Batch, Replica, State
from simulator.results.record import Outcome
from simulator.streams import stream

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine


def fault_process(engine: Engine, replica: Replica) -> Generator[Event, None, None]:
    """Up and down times of one replica: exponential on calendar time, busy or not, from its own stream."""
    table, kind = replica.station.service, replica.spec
    name = (engine.replication, table.spec.info.name, "faults", replica.station.spec.name, replica.number)
    rng = stream(engine.lowered.seed, *name)
    key = (0, table.index, replica.station.index, replica.number)
    instant = replica.ready
    while True:
        instant += kind.mtbf_s * float(rng.standard_exponential())
        yield engine.clock.at(instant, key)
        if replica.is_gone():
            return
        _fail(engine, replica)
        instant += kind.mttr_s * float(rng.standard_exponential())
        yield engine.clock.at(instant, key)
        if replica.is_gone():
            return
        _repair(engine, replica)


def _fail(engine: Engine, replica: Replica) -> None:
    now = engine.clock.now
    batches = [*replica.under_way, *([replica.batch] if replica.batch else [])]
    replica.state = State.DOWN
    replica.failed = now
    replica.line.forget(replica.number)
    replica.batch = None
    replica.under_way = []
    replica.link_free = now
    if replica.incoming is not None:
        replica.incoming.stop()
    replica.station.refresh_open_lines()
    for batch in batches:
        batch.aborted = True
        if batch.by_layer is not None:
            batch.by_layer.cancel()
        engine.give_answers(batch, now)
        engine.recorder.abort(batch, now, batch.end if batch.done and engine.lowered.overlap else now)
    forget_transfers(engine, replica, batches)
    returned = [_unfinished(batch, now) for batch in batches]
    if replica.station.spec.serial:
        returned = [_restarted(replica, returned)]
    for taken in reversed(returned):
        _put_back(engine, replica, _retried(engine, replica, taken, now))
    if not replica.station.shared:
        move_waiting(engine, replica.line)
    if replica.leaving:
        engine.pools.retire(replica)


def _unfinished(batch: Batch, now: float) -> Taken:
    """Members of an aborted batch that still need service, in batch order; an answer given stands and its slot ends.

    Their next wait counts from ``now`` [s]; their dues stay as they were.
    """
    table = batch.replica.station.service
    going_on = set(batch.survivors or ()) if batch.done else set(batch.requests)
    rows = []
    for i, request in enumerate(batch.requests):
        if request not in going_on:
            continue
        if not table.is_answered(request):
            rows.append(i)
        else:
            table.slot_ends(request)
    return picked((batch.requests, [now] * len(batch.requests), batch.dues), rows)


def _restarted(replica: Replica, batches: list[Taken]) -> Taken:
    """Serial execution: intermediate results are lost with the replica, so its buffers too start over."""
    table = replica.station.service
    buffers = [buffer.take(len(buffer)) for buffer in reversed(replica.buffers) if buffer]
    whole = joined(batches + buffers, 0)
    rows = []
    for i, request in enumerate(whole[0]):
        if not table.is_answered(request):
            rows.append(i)
        else:
            table.slot_ends(request)
    requests, since, _ = picked(whole, rows)
    return requests, since, [[table.arrival[r] + wait for r in requests] for wait in replica.line.fifo.waits]


def _retried(engine: Engine, replica: Replica, taken: Taken, now: float) -> Taken:
    """One attempt more for each; beyond ``retries`` it fails."""
    table = replica.station.service
    rows = []
    for i, request in enumerate(taken[0]):
        attempts = table.attempts.get(request, 0) + 1
        table.attempts[request] = attempts
        if attempts > table.spec.retries:
            engine.end(replica.station, request, now, Outcome.FAILED)
        else:
            rows.append(i)
    return picked(taken, rows)


def _put_back(engine: Engine, replica: Replica, taken: Taken) -> None:
    station = replica.station
    if station.closed:
        redirect(engine, station, taken[0], taken[1])
        return
    if station.shared:
        replica.line.fifo.put_first(taken)
        engine.touch(replica.line)
        return
    for i in reversed(range(len(taken[0]))):
        line = station.route(taken[0][i])
        line.fifo.put_first(picked(taken, [i]))
        engine.touch(line)


def _repair(engine: Engine, replica: Replica) -> None:
    replica.state = State.IDLE
    replica.lost += engine.clock.now - replica.failed
    if replica.incoming is not None:
        replica.incoming.begin()
    replica.station.refresh_open_lines()
    replica.line.gain(replica.number)
    engine.touch(replica.line)
    for line in replica.station.waiting_lines():  # requests that came while no replica was up
        move_waiting(engine, line)
