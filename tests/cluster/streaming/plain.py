"""Streamed services and streams at one server once more, written plainly and apart from the simulator.

Bytes, rates and what everybody does next; time goes from one thing that happens to the next. No tables, no recurrence,
no shares of a link: the bandwidth is filled from below, and what is still to come of every load is counted in bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

Step = tuple[float, float]
"""Bytes of a layer (0: there is nothing to load) and seconds to compute it."""
Interval = tuple[float, float]
LITTLE = 1e-2
"""Bytes: what is less has arrived."""


@dataclass(eq=False)
class Load:
    """A layer on its way: latency first, then bytes."""

    size: float
    most: float
    """Bytes per second that its own side takes."""
    moves_at: float = math.inf
    left: float = 0.0
    rate: float = 0.0


@dataclass(eq=False)
class Pass:
    """One pass through the layers with so many slots."""

    steps: list[Step]
    slots: int
    most: float
    begun: float
    ends: list[float] = field(default_factory=list)
    loaded: int = 0
    freed: int = 0
    load: Load | None = None
    until: float = math.inf
    """End of the step that computes."""

    @property
    def sizes(self) -> list[float]:
        return [size for size, _ in self.steps if size > 0]

    @property
    def done(self) -> bool:
        return len(self.ends) == len(self.steps)

    def ready(self) -> bool:
        """Whether the next step may compute now."""
        if self.done or self.until < math.inf:
            return False
        size, _ = self.steps[len(self.ends)]
        return size == 0 or sum(one > 0 for one, _ in self.steps[: len(self.ends)]) < self.loaded


@dataclass(eq=False)
class Served:
    """A service: one queue, first come first served, batches of what is there."""

    arrivals: list[float]
    steps_of: Callable[[list[int]], list[Step]]
    """Steps of a batch of these requests."""
    batch: int
    replicas: int
    slots: int
    outages: dict[int, Interval] = field(default_factory=dict)
    """When a replica is down."""
    early: set[int] = field(default_factory=set)
    """Requests that are answered after the second step."""
    queue: list[int] = field(default_factory=list)
    came: int = 0
    under_way: dict[int, tuple[list[int], Pass]] = field(default_factory=dict)
    down: set[int] = field(default_factory=set)
    batches: list[Interval] = field(default_factory=list)
    """Begin and end of every batch that ended."""
    answered: dict[int, float] = field(default_factory=dict)
    """When each request was answered."""


@dataclass(eq=False)
class Streaming:
    """A device that makes one pass after another."""

    steps: list[Step]
    slots: int
    most: float
    passes: int
    now: Pass | None = None
    ends: list[float] = field(default_factory=list)


@dataclass(eq=False)
class World:
    """The server and all who use it; ``run`` until nothing more happens."""

    bandwidth: float
    latency: float
    services: list[Served]
    streams: list[Streaming]
    outages: list[Interval]
    now: float = 0.0
    most_moved: float = 0.0
    """Largest rate at which bytes ever left the server."""

    def run(self) -> None:
        while True:
            while self._settle():
                pass
            self._share()
            instant = min(self._instants(), default=math.inf)
            if instant == math.inf:
                return
            self._go_to(instant)

    def _passes(self) -> list[Pass]:
        served = [one for service in self.services for _, one in service.under_way.values()]
        return served + [stream.now for stream in self.streams if stream.now is not None]

    def _up(self) -> bool:
        return not any(failed <= self.now < repaired for failed, repaired in self.outages)

    # -- now -----------------------------------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """Whatever may happen at this instant; whether anything did."""
        moved = [self._advance(one) for one in self._passes()]
        moved += [self._serve(service) for service in self.services]
        moved += [self._stream(stream) for stream in self.streams]
        return any(moved)

    def _advance(self, one: Pass) -> bool:
        before = (one.loaded, len(one.ends), one.until, one.load)
        if one.load is not None and one.load.moves_at <= self.now and one.load.left <= LITTLE:
            one.load, one.loaded = None, one.loaded + 1
        if one.until <= self.now:
            one.freed += one.steps[len(one.ends)][0] > 0
            one.ends.append(one.until)
            one.until = math.inf
        if one.ready():
            one.until = self.now + one.steps[len(one.ends)][1]
        if one.load is None and one.loaded < len(one.sizes) and one.loaded - one.freed < one.slots and self._up():
            size = one.sizes[one.loaded]
            one.load = Load(size, one.most, self.now + self.latency, size)
        return before != (one.loaded, len(one.ends), one.until, one.load)

    def _serve(self, service: Served) -> bool:
        moved = False
        while service.came < len(service.arrivals) and service.arrivals[service.came] <= self.now:
            service.queue.append(service.came)
            service.came += 1
            moved = True
        for number, (failed, repaired) in service.outages.items():
            if failed <= self.now < repaired and number not in service.down:
                service.down.add(number)
                lost, _ = service.under_way.pop(number, ([], None))
                service.queue[:0] = [request for request in lost if request not in service.answered]
                moved = True
            elif self.now >= repaired and number in service.down:
                service.down.remove(number)
                moved = True
        for number in range(service.replicas):
            if number in service.under_way:
                moved |= self._answer(service, number, *service.under_way[number])
            if service.queue and number not in service.under_way and number not in service.down:
                taken, service.queue = service.queue[: service.batch], service.queue[service.batch :]
                steps = service.steps_of(taken)
                service.under_way[number] = (taken, Pass(steps, service.slots, self.bandwidth, self.now))
                moved = True
        return moved

    def _answer(self, service: Served, number: int, requests: list[int], one: Pass) -> bool:
        """Whether the batch ended; whoever leaves early does so after its second step."""
        if len(one.ends) >= 2:
            for request in service.early.intersection(requests):
                service.answered.setdefault(request, one.ends[1])
        if one.done:
            service.answered |= {request: one.ends[-1] for request in requests if request not in service.answered}
            service.batches.append((one.begun, one.ends[-1]))
            del service.under_way[number]
        return one.done

    def _stream(self, stream: Streaming) -> bool:
        if stream.now is not None and stream.now.done:
            stream.ends.append(stream.now.ends[-1])
            stream.now = None
        if stream.now is not None or len(stream.ends) == stream.passes:
            return False
        stream.now = Pass(stream.steps, stream.slots, min(stream.most, self.bandwidth), self.now)
        return True

    # -- what comes next -----------------------------------------------------------------------------------------------

    def _moving(self) -> list[Load]:
        return [one.load for one in self._passes() if one.load is not None and one.load.moves_at <= self.now]

    def _share(self) -> None:
        """Fill the link from below: all get the same until their own side takes no more."""
        wanting, free = self._moving(), self.bandwidth
        while wanting:
            level = free / len(wanting)
            full = [load for load in wanting if load.most <= level]
            for load in full or wanting:
                load.rate = min(load.most, level)
                free -= load.rate
            wanting = [load for load in wanting if load not in full] if full else []
        self.most_moved = max(self.most_moved, sum(load.rate for load in self._moving()))

    def _instants(self) -> list[float]:
        """When anything happens next."""
        found = [instant for outage in self.outages for instant in outage]
        for service in self.services:
            found += service.arrivals[service.came : service.came + 1]
            found += [instant for outage in service.outages.values() for instant in outage]
        for one in self._passes():
            found.append(one.until)
            if one.load is not None and one.load.moves_at > self.now:
                found.append(one.load.moves_at)
        found = [instant for instant in found if self.now < instant < math.inf]
        return found + [self.now + load.left / load.rate for load in self._moving()]

    def _go_to(self, instant: float) -> None:
        for load in self._moving():
            load.left -= (instant - self.now) * load.rate
        self.now = instant
        if any(failed == instant for failed, _ in self.outages):
            for one in self._passes():
                if one.load is not None and not (one.load.moves_at <= instant and one.load.left <= LITTLE):
                    one.load = None  # lost; it begins again when the server is up
