"""Devices of a training fail: the iteration under way is lost, and the training waits for repair and restart.

Up and down times are exponential on calendar time, busy or not, one stream per device. All devices stop when one fails.
``restart_s`` after the last device that was down is up again, all begin the first iteration that is not finished.
"""

from __future__ import annotations

from collections.abc import Generator

from simpy import Event

from simulator.cluster.training.executor import Executor, Failure
from simulator.scenario.cluster import Faults
from simulator.streams import stream


class Breakdowns:
    """Who is down, and when all go on."""

    def __init__(self, executor: Executor, faults: Faults, replication: int) -> None:
        self.executor = executor
        self._down: set[int] = set()
        self._open: list[tuple[int, float]] = []
        """Devices that failed since the training last ran, and when [s]."""
        self._restart = 0
        """Number of the restart that is expected; another failure makes it void."""
        for device in executor.devices:
            executor.clock.process(self._process(device.number, faults, replication))

    def _process(self, device: int, faults: Faults, replication: int) -> Generator[Event, None, None]:
        executor = self.executor
        rng = stream(executor.setup.seed, replication, executor.setup.name, "training", "faults", device)
        key = (0, executor.index, device)
        instant = executor.clock.now
        while True:
            instant += faults.mtbf * float(rng.standard_exponential())
            yield executor.clock.at(instant, key)
            self._fail(device)
            instant += faults.mttr * float(rng.standard_exponential())
            yield executor.clock.at(instant, key)
            self._repair(device)

    def _fail(self, device: int) -> None:
        executor = self.executor
        self._restart += 1
        self._down.add(device)
        self._open.append((device, executor.clock.now))
        executor.stop()
        executor.devices[device].back = executor.clock.now
        if executor.guest is not None:
            executor.guest.lost(device, executor.clock.now)

    def _repair(self, device: int) -> None:
        self._down.discard(device)
        if not self._down:
            self._restart += 1
            executor = self.executor
            instant = executor.clock.now + executor.setup.restart_s
            key = (executor.index, self._restart)
            executor.clock.control_at(instant, key, self._go_on, self._restart)

    def _go_on(self, restart: int) -> None:
        if restart != self._restart:
            return
        now = self.executor.clock.now
        self.executor.failures += [Failure(device, instant, now) for device, instant in self._open]
        self._open.clear()
        self.executor.begin()
