"""Batches of services whose layers come over the parameter server's links as events: they meet whoever loads beside.

The rules, and the order of additions, are those of ``costs.streaming.recurrence``, counted from the start of the batch:
a batch that nobody slows down ends at its start plus the very time that its table says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from simulator.cluster.lowered import Loads
from simulator.cluster.state import Batch, Replica
from simulator.cluster.streaming.sharing import Copy, FairLink

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine

BEFORE_STREAMS = -1
"""Copies of services that end with those of streams come first."""


class Supply(Protocol):
    """Where the layers of a batch come from; instants are seconds since the start of the batch."""

    def arrived(self, step: int) -> float | None:
        """When the layer of a step came, 0 if it was there before; None while it has not come."""
        ...

    def computed(self, step: int, instant: float) -> None:
        """A step has ended."""
        ...

    def cancel(self) -> None:
        """The batch needs nothing more."""
        ...


class LayerPass:
    """A batch on its way through the layers, each when it is there; ``begin`` starts it."""

    def __init__(self, engine: Engine, batch: Batch, seconds: list[float], answers: dict[int, list[int]]) -> None:
        self.engine, self.batch, self.seconds = engine, batch, seconds
        self._ramps: list[int] = batch.phase.spec.step_ramp.tolist()
        self._answers = answers
        """Requests that are answered after a ramp, by its layer."""
        self._step, self._busy, self._cancelled = 0, False, False
        self._instant = 0.0
        self._supply: Supply

    def begin(self, supply: Supply) -> None:
        """The batch starts now."""
        self._supply = supply
        self.go_on()

    def go_on(self) -> None:
        """Compute the next step if its layer is there."""
        if self._busy:
            return
        arrived = self._supply.arrived(self._step)
        if arrived is None:
            return
        self._busy = True
        self._instant = max(arrived, self._instant) + self.seconds[self._step]
        clock, batch = self.engine.clock, self.batch
        clock.schedule_at(max(batch.start + self._instant, clock.now), batch.replica.key, self._computed)

    def cancel(self) -> None:
        """The batch is taken back, or the run is over."""
        self._cancelled = True
        self._supply.cancel()

    def _computed(self, _: object) -> None:
        if self._cancelled:
            return
        step, self._step, self._busy = self._step, self._step + 1, False
        self._give(self._answers.get(self._ramps[step], []))
        if self._step < len(self.seconds):
            self._supply.computed(step, self._instant)
            self.go_on()
        else:
            self._end()

    def _give(self, requests: list[int]) -> None:
        """Answers leave after their ramp."""
        batch, now = self.batch, self.engine.clock.now
        if requests:
            batch.answers = [*batch.answers, *((request, now) for request in requests)]
            if batch.replica.station.service.prompt:
                for request in requests:
                    self.engine.answer((batch, request))

    def _end(self) -> None:
        self.batch.end = self.engine.clock.now
        self.batch.by_layer = None
        self.engine.recorder.ended(self.batch)
        self.engine.complete(self.batch)


class SlotLoads:
    """The layers of one batch: they come one after another, each into a slot that is free."""

    def __init__(self, way: LayerPass, loads: Loads, link: FairLink) -> None:
        self._way, self._loads, self._link = way, loads, link
        self._ends: list[float] = []
        self._released: list[float] = []
        self._copy: Copy | None = None
        self._begun = self._planned = 0.0
        self._load()

    def arrived(self, step: int) -> float | None:
        """When the layer of a step came."""
        need = self._loads.needs[step]
        if need < 0:
            return 0.0
        return self._ends[need] if need < len(self._ends) else None

    def computed(self, step: int, instant: float) -> None:
        """The slot of a step's layer is free."""
        if self._loads.needs[step] >= 0:
            self._released.append(instant)
            self._load()

    def cancel(self) -> None:
        """The load under way leaves the link."""
        if self._copy is not None:
            self._link.remove(self._copy)
            self._copy = None

    def _load(self) -> None:
        """The next layer, if there is one and a slot for it."""
        number, slots = len(self._ends), self._loads.slots
        if self._copy is not None or number == len(self._loads.copies) or number - slots >= len(self._released):
            return
        batch, carried = self._way.batch, self._loads.copies[number]
        self._begun = max(self._ends[-1] if number else 0.0, self._released[number - slots] if number >= slots else 0.0)
        self._planned = batch.start + (self._begun + carried.seconds)
        self._copy = Copy(carried.seconds, carried.latency, carried.need, number_of(batch.replica), self._loaded)
        self._link.send(self._copy, self._planned)

    def _loaded(self, copy: Copy, now: float) -> None:
        undisturbed = now == self._planned
        self._ends.append(self._begun + copy.seconds if undisturbed else now - self._way.batch.start)
        self._copy = None
        self._load()
        self._way.go_on()


class StartLoads:
    """All weights of a replica that may serve while they come, once; its batches wait for the layers that they need."""

    def __init__(self, replica: Replica, link: FairLink) -> None:
        self._replica, self._link = replica, link
        starting = ((phase.place, phase.starting) for phase in replica.phases)
        self._left = [(place, load) for place, loads in starting if loads is not None for load in loads.copies]
        self._left.reverse()
        self._came: dict[int, list[float]] = {place: [] for place, _ in self._left}
        """When the layers of each phase came [s]."""
        self._copy: Copy | None = None

    def begin(self, _: object = None) -> None:
        """Load now, or go on after a failure with the layer that was under way."""
        if self._copy is None and self._replica.incoming is self:
            place, carried = self._left[-1]
            number = (*number_of(self._replica), place)
            self._copy = Copy(carried.seconds, carried.latency, carried.need, number, self._loaded)
            self._link.send(self._copy)

    def stop(self) -> None:
        """The replica fails, or goes: the load under way leaves the link."""
        if self._copy is not None:
            self._link.remove(self._copy)
            self._copy = None

    def covers(self, place: int) -> bool:
        """Whether layers of a phase come so."""
        return place in self._came

    def came(self, place: int) -> list[float]:
        """When the layers of a phase came, so far [s]."""
        return self._came[place]

    def _loaded(self, copy: Copy, now: float) -> None:
        place, _ = self._left.pop()
        self._came[place].append(now)
        self._copy = None
        if self._left:
            self.begin()
        else:
            self._replica.incoming = None
        batch = self._replica.batch
        if batch is not None and batch.by_layer is not None:
            batch.by_layer.go_on()


class StartSupply:
    """The layers of a replica that starts, as one batch sees them."""

    def __init__(self, start: StartLoads, batch: Batch, loads: Loads) -> None:
        self._came, self._begin, self._needs = start.came(batch.phase.place), batch.start, loads.needs

    def arrived(self, step: int) -> float | None:
        """When the layer of a step came."""
        need = self._needs[step]
        if need < 0:
            return 0.0
        return max(self._came[need] - self._begin, 0.0) if need < len(self._came) else None

    def computed(self, step: int, instant: float) -> None:
        """The layer stays."""

    def cancel(self) -> None:
        """The others come all the same."""


def number_of(replica: Replica) -> tuple[int, ...]:
    """Order of a replica's copies among those that end together."""
    return (BEFORE_STREAMS, *replica.key[1:])
