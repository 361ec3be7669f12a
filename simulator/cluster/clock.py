"""Simulated time: a SimPy environment that schedules at absolute instants and orders simultaneous events."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

from simpy import Environment, Event

Key = tuple[int, ...]

COMPLETION, TRANSFER, ARRIVAL, TIMER, CONTROL = range(5)
"""Kinds of events of one instant, in the order in which they are applied; first part of every key."""

INFINITY = float("inf")


class Ticking(Protocol):
    """What has a time and takes events: a clock, or a part of one."""

    @property
    def now(self) -> float:
        """The simulated time [s]."""
        ...

    def schedule_at(self, instant: float, key: Key, handler: Callable[[Any], None], argument: Any = None) -> None:
        """Call ``handler(argument)`` at ``instant`` [s]."""
        ...


class Clock(Environment):
    """SimPy environment whose events carry ``(instant, key)`` instead of ``(delay, priority)``.

    Events of one instant are applied by ascending key: completions (service, portion, replica), transfer arrivals
    (portion, sender), request arrivals (index), timers, control events (faults, then windows). Two kinds of entries
    share one heap: SimPy events, on which processes wait, and plain ``handler(argument)`` calls, which cost half as
    much and carry the request path.

    Delays are avoided on purpose: ``now + (t - now)`` is not ``t`` in floating point.
    """

    def __init__(self, before_control: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._before_control = before_control
        self.heap: list[Any] = self._queue
        self.controls = 0
        """Control events waiting in the heap; a run with nothing else left to do is over."""
        self.aside = 0
        """Events of side clocks waiting in the heap; they alone do not keep a run going either."""

    def schedule_at(self, instant: float, key: Key, handler: Callable[[Any], None], argument: Any = None) -> None:
        """Call ``handler(argument)`` at ``instant`` [s]."""
        heappush(self.heap, (instant, key, next(self._eid), handler, argument))

    def control_at(self, instant: float, key: Key, handler: Callable[[Any], None], argument: Any = None) -> None:
        """The same for a control event: one that alone does not keep the run going."""
        self.controls += 1
        self.schedule_at(instant, (CONTROL, *key), self._control, (handler, argument))

    def _control(self, call: tuple[Callable[[Any], None], Any]) -> None:
        self.controls -= 1
        self._before_control()
        handler, argument = call
        handler(argument)

    def at(self, instant: float, key: Key) -> Event:
        """A SimPy event that happens at ``instant`` [s], as a control event; for processes to wait on."""
        event = Event(self)
        event._ok, event._value = True, None  # triggered, as SimPy's own Timeout does
        self.control_at(instant, key, _fire, event)
        return event

    def schedule(self, event: Event, priority: int = 1, delay: float = 0) -> None:
        """SimPy's own way to schedule (process starts and ends): a control event, after all else of its instant."""
        self.control_at(self._now + delay, (2 + priority,), _fire, event)

    def apply(self, now: float, before: Key) -> None:
        """Apply, in order, every event of instant ``now`` whose key is below ``before``."""
        heap = self.heap
        while heap and heap[0][0] == now and heap[0][1] < before:
            _, _, _, handler, argument = heappop(heap)
            handler(argument)


class SideClock:
    """The events of something that runs beside others on one clock, does not keep them going, and may outlast them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def now(self) -> float:
        """The time of the clock [s]."""
        return self._clock._now

    def schedule_at(self, instant: float, key: Key, handler: Callable[[Any], None], argument: Any = None) -> None:
        """Call ``handler(argument)`` at ``instant`` [s]."""
        self._clock.aside += 1
        self._clock.schedule_at(instant, key, self._apply, (handler, argument))

    def go_on_alone(self) -> None:
        """Take everything else out of the common heap: what is not of this clock will never happen."""
        heap = self._clock.heap
        heap[:] = [entry for entry in heap if entry[3] == self._apply]
        heapify(heap)
        self._clock.controls = 0

    def _apply(self, call: tuple[Callable[[Any], None], Any]) -> None:
        self._clock.aside -= 1
        handler, argument = call
        handler(argument)


def _fire(event: Event) -> None:
    callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]  # as SimPy itself does
    for callback in callbacks or ():
        callback(event)
    if not event._ok and not hasattr(event, "_defused"):
        raise event._value
