"""Survivors travel to the next portion: over a link of the sender's own, or over one that all share."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from simulator.cluster.clock import TRANSFER, Key
from simulator.cluster.lowered import Link
from simulator.cluster.state import Batch, Replica, Station

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine


def hand_over(engine: Engine, batch: Batch) -> None:
    """Start the transfer of a batch's survivors at the end of its service.

    The sender is idle again when they have arrived; with ``overlap`` at once, its transfers then go one by one.
    """
    replica = batch.replica
    station = replica.station
    if engine.lowered.overlap:
        _send_behind(engine, batch)
    elif batch.phase.link >= 0:
        engine.links[batch.phase.link].send(batch)
    elif station.hands_on_at_once:
        _deliver(engine, station, batch.survivors or [])
        engine.release(replica)
    else:
        arrival = batch.end + batch.phase.transfers[len(batch.survivors or ())]
        engine.clock.schedule_at(arrival, transfer_key(batch), lambda b: arrived(engine, b), batch)


def _send_behind(engine: Engine, batch: Batch) -> None:
    replica = batch.replica
    replica.under_way.append(batch)
    if batch.phase.link >= 0:
        if len(replica.under_way) == 1:
            engine.links[batch.phase.link].send(batch)
    else:
        begin = max(batch.end, replica.link_free)
        replica.link_free = begin + batch.phase.transfers[len(batch.survivors or ())]
        engine.clock.schedule_at(replica.link_free, transfer_key(batch), lambda b: arrived(engine, b), batch)
    engine.release(replica)


def arrived(engine: Engine, batch: Batch) -> None:
    """Survivors enter the next portion; a sender that waited for that is idle again."""
    if batch.aborted:
        return
    replica = batch.replica
    now = engine.clock.now
    _deliver(engine, replica.station, batch.survivors or [])
    if batch in replica.under_way:
        engine.recorder.arrived(batch, now, batch.end)
        replica.under_way.remove(batch)
        if replica.under_way and batch.phase.link >= 0:
            engine.links[batch.phase.link].send(replica.under_way[0])
        elif replica.leaving and not replica.under_way and replica.batch is None:
            engine.unsettled.append(replica)
    else:
        engine.recorder.arrived(batch, now, now)
        engine.release(replica)


def _deliver(engine: Engine, station: Station, survivors: list[int]) -> None:
    if station.successor is not None and not station.service.tracked:
        engine.enter(station.successor, survivors)
        return
    for request in station.service.still_needed(survivors):
        engine.enter(station.service.advance(request), [request])


def transfer_key(batch: Batch) -> Key:
    """Order of transfer arrivals of one instant: portion left, then sender (a batch keeps its own order)."""
    sender = batch.replica
    return (TRANSFER, sender.station.service.index, batch.phase.spec.portion, sender.number)


class SharedLink:
    """A link whose bandwidth is divided fairly among the transfers under way (processor sharing).

    ``served`` counts the bytes that each transfer present since the beginning would have got; a transfer that joins at
    ``served = v`` with ``n`` bytes is through when ``served = v + n``: no other needs an update when one joins.
    """

    def __init__(self, engine: Engine, spec: Link) -> None:
        self.engine = engine
        self.spec = spec
        self.served = 0.0
        self.updated = 0.0
        self.active: list[tuple[float, Key, int, Batch]] = []
        self.epoch = 0

    def send(self, batch: Batch) -> None:
        """A transfer starts now: first the latency, then its bytes."""
        clock = self.engine.clock
        clock.schedule_at(clock.now + self.spec.latency_s, transfer_key(batch), self._join, batch)

    def remove(self, batch: Batch) -> None:
        """A fault takes a transfer off the link."""
        self._advance()
        self.active = [entry for entry in self.active if entry[3] is not batch]
        heapify(self.active)
        self._plan()

    def _join(self, batch: Batch) -> None:
        if batch.aborted:
            return
        self._advance()
        size = len(batch.survivors or ()) * batch.phase.spec.transfer_bytes
        self.epoch += 1
        heappush(self.active, (self.served + size, transfer_key(batch), self.epoch, batch))
        self._plan()

    def _advance(self) -> None:
        now = self.engine.clock.now
        if self.active:
            self.served += (now - self.updated) * self.spec.bandwidth / len(self.active)
        self.updated = now

    def _plan(self) -> None:
        """The next transfer to finish, if nothing changes before."""
        self.epoch += 1
        if self.active:
            target, key, _, _ = self.active[0]
            rest = max(target - self.served, 0.0) * len(self.active) / self.spec.bandwidth
            self.engine.clock.schedule_at(self.engine.clock.now + rest, key, self._through, (self.epoch, target))

    def _through(self, arg: tuple[int, float]) -> None:
        epoch, target = arg
        if epoch != self.epoch:
            return
        self._advance()
        self.served = target
        done = []
        while self.active and self.active[0][0] <= target:
            done.append(heappop(self.active))
        self._plan()
        for _, _, _, batch in sorted(done, key=lambda entry: entry[1]):
            arrived(self.engine, batch)


def forget_transfers(engine: Engine, replica: Replica, batches: list[Batch]) -> None:
    """A fault ends the transfers of ``batches``; their bytes leave a shared link."""
    for batch in batches:
        if batch.done and batch.phase.link >= 0:
            engine.links[batch.phase.link].remove(batch)
