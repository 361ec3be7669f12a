"""Lines and queues of the compiled engine as the objects that faults, windows and moves work on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simulator.cluster.compiled import columns as c
from simulator.cluster.compiled.arrays import Arrays
from simulator.cluster.compiled.sets import SMALL
from simulator.cluster.fifo import Taken, picked

if TYPE_CHECKING:
    from simulator.cluster.compiled.station_views import CompiledReplica, CompiledStation


class Queue:
    """The queues of a line (one for each priority), or one buffer of a serial replica; as ``fifo.Fifo``."""

    def __init__(self, arrays: Arrays, first: int, bands: int, kinds: int, line: int = -1, replica: int = -1) -> None:
        self._arrays, self._first, self._bands, self._kinds = arrays, first, bands, kinds
        self._line, self._replica = line, replica

    def __len__(self) -> int:
        """Requests waiting."""
        return int(self._arrays.queues[self._first : self._first + self._bands, c.Q_SIZE].sum())

    @property
    def waits(self) -> tuple[float, ...]:
        """``max_wait`` by kind [s]; empty when no request has a due."""
        if not self._arrays.queues[self._first, c.Q_WAITS]:
            return ()
        return tuple(self._arrays.waits[self._first, : self._kinds].tolist())

    def take(self, k: int) -> Taken:
        """Remove and return all requests (``k`` of them) by (priority, entry)."""
        arrays = self._arrays
        requests: list[int] = []
        for q in range(self._first, self._first + self._bands):
            requests += chain(arrays, int(arrays.queues[q, c.Q_HEAD]))
            arrays.queues[q, [c.Q_HEAD, c.Q_TAIL]] = -1
            arrays.queues[q, [c.Q_SIZE, c.Q_MIXED]] = 0
        assert len(requests) == k
        self._count(-k)
        kinds = self._kinds if self.waits else 0
        return requests, arrays.times[requests, c.F_ENTERED].tolist(), arrays.dues[requests, :kinds].T.tolist()

    def put_first(self, taken: Taken) -> None:
        """Requests come back to the head of their own class, in order, with their old dues."""
        arrays = self._arrays
        for q, (requests, entered, dues) in self._split(taken):
            self._write(q, requests, entered, dues)
            head = int(arrays.queues[q, c.Q_HEAD]) if arrays.queues[q, c.Q_SIZE] else -1
            self._chain([*requests, *([head] if head >= 0 else [])])
            arrays.queues[q, c.Q_HEAD] = requests[0]
            if head < 0:
                arrays.queues[q, c.Q_TAIL] = requests[-1]
                arrays.requests[requests[-1], c.R_NEXT] = -1
            arrays.queues[q, c.Q_SIZE] += len(requests)
            last = arrays.queues[q, c.Q_LAST] if arrays.queues[q, c.Q_MIXED] else requests[-1]
            arrays.queues[q, [c.Q_MIXED, c.Q_LAST, c.Q_SETTLED]] = arrays.queues[q, c.Q_MIXED] + len(requests), last, 0

    def put_last(self, taken: Taken) -> None:
        """Requests move in behind the others of their class with their old entry instants and dues."""
        for q, (requests, entered, dues) in self._split(taken):
            self._write(q, requests, entered, dues)
            self._append(q, requests)

    def move_in(self, request: int, now: float, since: float) -> None:
        """One request enters at ``now`` [s] that has been waiting elsewhere since ``since`` [s]."""
        q = self._band(request)
        self._write(q, [request], [since], [[now + wait] for wait in self.waits])
        self._append(q, [request])
        self._count(1)

    def set_waits(self, waits: Sequence[float]) -> None:
        """New ``max_wait`` by kind [s] for requests that enter from now on."""
        arrays = self._arrays
        for q in range(self._first, self._first + self._bands):
            had = bool(arrays.queues[q, c.Q_WAITS])
            if (tuple(waits) == tuple(arrays.waits[q, : len(waits)].tolist())) if had else not any(waits):
                continue
            inside = chain(arrays, int(arrays.queues[q, c.Q_HEAD])) if arrays.queues[q, c.Q_SIZE] else []
            if inside and not had:
                arrays.dues[inside] = arrays.times[inside, c.F_ENTERED][:, None]
            arrays.waits[q, : len(waits)] = waits
            arrays.queues[q, c.Q_WAITS] = 1
            if inside:
                self._mix(q)

    def _band(self, request: int) -> int:
        if self._bands == 1:
            return self._first
        return self._first + int(self._arrays.bands[self._arrays.requests[request, c.R_GROUP]])

    def _split(self, taken: Taken) -> list[tuple[int, Taken]]:
        """What was taken by queue; counted as waiting here from now on."""
        rows: dict[int, list[int]] = {}
        for i, request in enumerate(taken[0]):
            rows.setdefault(self._band(request), []).append(i)
        self._count(len(taken[0]))
        return [(q, picked(taken, mine)) for q, mine in rows.items()]

    def _write(self, q: int, requests: list[int], entered: list[float], dues: list[list[float]]) -> None:
        arrays = self._arrays
        arrays.times[requests, c.F_ENTERED] = entered
        if arrays.queues[q, c.Q_WAITS]:
            for kind in range(self._kinds):  # without dues they were taken while nobody waited: due at once
                arrays.dues[requests, kind] = dues[kind] if dues else entered

    def _append(self, q: int, requests: list[int]) -> None:
        arrays = self._arrays
        size = int(arrays.queues[q, c.Q_SIZE])
        self._chain(([int(arrays.queues[q, c.Q_TAIL])] if size else []) + requests)
        if not size:
            arrays.queues[q, c.Q_HEAD] = requests[0]
        arrays.queues[q, c.Q_TAIL] = requests[-1]
        arrays.requests[requests[-1], c.R_NEXT] = -1
        arrays.queues[q, c.Q_SIZE] = size + len(requests)
        self._mix(q)

    def _mix(self, q: int) -> None:
        """Whoever waits in a queue may be out of the order of the dues; the kernel settles them when it asks."""
        mine = self._arrays.queues[q]
        mine[[c.Q_MIXED, c.Q_LAST, c.Q_SETTLED]] = mine[c.Q_SIZE], mine[c.Q_TAIL], 0

    def _chain(self, requests: list[int]) -> None:
        self._arrays.requests[requests[:-1], c.R_NEXT] = requests[1:]
        self._arrays.requests[requests[1:], c.R_PREV] = requests[:-1]

    def _count(self, more: int) -> None:
        """Keep the counts of the line and its station, or of the replica, in step."""
        arrays = self._arrays
        if self._line >= 0:
            arrays.lines[self._line, c.L_SIZE] += more
            arrays.stations[arrays.lines[self._line, c.L_STATION], c.S_WAITING] += more
        else:
            arrays.replicas[self._replica, c.P_BUFFERED] += more


class CompiledLine:
    """One queue and the replicas that draw from it; as ``state.Line``."""

    def __init__(self, arrays: Arrays, station: CompiledStation, number: int) -> None:
        row = int(arrays.stations[station.row, c.S_LINE]) + number
        self.arrays, self.station, self.row = arrays, station, row
        bands = int(arrays.lines[row, c.L_BANDS])
        self.fifo = Queue(arrays, int(arrays.lines[row, c.L_QUEUE]), bands, len(station.spec.kinds), line=row)
        self.fifo.set_waits([wait[0] for wait in station.waits])
        self.set_least()

    def set_least(self) -> None:
        """See ``state.Line.set_least``; where windows may shorten ``max_wait`` every arrival counts."""
        station = self.station
        waits = self.fifo.waits and not station.drops and not station.spec.serial and len(station.phases) == 1
        batch = station.phases[0][0].batch if waits and not station.service.windowed else 1
        self.arrays.lines[self.row, c.L_LEAST] = batch

    def gain(self, number: int) -> None:
        """Replica ``number`` may take batches."""
        replica: CompiledReplica = self.station.replicas[number]
        add_idle(self.arrays, self.station.row, replica.row)
        self.arrays.lines[self.row, c.L_IDLE] += 1

    def forget(self, number: int) -> None:
        """Replica ``number`` takes no batch any more, for now or for good."""
        if drop_idle(self.arrays, self.station.row, number):
            self.arrays.lines[self.row, c.L_IDLE] -= 1


def chain(arrays: Arrays, first: int) -> list[int]:
    """Requests linked from ``first`` on, in order."""
    found = []
    while first >= 0:
        found.append(first)
        first = int(arrays.requests[first, c.R_NEXT])
    return found


def add_idle(arrays: Arrays, station: int, replica: int) -> None:
    """Put a replica into the set of its kind, or of those with requests in their buffers; see ``sets``."""
    s, p = arrays.stations[station], arrays.replicas[replica]
    group = int(s[c.S_KINDS] if p[c.P_BUFFERED] > 0 else p[c.P_KIND])
    for word, bit in _places(s, group, int(p[c.P_NUMBER])):
        arrays.idle[word] |= _mask(bit)


def drop_idle(arrays: Arrays, station: int, number: int) -> bool:
    """Take a replica out of every set of its station; whether it was in one."""
    s = arrays.stations[station]
    found = False
    for group in range(int(s[c.S_KINDS] + s[c.S_SERIAL])):
        for word, bit in _places(s, group, number):
            mask = _mask(bit)
            if not arrays.idle[word] & mask:
                break
            found = True
            arrays.idle[word] &= ~mask
            if arrays.idle[word]:
                break
    return found


def _places(s: Sequence[int], group: int, number: int) -> list[tuple[int, int]]:
    """(word, bit) of a member on the three levels, the lowest first."""
    size = int(s[c.S_SET])
    base = int(s[c.S_BITS]) + group * size
    middle = base + 1
    low = middle + (size - 1 + 64) // 65
    if size == SMALL:
        return [(low, number)]
    return [(low + (number >> 6), number & 63), (middle + (number >> 12), (number >> 6) & 63), (base, number >> 12)]


def _mask(bit: int) -> int:
    return -(1 << 63) if bit == 63 else 1 << bit
