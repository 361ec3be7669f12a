"""Queues of requests: first in, first out, with entry instants and dues; and the same with priority classes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

COMPACT_AT = 8192
"""Taken entries that may stay in front of the lists before they are cut off (amortised cost 0)."""


Taken = tuple[list[int], list[float], list[list[float]]]
"""What is taken from a queue: requests in order, when each entered, when each is due (by kind). A plain tuple, because
one is made for every batch."""


class Fifo:
    """Requests in order of entry, as parallel lists so that a batch is taken by slices.

    ``waits`` holds ``max_wait`` [s] by kind of replica; empty when no kind waits, and then no due is kept. A due is
    computed once, on entry, and stays with the request when a fault brings it back.
    """

    __slots__ = ("dues", "entered", "head", "mixed", "requests", "size", "waits")

    def __init__(self, waits: Sequence[float]) -> None:
        self.waits = tuple(waits) if any(waits) else ()
        self.requests: list[int] = []
        self.entered: list[float] = []
        self.dues: list[list[float]] = [[] for _ in self.waits]
        self.head = 0
        self.size = 0
        """Requests waiting."""
        self.mixed = False
        """True once a request came back or moved in: then the oldest due need not stand at the head."""

    def __len__(self) -> int:
        return self.size

    def push(self, request: int, now: float) -> None:
        """One request enters at ``now`` [s]."""
        # No call to extend: this is the hottest line of the engine.
        self.size += 1
        self.requests.append(request)
        self.entered.append(now)
        if self.waits:
            for due, wait in zip(self.dues, self.waits):
                due.append(now + wait)

    def move_in(self, request: int, now: float, since: float) -> None:
        """One request enters at ``now`` that has been waiting elsewhere since ``since`` [s]: its wait goes on."""
        self.push(request, now)
        self.entered[-1] = since
        self.mixed = True

    def extend(self, requests: list[int], now: float) -> None:
        """Requests enter together at ``now`` [s], in the given order."""
        n = len(requests)
        self.size += n
        self.requests += requests
        self.entered += [now] * n
        for due, wait in zip(self.dues, self.waits):
            due += [now + wait] * n

    def take(self, k: int) -> Taken:
        """Remove and return the first ``k`` requests."""
        head = self.head
        end = head + k
        dues = [due[head:end] for due in self.dues] if self.waits else []
        taken = (self.requests[head:end], self.entered[head:end], dues)
        self.head = end
        self.size -= k
        if not self.size:
            self.mixed = False
        if end >= COMPACT_AT or not self.size:
            del self.requests[:end], self.entered[:end]
            for due in self.dues:
                del due[:end]
            self.head = 0
        return taken

    def earliest_due(self, kind: int) -> float:
        """Earliest due over all waiting [s]; only asked of a queue that is not empty."""
        if not self.waits:
            return self.entered[self.head]
        due = self.dues[kind]
        return min(due[self.head :]) if self.mixed else due[self.head]

    def put_first(self, taken: Taken) -> None:
        """Requests come back to the head, in order, with their old dues; their wait counts from ``entered``."""
        requests, entered, dues = taken
        dues = dues or [entered] * len(self.dues)  # taken while nobody waited for a batch to fill: due at once
        at = self.head
        self.size += len(requests)
        self.requests[at:at] = requests
        self.entered[at:at] = entered
        for own, old in zip(self.dues, dues):
            own[at:at] = old
        self.mixed = True

    def put_last(self, taken: Taken) -> None:
        """Requests move in behind the others with their old entry instants and dues (their replica went away)."""
        requests, entered, dues = taken
        dues = dues or [entered] * len(self.dues)
        self.size += len(requests)
        self.requests += requests
        self.entered += entered
        for own, old in zip(self.dues, dues):
            own += old
        self.mixed = True

    def first(self, k: int) -> list[int]:
        """The first ``k`` requests, left in place."""
        return self.requests[self.head : self.head + k]

    def remove_among_first(self, k: int, stale: set[int]) -> None:
        """Take the requests of ``stale`` out; all of them stand among the first ``k``."""
        head, end = self.head, min(self.head + k, len(self.requests))
        keep = [i for i in range(head, end) if self.requests[i] not in stale]
        self.size -= end - head - len(keep)
        self.requests[head:end] = [self.requests[i] for i in keep]
        for column in (self.entered, *self.dues):
            column[head:end] = [column[i] for i in keep]

    def remove(self, request: int, ascending: bool) -> bool:
        """Take one request out, wherever it stands; whether it was here.

        ``ascending`` says that requests enter in the order of their numbers, as they do in a first portion.
        """
        requests, head = self.requests, self.head
        if ascending and not self.mixed:
            i = bisect_left(requests, request, head)
            if i == len(requests) or requests[i] != request:
                return False
        else:
            try:
                i = requests.index(request, head)
            except ValueError:
                return False
        self.size -= 1
        del requests[i], self.entered[i]
        for due in self.dues:
            del due[i]
        return True

    def newest(self) -> int:
        """Number of the last request; only asked of a queue that is not empty."""
        return self.requests[-1]

    def pop_newest(self) -> int:
        """Remove and return the last request."""
        self.size -= 1
        self.entered.pop()
        for due in self.dues:
            due.pop()
        return self.requests.pop()

    def set_waits(self, waits: Sequence[float]) -> None:
        """New ``max_wait`` by kind [s] for requests that enter from now on; those inside keep their dues."""
        waits = tuple(waits)
        if not any(waits) and not self.waits:
            return
        n = len(self.requests)
        old = self.dues or [list(self.entered) for _ in waits]
        fresh = [list(self.entered) for _ in range(len(waits) - len(old))]
        self.dues, self.waits, self.mixed = old + fresh, waits, self.mixed or n > self.head


class PriorityFifo:
    """Several :class:`Fifo` bands, served from the highest priority down; same interface."""

    __slots__ = ("band_of", "bands", "mixed", "waits")

    def __init__(self, waits: Sequence[float], bands: int, band_of: Callable[[int], int]) -> None:
        self.bands = [Fifo(waits) for _ in range(bands)]
        self.band_of = band_of
        self.waits = self.bands[0].waits

    def __len__(self) -> int:
        return self.size

    @property
    def size(self) -> int:
        """Requests waiting."""
        return sum(band.size for band in self.bands)

    def push(self, request: int, now: float) -> None:
        """One request enters at ``now`` [s]."""
        self.bands[self.band_of(request)].push(request, now)

    def move_in(self, request: int, now: float, since: float) -> None:
        """One request enters at ``now`` that has been waiting elsewhere since ``since`` [s]."""
        self.bands[self.band_of(request)].move_in(request, now, since)

    def extend(self, requests: list[int], now: float) -> None:
        """Requests enter together at ``now`` [s], in the given order."""
        for request in requests:
            self.push(request, now)

    def take(self, k: int) -> Taken:
        """Remove and return the first ``k`` requests by (priority, entry)."""
        parts = []
        for band in self.bands:
            n = min(k, len(band))
            if n:
                parts.append(band.take(n))
                k -= n
        return joined(parts, len(self.waits))

    def earliest_due(self, kind: int) -> float:
        """Earliest due over all waiting, whatever their class [s]."""
        return min(band.earliest_due(kind) for band in self.bands if band)

    def put_first(self, taken: Taken) -> None:
        """Requests come back to the head of their own class."""
        for band, part in self._split(taken):
            band.put_first(part)

    def put_last(self, taken: Taken) -> None:
        """Requests move in behind the others of their class."""
        for band, part in self._split(taken):
            band.put_last(part)

    def first(self, k: int) -> list[int]:
        """The first ``k`` requests by (priority, entry), left in place."""
        found: list[int] = []
        for band in self.bands:
            found += band.first(k - len(found))
        return found

    def remove_among_first(self, k: int, stale: set[int]) -> None:
        """Take the requests of ``stale`` out; all of them stand among the first ``k``."""
        for band in self.bands:
            n = min(k, len(band))
            k -= n
            if n:
                band.remove_among_first(n, stale)

    def remove(self, request: int, ascending: bool) -> bool:
        """Take one request out of its band; whether it was here."""
        return self.bands[self.band_of(request)].remove(request, ascending)

    def newest(self) -> int:
        """Highest number among the last requests of the bands."""
        return max(band.newest() for band in self.bands if band)

    def pop_newest(self) -> int:
        """Remove and return that request."""
        return max((band for band in self.bands if band), key=Fifo.newest).pop_newest()

    def set_waits(self, waits: Sequence[float]) -> None:
        """New ``max_wait`` by kind [s] for requests that enter from now on."""
        for band in self.bands:
            band.set_waits(waits)
        self.waits = self.bands[0].waits

    def _split(self, taken: Taken) -> list[tuple[Fifo, Taken]]:
        groups: dict[int, list[int]] = {}
        for i, request in enumerate(taken[0]):
            groups.setdefault(self.band_of(request), []).append(i)
        return [(self.bands[band], picked(taken, rows)) for band, rows in groups.items()]


def picked(taken: Taken, rows: list[int]) -> Taken:
    """The given positions of what was taken."""
    requests, entered, dues = taken
    return [requests[i] for i in rows], [entered[i] for i in rows], [[due[i] for i in rows] for due in dues]


def joined(parts: list[Taken], kinds: int) -> Taken:
    """Several takings one after another."""
    requests: list[int] = []
    entered: list[float] = []
    dues: list[list[float]] = [[] for _ in range(kinds)]
    for part in parts:
        requests += part[0]
        entered += part[1]
        for own, more in zip(dues, part[2]):
            own += more
    return requests, entered, dues
