"""A queue of several priorities: one first-in first-out band for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulator.cluster.fifo import Fifo, Taken, joined, picked


class PriorityFifo:
    """Several :class:`Fifo` bands, served from the highest priority down; same interface."""

    __slots__ = ("band_of", "bands", "waits")

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
