"""Devices: who holds how many, replicas that come and go, and those that wait for a device."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from simulator.cluster.faults import fault_process
from simulator.cluster.state import Replica, State, Station

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine


class Pools:
    """Free devices by pool, and the replicas that wait for some (in the order in which they were asked for)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.free = [pool.count for pool in engine.lowered.pools]
        self._wanted: list[deque[tuple[Station, int]]] = [deque() for _ in self.free]
        """(station, kind) of replicas that wait for devices, by pool."""

    def hold(self, station: Station, kind: int, now: float, ready: float) -> None:
        """A new replica takes its devices at ``now`` and can serve from ``ready`` on [s]."""
        self.add(station, kind, now, ready)
        station.refresh_open_lines()

    def add(self, station: Station, kind: int, now: float, ready: float) -> None:
        """The same, without telling the routing yet: for adding many at once."""
        spec = station.spec.kinds[kind]
        self.free[spec.pool] -= spec.devices
        number = len(station.replicas)
        if not station.shared and number:
            station.lines.append(station.new_line(number))
        replica = station.new_replica(len(self.engine.replicas), number, kind)
        replica.held, replica.ready = now, ready
        self.engine.replicas.append(replica)
        station.replicas.append(replica)
        if ready <= now:
            self._set_ready(replica)
        else:
            key = (1, station.service.index, 1, station.index, number)
            self.engine.clock.control_at(ready, key, self._loaded, replica)
            if self.engine.server is not None:
                self.engine.server.join(replica)

    def _loaded(self, replica: Replica) -> None:
        if replica.state is not State.GONE:
            self._set_ready(replica)
            replica.station.refresh_open_lines()

    def _set_ready(self, replica: Replica) -> None:
        replica.state = State.IDLE
        replica.line.gain(replica.number)
        if replica.line.fifo:
            self.engine.touch(replica.line)
        if replica.spec.mtbf_s < float("inf"):
            self.engine.clock.process(fault_process(self.engine, replica))

    def fits(self, station: Station, kind: int) -> bool:
        """Whether a replica of this kind finds free devices that nobody asked for before."""
        spec = station.spec.kinds[kind]
        return not self._wanted[spec.pool] and self.free[spec.pool] >= spec.devices

    def want(self, station: Station, kind: int) -> None:
        """Load a replica as soon as devices come free."""
        pool = station.spec.kinds[kind].pool
        self._wanted[pool].append((station, kind))
        self._serve(pool)

    def wished(self, station: Station, kind: int) -> int:
        """How many replicas of this kind wait for devices."""
        return self._wanted[station.spec.kinds[kind].pool].count((station, kind))

    def unwant(self, station: Station, kind: int, count: int) -> int:
        """Take back up to ``count`` wishes, the latest first; how many there were."""
        wanted = self._wanted[station.spec.kinds[kind].pool]
        found = min(count, wanted.count((station, kind)))
        for _ in range(found):
            place = max(i for i, wish in enumerate(wanted) if wish == (station, kind))
            del wanted[place]
        return found

    def retire(self, replica: Replica) -> None:
        """A replica goes for good; its devices are free from now on."""
        if replica.state is State.GONE:
            return
        replica.state = State.GONE
        replica.leaving = True
        replica.released = self.engine.clock.now
        if replica.incoming is not None:
            replica.incoming.stop()
            replica.incoming = None
        replica.station.refresh_open_lines()
        pool = replica.spec.pool
        self.free[pool] += replica.spec.devices
        self._serve(pool)

    def _serve(self, pool: int) -> None:
        wanted, now = self._wanted[pool], self.engine.clock.now
        while wanted and wanted[0][0].spec.kinds[wanted[0][1]].devices <= self.free[pool]:
            station, kind = wanted.popleft()
            if not station.draining:
                self.hold(station, kind, now, now + station.spec.kinds[kind].load_s)
