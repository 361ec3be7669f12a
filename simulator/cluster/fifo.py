"""Queues of requests: first in, first out, with entry instants and dues."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from simulator.cluster.clock import INFINITY

COMPACT_AT = 8192
"""Taken entries that may stay in front of the lists before they are cut off (amortised cost 0)."""


Taken = tuple[list[int], list[float], list[list[float]]]
"""What is taken from a queue: requests in order, when each entered, when each is due (by kind). A plain tuple, because
one is made for every batch."""


class Fifo:
    """Requests in order of entry, as parallel lists so that a batch is taken by slices.

    ``waits`` holds ``max_wait`` [s] by kind of replica; empty when no kind waits, and then no due is kept. A due is
    computed once, on entry, and stays with the request when a fault brings it back. Then, and when one moves in, the
    oldest due need not stand at the head: those up to there are *mixed*, and of each it is kept how soon one of those
    from itself on to the last mixed one is due. Whoever stands behind them entered in order.
    """

    __slots__ = ("dues", "entered", "head", "mixed", "requests", "size", "soonest", "waits")

    def __init__(self, waits: Sequence[float]) -> None:
        self.waits = tuple(waits) if any(waits) else ()
        self.requests: list[int] = []
        self.entered: list[float] = []
        self.dues: list[list[float]] = [[] for _ in self.waits]
        self.head = 0
        self.size = 0
        """Requests waiting."""
        self.mixed = 0
        """Where the mixed ones end in the lists."""
        self.soonest: list[list[float]] = [[] for _ in self.waits]
        """Of those up to ``mixed``, by kind [s]; of taken ones it says nothing."""

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
        self._mix()

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
        if end >= COMPACT_AT or not self.size:
            self._cut()
        return taken

    def _cut(self) -> None:
        """Cut those who were taken off the lists."""
        head = self.head
        del self.requests[:head], self.entered[:head]
        for due in self.dues:
            del due[:head]
        if self.mixed:
            for soonest in self.soonest:
                del soonest[:head]
            self.mixed = max(self.mixed - head, 0)
        self.head = 0

    def earliest_due(self, kind: int) -> float:
        """Earliest due over all waiting [s]; only asked of a queue that is not empty."""
        if not self.waits:
            return self.entered[self.head]
        due, head, mixed = self.dues[kind], self.head, self.mixed
        if head >= mixed:
            return due[head]
        soonest = self.soonest[kind][head]
        return min(soonest, due[mixed]) if mixed < len(due) else soonest

    def _mix(self) -> None:
        """All are mixed from now on."""
        known, self.mixed = self.mixed, len(self.requests)
        for due, soonest in zip(self.dues, self.soonest):
            soonest += due[known:]
        self._settle(self.mixed, known)

    def _settle(self, end: int, known: int) -> None:
        """Renew ``soonest`` from before ``end`` back to the head.

        Nothing is right yet from ``known`` on; before, whoever finds its own unchanged ends the walk. So a request that
        moves in is mostly looked at once.
        """
        for due, soonest in zip(self.dues, self.soonest):
            least = soonest[end] if end < self.mixed else INFINITY
            for i in range(end - 1, self.head - 1, -1):
                least = min(least, due[i])
                if i < known and soonest[i] == least:
                    break
                soonest[i] = least

    def put_first(self, taken: Taken) -> None:
        """Requests come back to the head, in order, with their old dues; their wait counts from ``entered``."""
        requests, entered, dues = taken
        dues = dues or [entered] * len(self.dues)  # taken while nobody waited for a batch to fill: due at once
        self._cut()
        self.size += len(requests)
        self.requests[:0] = requests
        self.entered[:0] = entered
        for own, soonest, old in zip(self.dues, self.soonest, dues):
            own[:0] = soonest[:0] = old
        self.mixed += len(requests)
        self._settle(len(requests), 0)

    def put_last(self, taken: Taken) -> None:
        """Requests move in behind the others with their old entry instants and dues (their replica went away)."""
        requests, entered, dues = taken
        dues = dues or [entered] * len(self.dues)
        self.size += len(requests)
        self.requests += requests
        self.entered += entered
        for own, old in zip(self.dues, dues):
            own += old
        self._mix()

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
        if head < self.mixed:
            known = [i for i in keep if i < self.mixed]
            for soonest in self.soonest:
                soonest[head:end] = [soonest[i] for i in known]
            self.mixed += len(known) - (min(end, self.mixed) - head)
            self._settle(head + len(known), head)

    def remove(self, request: int, ascending: bool) -> bool:
        """Take one request out, wherever it stands; whether it was here.

        ``ascending`` says that requests enter in the order of their numbers, as they do in a first portion.
        """
        requests, head = self.requests, self.head
        if ascending and head >= self.mixed:
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
        self._unmix(i)
        return True

    def _unmix(self, i: int) -> None:
        """The one who stood at ``i`` is gone."""
        if i < self.mixed:
            for soonest in self.soonest:
                del soonest[i]
            self.mixed -= 1
            self._settle(i, i)

    def newest(self) -> int:
        """Number of the last request; only asked of a queue that is not empty."""
        return self.requests[-1]

    def pop_newest(self) -> int:
        """Remove and return the last request."""
        self.size -= 1
        self.entered.pop()
        for due in self.dues:
            due.pop()
        self._unmix(len(self.entered))
        return self.requests.pop()

    def set_waits(self, waits: Sequence[float]) -> None:
        """New ``max_wait`` by kind [s] for requests that enter from now on; those inside keep their dues."""
        waits = tuple(waits)
        if waits == self.waits or not (any(waits) or self.waits):
            return
        old = self.dues or [list(self.entered) for _ in waits]
        fresh = [list(self.entered) for _ in range(len(waits) - len(old))]
        self.dues, self.waits = old + fresh, waits
        self.mixed, self.soonest = 0, [[] for _ in waits]
        self._mix()


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
