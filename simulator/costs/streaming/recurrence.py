"""When every load, computation, return and update of a step starts and ends: the exact recurrence.

Visits stand in the order in which the device computes them. Of visit v:

- its load starts when its link is free, a slot is free, and (``after``) what it fetches has been put away before;
- it computes when its load has arrived, the visit before has computed, and a return buffer is free;
- then its return starts when the other direction is free, and its update when the server is free.

A slot is freed when the visit that ``releases`` it has computed. Loads, returns and updates are first come, first
served in the order of visits. Every end is ``start + duration`` and every start a maximum of ends, in that order of
additions, so whatever executes the same rules event by event meets the same instants to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InternalError

Floats = NDArray[np.float64]
BUFFERS = 2
"""Buffers for what goes back: one is filled while the other leaves."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One layer in one phase; durations [s] are arrays of one shape, an entry for each group size.

    ``load_s``: of the links from far to near (one, or storage and device), empty where nothing is loaded;
    ``releases``: a slot is free after this visit; ``return_s``, ``update_s``: None where nothing goes back; ``after``:
    the visit whose return must have ended before the near link may load.
    """

    layer: int
    backward: bool
    compute_s: Floats
    load_s: tuple[Floats, ...] = ()
    releases: bool = True
    return_s: Floats | None = None
    update_s: Floats | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Instants of one step [s], one entry for each visit; NaN where a visit has no load or return.

    Shapes are (visits, group sizes), ``finish`` (group sizes,). ``load`` is the near link.
    """

    load_start: Floats
    load_end: Floats
    compute_start: Floats
    compute_end: Floats
    return_end: Floats
    finish: Floats


def run(visits: Sequence[Visit], slots: int, *, host_slots: int = BUFFERS) -> Timeline:
    """Execute ``visits`` with ``slots`` layer slots on the device and ``host_slots`` on the way from storage."""
    state = _State(visits[0].compute_s.shape, slots, host_slots)
    shape = (len(visits), *visits[0].compute_s.shape)
    found = [np.full(shape, np.nan) for _ in range(5)]
    for v, visit in enumerate(visits):
        ready = state.computed
        if visit.load_s:
            found[0][v], found[1][v] = state.load(visit)
            ready = np.maximum(found[1][v], ready)
        if visit.return_s is not None:
            ready = np.maximum(ready, state.buffer())
        found[2][v] = ready
        found[3][v] = state.compute(visit, ready)
        if visit.return_s is not None:
            found[4][v] = state.send_back(v, visit)
    return Timeline(found[0], found[1], found[2], found[3], found[4], state.finish)


class _State:
    """Where the resources stand: the last end of each, and what has been released so far."""

    def __init__(self, shape: tuple[int, ...], slots: int, host_slots: int) -> None:
        self.zero = np.zeros(shape)
        self.computed = self.zero
        self.finish = self.zero
        self._slots, self._host_slots = slots, host_slots
        self._far = self._near = self._back = self._server = self.zero
        self._arrived: list[Floats] = []
        self._released: list[Floats] = []
        self._returned: dict[int, Floats] = {}
        self._returns: list[Floats] = []

    def load(self, visit: Visit) -> tuple[Floats, Floats]:
        """Start and end on the near link."""
        number = len(self._arrived)
        start = np.maximum(self._near, self._nth(self._released, number - self._slots))
        if len(visit.load_s) > 1:
            begin = np.maximum(self._far, self._nth(self._arrived, number - self._host_slots))
            self._far = begin + visit.load_s[0]
            start = np.maximum(start, self._far)
        if visit.after is not None:
            start = np.maximum(start, self._returned[visit.after])
        self._near = start + visit.load_s[-1]
        self._arrived.append(self._near)
        return start, self._near

    def buffer(self) -> Floats:
        """When a return buffer is free."""
        return self._nth(self._returns, len(self._returns) - BUFFERS)

    def compute(self, visit: Visit, start: Floats) -> Floats:
        self.computed = start + visit.compute_s
        self.finish = np.maximum(self.finish, self.computed)
        if visit.releases:
            self._released.append(self.computed)
        return self.computed

    def send_back(self, number: int, visit: Visit) -> Floats:
        assert visit.return_s is not None
        self._back = np.maximum(self._back, self.computed) + visit.return_s
        self._returned[number] = self._back
        self._returns.append(self._back)
        self.finish = np.maximum(self.finish, self._back)
        if visit.update_s is not None:
            self._server = np.maximum(self._server, self._back) + visit.update_s
            self.finish = np.maximum(self.finish, self._server)
        return self._back

    def _nth(self, ends: list[Floats], number: int) -> Floats:
        if number < 0:
            return self.zero
        if number >= len(ends):
            raise InternalError("a load waits for a slot that only a later visit frees")
        return ends[number]
