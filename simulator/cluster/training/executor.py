"""A training on the simulated clock: every rank runs its cells in order, waits for inputs, reduces, steps, goes on.

The same sums in the same order as ``costs.pipeline.timeline``, whose docstring says what they mean: with exact times
both give the same instants to the last bit. Two things are known here alone: copies of the pipeline wait for one
another before their all-reduce, and devices fail (see ``faults``).

Events of an instant are applied first; then the ranks that they touched go on, by device number.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from typing import Any, NamedTuple

import numpy as np

from simulator.cluster.clock import COMPLETION, CONTROL, INFINITY, TRANSFER, Clock
from simulator.cluster.training.guest import Guest
from simulator.cluster.training.laps import Lap, factors_of, seconds_of, wire
from simulator.cluster.training.plan import Plan
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Timeline
from simulator.errors import InternalError

SETTLED = CONTROL + 1
"""Last of the kinds of events of an instant: ranks go on."""


class Failure(NamedTuple):
    """A device failed at ``instant_s``; the training went on at ``restart_s``, iterations under way were lost."""

    device: int
    instant_s: float
    restart_s: float


class Device:
    """One rank of one copy."""

    __slots__ = ("at", "back", "copy", "free", "idle", "lap", "number", "rank", "stop")

    def __init__(self, number: int, copy: int, rank: int, stop: int) -> None:
        self.number, self.copy, self.rank, self.stop = number, copy, rank, stop
        self.lap: Lap
        self.at = 0
        """The cell that is running, or the next one."""
        self.free = False
        """Whether it may start a cell as soon as the inputs are there."""
        self.idle = False
        """Whether the guest was told that it may use the device."""
        self.back = 0.0
        """When the guest last gave it back, or will [s]."""


class Executor:
    """One training in one replication, on a clock that others may share; ``done`` when its last iteration is.

    ``index`` tells its events from those of other trainings on the same clock.
    """

    def __init__(
        self, clock: Clock, setup: TrainingSetup, replication: int, guest: Guest | None = None, index: int = 0
    ) -> None:
        self.clock, self.setup, self.guest, self.index = clock, setup, guest, index
        self.wiring = wire(setup.schedule, setup.times)
        self._factors = factors_of(setup, replication)
        self._exact = None if self._factors(0, 0) is not None else seconds_of(setup, None)
        bounds, ranks = self.wiring.bounds, setup.ranks
        self.devices = [
            Device(copy * ranks + rank, copy, rank, bounds[rank + 1])
            for copy in range(setup.replicas)
            for rank in range(ranks)
        ]
        self.lines: list[list[Timeline]] = []
        """What was finished: by iteration and copy."""
        self.failures: list[Failure] = []
        self._laps: dict[tuple[int, int], Lap] = {}
        self._at_reduce: dict[tuple[int, int], list[Device]] = {}
        self._dirty: set[int] = set()
        self._run = 0
        """Number of the run since the last failure; events of an earlier one are void."""
        ending = setup.ending
        self._all_reduce = np.broadcast_to(np.asarray(ending.all_reduce, dtype=float), (ranks,)).tolist()
        self._optimizer = np.broadcast_to(np.asarray(ending.optimizer, dtype=float), (ranks,)).tolist()
        self.plan: Plan

    @property
    def done(self) -> bool:
        """Whether all iterations are finished."""
        return len(self.lines) == self.setup.iterations

    def begin(self) -> None:
        """All devices begin, now, the first iteration that is not finished."""
        now, iteration, ranks = self.clock.now, len(self.lines), self.setup.ranks
        # a guest that was late when the training stopped may not be through yet
        ready = [max(self._called_back(device, now), device.back) for device in self.devices]
        self.plan = Plan(self.setup, iteration, np.array(ready).reshape(-1, ranks).max(axis=0))
        for device, instant in zip(self.devices, ready):
            self._at(instant, CONTROL, device, self._begin, (device, iteration))

    def stop(self) -> None:
        """All that is under way is lost."""
        self._run += 1
        self._laps.clear()
        self._at_reduce.clear()
        self._dirty.clear()
        for device in self.devices:
            device.free = False

    # -- events ----------------------------------------------------------------------------------------------------

    def _at(self, instant: float, kind: int, device: Device, handler: Callable[[Any], None], argument: Any) -> None:
        """Call the handler at an instant, at once if that is now; not at all if the training has stopped by then."""
        if instant == self.clock.now:
            handler(argument)
        else:
            key = (kind, self.index, device.rank, device.copy)
            self.clock.schedule_at(instant, key, self._fire, (self._run, handler, argument))

    def _fire(self, call: tuple[int, Callable[[Any], None], Any]) -> None:
        run, handler, argument = call
        if run == self._run:
            handler(argument)

    def _touch(self, device: Device) -> None:
        """The device goes on, if it can, when the instant has settled."""
        if not self._dirty:
            self.clock.schedule_at(self.clock.now, (SETTLED, self.index), self._settle)
        self._dirty.add(device.number)

    def _settle(self, _: object) -> None:
        dirty = sorted(self._dirty)
        self._dirty.clear()
        for number in dirty:
            self._go_on(self.devices[number])

    # -- a rank in an iteration ------------------------------------------------------------------------------------

    def _begin(self, call: tuple[Device, int]) -> None:
        device, iteration = call
        lap = self._laps.get((device.copy, iteration)) or self._new_lap(device.copy, iteration)
        device.lap, device.at, device.free = lap, self.wiring.bounds[device.rank], True
        lap.begin[device.rank] = self.clock.now
        self._touch(device)

    def _new_lap(self, copy: int, iteration: int) -> Lap:
        seconds = self._exact or seconds_of(self.setup, self._factors(copy, iteration))
        lap = self._laps[copy, iteration] = Lap(copy, iteration, seconds, self.wiring)
        return lap

    def _go_on(self, device: Device) -> None:
        if not device.free:
            return
        now, lap = self.clock.now, device.lap
        if lap.missing[device.at]:
            if self.guest is not None and not device.idle:
                op = self.wiring.op[device.at]
                self._idle(device, now, self.plan.next_op(lap.iteration, device.rank, op, now))
            return
        device.free = False
        self._at(self._called_back(device, now), CONTROL, device, self._start, device)

    def _start(self, device: Device) -> None:
        lap, cell = device.lap, device.at
        now = self.clock.now
        end = now + lap.seconds[cell]
        lap.start[cell], lap.end[cell] = now, end
        self._at(end, COMPLETION, device, self._end, device)

    def _end(self, device: Device) -> None:
        """A cell has run: its result leaves, the rank is free at once or when all has arrived."""
        now, cell, lap = self.clock.now, device.at, device.lap
        for target, cost in self.wiring.outputs[cell]:
            self._at(now + cost, TRANSFER, device, self._arrive, (lap, target))
        self._at(now + self.wiring.held[cell], TRANSFER, device, self._freed, device)

    def _arrive(self, call: tuple[Lap, int]) -> None:
        lap, cell = call
        lap.missing[cell] -= 1
        if lap.missing[cell]:
            return
        device = self.devices[lap.copy * self.setup.ranks + self.wiring.rank[cell]]
        if device.free and device.at == cell and device.lap is lap:
            self._touch(device)

    def _freed(self, device: Device) -> None:
        device.at += 1
        if device.at < device.stop:
            device.free = True
            self._touch(device)
        else:
            self._computed(device)

    # -- the end of an iteration -----------------------------------------------------------------------------------

    def _computed(self, device: Device) -> None:
        """All ops of a rank have run; the all-reduce starts when they have in every copy."""
        now, lap = self.clock.now, device.lap
        lap.compute_end[device.rank] = now
        together = self._at_reduce.setdefault((lap.iteration, device.rank), [])
        together.append(device)
        if len(together) == self.setup.replicas:
            del self._at_reduce[lap.iteration, device.rank]
            for one in together:
                self._at(now + self._all_reduce[device.rank], COMPLETION, one, self._reduced, one)

    def _reduced(self, device: Device) -> None:
        now, lap = self.clock.now, device.lap
        lap.reduced[device.rank] = now
        lap.reducing -= 1
        if not self.setup.ending.synchronous:
            self._step(device)
        elif lap.reducing:
            self._idle(device, now, self.plan.step(lap.iteration, device.rank, now))
        else:
            ranks = self.setup.ranks
            for one in self.devices[device.copy * ranks : (device.copy + 1) * ranks]:
                self._at(self._called_back(one, now), CONTROL, one, self._step, one)

    def _step(self, device: Device) -> None:
        now = self.clock.now
        device.lap.step[device.rank] = now
        self._at(now + self._optimizer[device.rank], COMPLETION, device, self._finish, device)

    def _finish(self, device: Device) -> None:
        now, lap = self.clock.now, device.lap
        lap.finish[device.rank] = now
        lap.running -= 1
        if not lap.running:
            self._finished(lap.iteration)
        if lap.iteration + 1 < self.setup.iterations:
            self._begin((device, lap.iteration + 1))
        else:
            self._idle(device, now, INFINITY)

    def _finished(self, iteration: int) -> None:
        """Keep an iteration once all copies are through; they are through in the order of iterations."""
        copies = range(self.setup.replicas)
        laps = [self._laps.get((copy, iteration)) for copy in copies]
        if all(lap is not None and not lap.running for lap in laps):
            self.lines.append([self._laps.pop((copy, iteration)).line(self.setup) for copy in copies])

    # -- the guest -------------------------------------------------------------------------------------------------

    def _idle(self, device: Device, now: float, until: float) -> None:
        if self.guest is not None:
            device.idle = True
            self.guest.idle(device.number, now, until)

    def _called_back(self, device: Device, now: float) -> float:
        """When the training has a device that it wants now [s]."""
        if self.guest is None or not device.idle:
            return now
        device.idle = False
        instant = self.guest.busy(device.number, now)
        if instant < now:
            raise InternalError(f"a guest gives device {device.number} back at {instant}, before {now}")
        device.back = instant
        return instant


def drive(clock: Clock, executor: Executor) -> None:
    """Run a training alone on its clock until its last iteration is finished."""
    heap = clock.heap
    while not executor.done:
        instant, _, _, handler, argument = heappop(heap)
        clock._now = instant
        handler(argument)
