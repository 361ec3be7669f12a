"""One step of a network whose layers come from files while those before them compute."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from simulator.calibration.measure.backends.layerfiles import LayerFiles
from simulator.calibration.measure.backends.layermath import Math

NICER = 10
"""How much sooner the prefetch thread comes in turn, where the system lets it (on Linux the superuser)."""
_WAITED = Path("/proc/thread-self/schedstat")
"""Linux: time of a thread on a processor, and time for which it waited for one [ns]."""


def waited_s() -> float:
    """How long the calling thread has waited for a processor that others had [s]; 0 where nobody tells."""
    try:
        return int(_WAITED.read_text(encoding="ascii").split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return 0.0


class Outcome(NamedTuple):
    """What a step gave, and how long its prefetch thread waited for a processor [s]."""

    values: list[Any]
    waited_s: float = 0.0


class Visit(NamedTuple):
    """A layer at work: whether its weights must come first, and whether their slot is free afterwards."""

    layer: int
    backward: bool
    loads: bool
    releases: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What one step visits: forward through all layers and, in training, back.

    ``slots`` layers have room. Those that are there at the turn are not loaded again.

    >>> Plan(layers=4, slots=2, training=True).order
    (0, 1, 2, 3, 1, 0)
    """

    layers: int
    slots: int
    training: bool

    @property
    def kept(self) -> int:
        """Layers that are still there at the turn."""
        return min(self.slots, self.layers) if self.training else 0

    def visits(self) -> Iterator[Visit]:
        """All visits in order."""
        again = self.layers - self.kept
        yield from (Visit(layer, False, True, layer < again) for layer in range(self.layers))
        if self.training:
            yield from (Visit(layer, True, layer < again, True) for layer in reversed(range(self.layers)))

    @property
    def order(self) -> tuple[int, ...]:
        """Layers in the order in which they are loaded."""
        return tuple(visit.layer for visit in self.visits() if visit.loads)


class Feed(Protocol):
    """Where a visit gets its weights from."""

    def take(self, layer: int) -> Any:
        """The slot of a layer, as soon as its weights are there."""
        ...

    def give(self, slot: Any) -> None:
        """A slot that is free again."""
        ...


class Resident:
    """All layers in memory: the step without its reads."""

    def __init__(self, slots: Sequence[Any]) -> None:
        self.slots = slots

    def take(self, layer: int) -> Any:
        """What is always there."""
        return self.slots[layer]

    def give(self, slot: Any) -> None:
        """It stays."""


class Prefetch:
    """A thread that fills free slots in the order of the loads, on any of the ``processors``."""

    def __init__(
        self, math: Math, files: LayerFiles, slots: Sequence[Any], order: Sequence[int], processors: frozenset[int]
    ) -> None:
        self._math, self._files, self._order, self._processors = math, files, order, processors
        self._free: SimpleQueue[Any] = SimpleQueue()
        self._ready: SimpleQueue[Any] = SimpleQueue()
        for slot in slots:
            self._free.put(slot)
        self.waited_s = 0.0
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def __enter__(self) -> Prefetch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.put(None)
        self._thread.join()

    def take(self, layer: int) -> Any:
        """The next slot that is filled: loads come in the order of the visits."""
        found = self._ready.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def give(self, slot: Any) -> None:
        """Let the next layer come."""
        self._free.put(slot)

    def _run(self) -> None:
        self._move()
        try:
            for layer in self._order:
                slot = self._free.get()
                if slot is None:
                    return
                self._math.fill(slot, self._files, layer)
                self._ready.put(slot)
        except Exception as error:  # noqa: BLE001 - raised where somebody waits for the layer
            self._ready.put(error)
        finally:
            self.waited_s = waited_s()

    def _move(self) -> None:
        """Anywhere, and first in turn where one may: threads start where their maker has to stay.

        A read takes next to no processor time, but each wakes this thread: behind one that computes it would wait
        until that one's turn is over, and reads and computing would follow each other.
        """
        if not (hasattr(os, "sched_setaffinity") and self._processors):
            return
        with suppress(OSError):
            os.sched_setaffinity(0, self._processors)
        with suppress(OSError):
            thread = threading.get_native_id()  # Linux: priorities are those of threads
            os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread) - NICER, -20))


def run_step(plan: Plan, math: Math, group: Sequence[Any], feed: Feed) -> list[Any]:
    """Run ``group`` microbatches through every visit; outputs, or in training the gradients of the inputs.

    The loss is half the sum of the squared outputs, whose gradient is the output.
    """
    values, held = list(group), dict[int, Any]()
    inputs: list[Sequence[Any]] = []
    for visit in plan.visits():
        slot = feed.take(visit.layer) if visit.loads else held.pop(visit.layer)
        weights = math.weights(slot)
        if visit.backward:
            values = [math.backward(x, gradient, weights) for x, gradient in zip(inputs.pop(), values, strict=True)]
        else:
            inputs.append(values if plan.training else ())
            values = [math.forward(x, weights) for x in values]
        math.wait()
        if visit.releases:
            feed.give(slot)
        else:
            held[visit.layer] = slot
    return values
