"""Queues of the compiled engine against the same naive list as those of the reference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from simulator.cluster.compiled import columns as c
from simulator.cluster.compiled.queue_views import Queue, chain
from simulator.cluster.compiled.queues import earliest_due, join, mix, newest_queue, unlink
from simulator.cluster.compiled.start import cut
from simulator.cluster.fifo import Taken, joined
from tests.cluster.test_queues import Queues

SLOTS, KINDS = 2000, 2


class Kernel:
    """What the kernel and the views do to the queues of one line, as a ``Fifo`` or ``PriorityFifo``."""

    def __init__(self, waits: list[float], bands: int) -> None:
        self.bands, self.kinds = bands, len(waits)
        self.arrays = a = SimpleNamespace(
            requests=np.zeros((SLOTS, c.R_INTS), np.int64),
            times=np.zeros((SLOTS, c.R_FLOATS)),
            dues=np.zeros((SLOTS, 2 * KINDS)),
            queues=np.full((bands, c.Q_INTS), -1, np.int64),
            waits=np.zeros((bands, KINDS)),
            lines=np.zeros((1, c.L_INTS), np.int64),
            stations=np.zeros((1, c.S_INTS), np.int64),
            bands=np.arange(bands),
        )
        a.queues[:, [c.Q_SIZE, c.Q_MIXED, c.Q_SETTLED, c.Q_WAITS]] = 0
        a.lines[0, c.L_BANDS] = bands
        a.requests[:, c.R_GROUP] = np.arange(SLOTS) % bands
        a.requests[:, c.R_NUMBER] = np.arange(SLOTS)
        self.view = Queue(a, 0, bands, self.kinds, line=0)  # type: ignore[arg-type]
        self.view.set_waits(waits)

    def __len__(self) -> int:
        assert len(self.view) == self.arrays.lines[0, c.L_SIZE] == self.arrays.stations[0, c.S_WAITING]
        return len(self.view)

    @property
    def size(self) -> int:
        return len(self)

    @property
    def waits(self) -> tuple[float, ...]:
        return self.view.waits

    def push(self, request: int, now: float) -> int:
        a = self.arrays
        q: int = join(a.lines, a.stations, a.bands, a.queues, a.waits, a.requests, a.times, a.dues, 0, request, now)
        return q

    def extend(self, requests: list[int], now: float) -> None:
        for request in requests:
            self.push(request, now)

    def move_in(self, request: int, now: float, since: float) -> None:
        """Every other one by the control code, every other one as ``enter.redirect``."""
        if request % 2:
            self.view.move_in(request, now, since)
        else:
            q = self.push(request, now)
            self.arrays.times[request, c.F_ENTERED] = since
            mix(self.arrays.queues, self.arrays.requests, self.arrays.dues, q)

    def take(self, k: int) -> Taken:
        parts, a = [], self.arrays
        a.lines[0, c.L_SIZE] -= k
        a.stations[0, c.S_WAITING] -= k
        for q in range(self.bands):
            n = min(k, int(a.queues[q, c.Q_SIZE]))
            if n:
                k -= n
                head = int(a.queues[q, c.Q_HEAD])
                cut(a.queues, a.requests, a.times, q, n)
                taken = chain(a, head)  # type: ignore[arg-type]
                dues = a.dues[taken, : self.kinds].T.tolist() if self.waits else []
                parts.append((taken, a.times[taken, c.F_ENTERED].tolist(), dues))
        return joined(parts, self.kinds if self.waits else 0)

    def put_first(self, taken: Taken) -> None:
        self.view.put_first(taken)

    def put_last(self, taken: Taken) -> None:
        self.view.put_last(taken)

    def _standing(self, q: int) -> list[int]:
        head = int(self.arrays.queues[q, c.Q_HEAD])
        return chain(self.arrays, head) if self.arrays.queues[q, c.Q_SIZE] else []  # type: ignore[arg-type]

    def first(self, k: int) -> list[int]:
        return [request for q in range(self.bands) for request in self._standing(q)][:k]

    def _unlink(self, q: int, request: int, place: int) -> None:
        a = self.arrays
        unlink(a.queues, a.requests, a.dues, q, request, place)
        a.lines[0, c.L_SIZE] -= 1
        a.stations[0, c.S_WAITING] -= 1

    def remove_among_first(self, k: int, stale: set[int]) -> None:
        """One after another, as ``serve.drop_stale``."""
        for q in range(self.bands):
            kept = 0
            for request in self._standing(q)[:k]:
                k -= 1
                if request in stale:
                    self._unlink(q, request, kept)
                else:
                    kept += 1

    def newest(self) -> int:
        a = self.arrays
        return int(a.queues[newest_queue(a.lines, a.queues, a.requests, 0), c.Q_TAIL])

    def pop_newest(self) -> int:
        a = self.arrays
        q = newest_queue(a.lines, a.queues, a.requests, 0)
        request = int(a.queues[q, c.Q_TAIL])
        self._unlink(q, request, a.queues[q, c.Q_SIZE] - 1)
        return request

    def set_waits(self, waits: list[float]) -> None:
        self.view.set_waits(waits)

    def earliest_due(self, kind: int) -> float:
        a = self.arrays
        return float(earliest_due(a.lines, a.queues, a.requests, a.times, a.dues, 0, kind))


class CompiledQueues(Queues):
    """One priority."""

    def make(self, waits: list[float]) -> Any:
        return Kernel(waits, self.bands)


class CompiledPriorityQueues(CompiledQueues):
    """Three priorities."""

    bands = 3


TestCompiled = CompiledQueues.TestCase
TestCompiled.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCompiledPriority = CompiledPriorityQueues.TestCase
TestCompiledPriority.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("waits", [[1.0], [1.0, 0.0]])
def test_waits_that_stay_the_same_mix_nothing(waits: list[float]) -> None:
    queue = Kernel(waits, 1)
    queue.extend([0, 1, 2], 0.0)
    queue.set_waits(waits)
    assert not queue.arrays.queues[0, c.Q_MIXED]
