"""Queues against a naive list, whatever is done to them in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simulator.cluster import fifo as module
from simulator.cluster.bands import PriorityFifo
from simulator.cluster.fifo import Fifo, Taken, picked

GAPS = st.sampled_from([0.0, 0.5, 1.0])
WAITS = st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=1, max_size=2)


@dataclass
class Entry:
    """One request of the naive queue; ``dues`` by kind."""

    request: int
    entered: float
    dues: list[float] = field(default_factory=list)


class Queues(RuleBasedStateMachine):
    """Does everything twice: to the queue, and to one sorted list per priority."""

    bands = 1

    def make(self, waits: list[float]) -> Any:
        """The queue."""
        return Fifo(waits) if self.bands == 1 else PriorityFifo(waits, self.bands, lambda request: request % self.bands)

    @initialize(waits=WAITS)
    def begin(self, waits: list[float]) -> None:
        self.queue = self.make(waits)
        self.waits = waits
        self.kept = any(waits)
        """Whether dues are kept (a queue that never waits has none)."""
        self.naive: list[list[Entry]] = [[] for _ in range(self.bands)]
        self.taken: list[Taken] = []
        self.now = 0.0
        self.next = 0
        self.asks = True
        """Whether dues are asked after every step: what is only found out when they are must be right without, too."""

    def _entry(self) -> Entry:
        entry = Entry(self.next, self.now, [self.now + wait for wait in self.waits])
        self.next += 1
        return entry

    def _all(self) -> list[Entry]:
        return [entry for band in self.naive for entry in band]

    @rule(gap=GAPS)
    def push(self, gap: float) -> None:
        self.now += gap
        entry = self._entry()
        self.naive[entry.request % self.bands].append(entry)
        self.queue.push(entry.request, self.now)

    @rule(gap=GAPS, count=st.integers(1, 5))
    def extend(self, gap: float, count: int) -> None:
        self.now += gap
        entries = [self._entry() for _ in range(count)]
        for entry in entries:
            self.naive[entry.request % self.bands].append(entry)
        self.queue.extend([entry.request for entry in entries], self.now)

    @rule(ago=GAPS)
    def move_in(self, ago: float) -> None:
        entry = self._entry()
        entry.entered = self.now - ago
        self.naive[entry.request % self.bands].append(entry)
        self.queue.move_in(entry.request, self.now, entry.entered)

    @precondition(lambda self: self._all())
    @rule(data=st.data())
    def take(self, data: Any) -> None:
        waiting = self._all()
        k = data.draw(st.integers(1, len(waiting)))
        taken = self.queue.take(k)
        assert taken[0] == [entry.request for entry in waiting[:k]]
        assert taken[1] == [entry.entered for entry in waiting[:k]]
        if self.kept:
            assert taken[2] == [[entry.dues[kind] for entry in waiting[:k]] for kind in range(len(self.waits))]
        for entry in waiting[:k]:
            self.naive[entry.request % self.bands].remove(entry)
        self.taken.append(taken)

    def _entries(self, taken: Taken) -> list[Entry]:
        dues = taken[2] if self.kept else [taken[1]] * len(self.waits)
        return [Entry(r, e, [due[i] for due in dues]) for i, (r, e) in enumerate(zip(*taken[:2]))]

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def bring_back(self, data: Any) -> None:
        """Some of a batch return to the head, as after a fault, or move in at the end."""
        taken = self.taken.pop()
        rows = [i for i in range(len(taken[0])) if data.draw(st.booleans())]
        part, first = picked(taken, rows), data.draw(st.booleans())
        entries = self._entries(part)
        for number, band in enumerate(self.naive):
            mine = [entry for entry in entries if entry.request % self.bands == number]
            band[:] = mine + band if first else band + mine
        (self.queue.put_first if first else self.queue.put_last)(part)

    @precondition(lambda self: self._all())
    @rule(data=st.data())
    def drop(self, data: Any) -> None:
        waiting = self._all()
        k = data.draw(st.integers(1, len(waiting) + 2))
        assert self.queue.first(k) == [entry.request for entry in waiting[:k]]
        stale = {entry.request for entry in waiting[:k] if data.draw(st.booleans())}
        self.queue.remove_among_first(k, stale)
        for band in self.naive:
            band[:] = [entry for entry in band if entry.request not in stale]

    @precondition(lambda self: self._all())
    @rule()
    def reject(self) -> None:
        band = max((b for b in self.naive if b), key=lambda b: b[-1].request)
        assert self.queue.newest() == band[-1].request
        assert self.queue.pop_newest() == band.pop().request

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def new_waits(self, data: Any) -> None:
        """Who waits keeps its due."""
        self.waits = [data.draw(st.sampled_from([0.0, 0.5, 3.0])) for _ in self.waits]
        self.queue.set_waits(self.waits)

    @precondition(lambda self: not self.kept)
    @rule(data=st.data())
    def first_waits(self, data: Any) -> None:
        """A queue that never waited: those inside are due since they entered."""
        self.waits = [data.draw(st.sampled_from([0.0, 3.0])) for _ in self.waits]
        self.queue.set_waits(self.waits)
        if any(self.waits):
            self.kept = True
            self.taken.clear()
            for entry in self._all():
                entry.dues = [entry.entered for _ in self.waits]

    @rule(asks=st.booleans())
    def ask(self, asks: bool) -> None:
        self.asks = asks

    @invariant()
    def looks_alike(self) -> None:
        waiting = self._all()
        assert len(self.queue) == self.queue.size == len(waiting)
        assert self.queue.first(len(waiting)) == [entry.request for entry in waiting]
        assert bool(self.queue.waits) == self.kept
        if waiting and self.kept and self.asks:
            for kind in range(len(self.waits)):
                assert self.queue.earliest_due(kind) == min(entry.dues[kind] for entry in waiting)


class PriorityQueues(Queues):
    """Three priorities."""

    bands = 3


TestFifo = Queues.TestCase
TestFifo.settings = settings(max_examples=60, stateful_step_count=40)
TestPriorityFifo = PriorityQueues.TestCase
TestPriorityFifo.settings = settings(max_examples=60, stateful_step_count=40)


def test_long_queues_forget_what_was_taken() -> None:
    queue = Fifo([1.0])
    count = 3 * module.COMPACT_AT
    queue.extend(list(range(count)), 0.0)
    taken = [request for _ in range(count // 3) for request in queue.take(3)[0]]
    assert taken == list(range(count))
    assert (len(queue.requests), len(queue.entered), len(queue.dues[0])) == (0, 0, 0)


class Counted(float):
    """An instant that counts how often it is compared."""

    compared = 0

    def __add__(self, other: float) -> Counted:
        return Counted(float(self) + other)

    def __lt__(self, other: float) -> bool:
        Counted.compared += 1
        return float(self) < float(other)

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return float(self) == other

    __hash__ = float.__hash__


@pytest.mark.parametrize("how", ["shorter", "longer", "moved in", "brought back"])
def test_the_earliest_due_of_a_long_mixed_queue_takes_few_comparisons(how: str) -> None:
    """Of each request a few, however long the queue is in which it stands."""
    count, queue, now = 1200, Fifo([1.0]), Counted(0.0)
    for request in range(count):
        now = now + 0.001
        queue.push(request, now)
    if how == "shorter":
        queue.set_waits([0.5])
    elif how == "longer":
        queue.set_waits([2.0])
    elif how == "moved in":
        for request in range(count, 2 * count):
            queue.move_in(request, now, 0.0)
    else:
        requests, entered, _ = queue.take(count // 2)
        queue.put_last((requests, entered, [entered]))
    Counted.compared = 0
    while queue:
        now = now + 0.001
        due = queue.earliest_due(0)
        assert due == min(float(due) for due in queue.dues[0][queue.head :])
        queue.take(min(2, len(queue)))
        queue.push(0, now) if len(queue) > count // 4 else None
    assert Counted.compared < 8 * count


def test_waits_that_stay_the_same_mix_nothing() -> None:
    queue = Fifo([1.0, 0.0])
    queue.extend([0, 1, 2], 0.0)
    queue.set_waits([1.0, 0.0])
    assert not queue.mixed
