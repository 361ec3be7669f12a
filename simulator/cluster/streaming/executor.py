"""A stream on the simulated clock: every device loads, computes and returns by the rules of the recurrence.

The rules, and the order of additions, are those of ``costs.streaming.recurrence``: a device whose copies nobody slows
down meets the same instants to the last bit. Known here alone: copies of other devices on the same links (see
``sharing``), a server that fails (see ``faults``), and that the devices of a training begin each step together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop
from typing import Any, NamedTuple

from simulator.cluster.clock import COMPLETION, Clock, Ticking
from simulator.cluster.streaming.sharing import Copy, FairLink
from simulator.cluster.streaming.work import Carried, StepWork
from simulator.costs.streaming.recurrence import BUFFERS

LOAD, COMPUTE, RETURN, UPDATE, READ = range(5)
"""Kinds of rows of a stream, in the order of ``results.stream.KINDS``."""


class Row(NamedTuple):
    """Something that a device did: in which step and visit, of which kind, from when to when [s]."""

    step: int
    device: int
    visit: int
    kind: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Links:
    """What a device uses: disk, link to it, link back, optimizer. Some are shared with other devices."""

    far: FairLink
    near: FairLink
    back: FairLink
    server: FairLink


class Device:
    """One device of a stream. Counters tell how much of the step is done: that is all that its rules ask for."""

    def __init__(self, clock: Ticking, work: StepWork, links: Links, number: tuple[int, int]) -> None:
        self.clock, self.work, self.links, self.number = clock, work, links, number
        self.loads, self.backs = work.loads, work.backs
        self.rows: list[Row] = []
        self.step = -1
        self.begin_s = 0.0
        self.at_end: Callable[[Device], None] = lambda _: None
        self._done = {
            LOAD: self._was_loaded,
            RETURN: self._was_returned,
            UPDATE: self._was_updated,
            READ: self._was_read,
        }
        self._reset()

    def begin(self, step: int) -> None:
        """Begin a step now, with nothing on the device."""
        self.step, self.begin_s = step, self.clock.now
        self._reset()
        self._go_on()

    def _reset(self) -> None:
        self.read = self.loaded = self.computed = self.released = self.returned = self.updated = 0
        self._reading = self._loading = self._computing = self._returning = self._updating = False
        self._start_s = [0.0] * 5

    # -- rules -----------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Start whatever may start now."""
        work, links = self.work, self.links
        if not self._reading and self.read < len(work.far) and self.loaded > self.read - work.host_slots:
            self._reading = True
            self._copy(READ, work.far[self.read], links.far)
        if not self._loading and self._may_load():
            self._loading = True
            self._copy(LOAD, work.near[self.loaded], links.near)
        if not self._computing and self._may_compute():
            self._computing = True
            now = self._start_s[COMPUTE] = self.clock.now
            key = (COMPLETION, *self.number, COMPUTE)
            self.clock.schedule_at(now + work.tasks[self.computed].compute_s, key, self._computed)
        if not self._returning and self.returned < len(self.backs) and self.computed > self.backs[self.returned]:
            self._returning = True
            self._copy(RETURN, work.back[self.returned], links.back)
        self._update()

    def _may_load(self) -> bool:
        """Its slot is free, it has come from the disk, and what it fetches has been put away."""
        work, load = self.work, self.loaded
        if load == len(self.loads) or self.released <= load - work.slots:
            return False
        if work.far and self.read <= load:
            return False
        return self.returned > work.tasks[self.loads[load]].after

    def _may_compute(self) -> bool:
        """Its layer is there, and there is a buffer for what goes back."""
        if self.computed == len(self.work.tasks):
            return False
        task = self.work.tasks[self.computed]
        return self.loaded > task.load and (task.back < 0 or self.returned > task.back - BUFFERS)

    def _update(self) -> None:
        """The server updates the layers in the order in which their gradients came."""
        seconds = self.work.update_s
        while not self._updating and self.updated < self.returned:
            wanted = seconds[self.updated]
            if wanted:
                self._updating = True
                self._copy(UPDATE, Carried(wanted, 0.0, 0.0, 1.0), self.links.server)
            else:
                self.updated += 1

    # -- what happens ----------------------------------------------------------------------------------------------

    def _copy(self, kind: int, carried: Carried, link: FairLink) -> None:
        self._start_s[kind] = self.clock.now
        link.send(Copy(carried.seconds, carried.latency, carried.need, (*self.number, kind), self._done[kind]))

    def _was_read(self, _: Copy, now: float) -> None:
        self._log(READ, self.loads[self.read], now)
        self._reading, self.read = False, self.read + 1
        self._go_on()

    def _was_loaded(self, _: Copy, now: float) -> None:
        self._log(LOAD, self.loads[self.loaded], now)
        self._loading, self.loaded = False, self.loaded + 1
        self._go_on()

    def _computed(self, _: object) -> None:
        self._log(COMPUTE, self.computed, self.clock.now)
        self.released += self.work.tasks[self.computed].releases
        self._computing, self.computed = False, self.computed + 1
        self._go_on()
        self._maybe_end()

    def _was_returned(self, _: Copy, now: float) -> None:
        self._log(RETURN, self.backs[self.returned], now)
        self._returning, self.returned = False, self.returned + 1
        self._go_on()
        self._maybe_end()

    def _was_updated(self, _: Copy, now: float) -> None:
        self._log(UPDATE, self.backs[self.updated], now)
        self._updating, self.updated = False, self.updated + 1
        self._update()
        self._maybe_end()

    def _log(self, kind: int, visit: int, now: float) -> None:
        self.rows.append(Row(self.step, self.number[1], visit, kind, self._start_s[kind], now))

    def _maybe_end(self) -> None:
        if self.computed == len(self.work.tasks) and self.updated == len(self.backs):
            self.at_end(self)


class Executor:
    """One stream in one replication: ``devices`` run ``steps`` steps; ``done`` when all have.

    ``together``: no device begins a step before all have ended the one before (their gradients are one update).
    """

    def __init__(
        self, clock: Ticking, work: StepWork, links: list[Links], steps: int, *, together: bool, index: int = 0
    ) -> None:
        self.clock, self.steps, self.together = clock, steps, together
        self.devices = [Device(clock, work, own, (index, number)) for number, own in enumerate(links)]
        self.step_s: list[tuple[float, float]] = []
        """Begin and end [s] of every step of every device."""
        self._waiting: list[Device] = []
        self._left = len(self.devices)
        for device in self.devices:
            device.at_end = self._ended

    @property
    def done(self) -> bool:
        """Whether every device has ended its last step."""
        return self._left == 0

    def begin(self) -> None:
        """All devices begin, now."""
        for device in self.devices:
            device.begin(0)

    def _ended(self, device: Device) -> None:
        self.step_s.append((device.begin_s, self.clock.now))
        if device.step + 1 == self.steps:
            self._left -= 1
        elif not self.together:
            device.begin(device.step + 1)
        else:
            self._waiting.append(device)
            if len(self._waiting) == len(self.devices):
                waiting, self._waiting = sorted(self._waiting, key=lambda one: one.number), []
                for one in waiting:
                    one.begin(one.step + 1)


def drive(clock: Clock, executors: list[Executor]) -> None:
    """Run streams on their common clock until all are done."""
    heap: list[Any] = clock.heap
    while not all(executor.done for executor in executors):
        instant, _, _, handler, argument = heappop(heap)
        clock._now = instant
        handler(argument)
