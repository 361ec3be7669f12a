"""What is timed, and the clocks that time it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeAlias

from simulator.errors import Problem, ScenarioError

Call: TypeAlias = Callable[[], Any]
"""One pass of what is measured; its result is not looked at while the clock runs."""
Ticker: TypeAlias = Callable[[], float]
"""Reads a clock [s]."""
_EMPTY_CALLS = 200
_WAITED_SHARE = 1.05
_WAITED_S = 1e-6
"""Wall time of an undisturbed lap: this multiple of the time that counts, and this much more [s]."""
_TRIES = 5
_OTHERS_SHARE = 0.25
_OTHERS_S = 0.002
"""Processor time of other threads, beyond a share of our own, that is more than idling helpers take [s]."""


class Lap(NamedTuple):
    """One timed call: the time that counts, and the wall time that went by [s]."""

    spent_s: float
    wall_s: float

    @property
    def undisturbed(self) -> bool:
        """Whether nothing came between: the wall shows little more than what counts.

        >>> Lap(40e-6, 41e-6).undisturbed, Lap(27e-6, 41e-6).undisturbed
        (True, False)
        """
        return self.wall_s <= _WAITED_SHARE * self.spent_s + _WAITED_S


class Clock(Protocol):
    """Times calls; ``name`` goes into the rows."""

    @property
    def name(self) -> str:
        """What the rows say about the time."""
        ...

    def warm_up(self, call: Call) -> None:
        """Call before the first lap; raises when this clock cannot time the call."""
        ...

    def lap(self, call: Call) -> Lap:
        """Time one call."""
        ...


class Unavailable(Exception):
    """This one thing cannot run here; the rest can. The message becomes a note."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to time.

    ``labels`` are the cells that name it in its row; ``prepare`` makes the call ready to be timed (it may take long,
    it runs once) or raises ``Unavailable``.
    """

    labels: Mapping[str, str | int]
    prepare: Callable[[], Call]
    clock: Clock

    @property
    def title(self) -> str:
        """The labels as one text, for messages.

        >>> Probe({"layer": "mlp", "precision": "int8", "batch": 4}, lambda: int, ThreadClock()).title
        'layer mlp, precision int8, batch 4'
        """
        return ", ".join(f"{name} {cell}" for name, cell in self.labels.items() if cell != "")


@dataclass(frozen=True)
class ThreadClock:
    """Processor time of the calling thread: waiting for a processor that others use does not count.

    Reading the clocks takes time itself, a few hundred nanoseconds: the least that an empty call takes is taken off
    every lap. Work that other threads of the process do would not count either, so such a call is refused.
    """

    processor: Ticker = time.thread_time
    process: Ticker = time.process_time
    wall: Ticker = time.perf_counter
    name: str = "thread-cpu"

    def warm_up(self, call: Call) -> None:
        """The first call may load and compile; the others show whether threads beside this one take part each time."""
        call()
        shares = [self._of_others(call) for _ in range(_TRIES)]
        if min(shares) > 0:
            message = (
                f"other threads did {min(shares):.0%} of the work, which the time of one thread does not show: "
                "set OMP_NUM_THREADS=1, OPENBLAS_NUM_THREADS=1 and MKL_NUM_THREADS=1 before the start"
            )
            raise ScenarioError(Problem(message))

    def _of_others(self, call: Call) -> float:
        """Share of the work of one call that other threads did; 0 where it could be that of idling helpers."""
        everyone, own = self.process(), self.processor()
        call()
        own, everyone = self.processor() - own, self.process() - everyone
        return 1 - own / everyone if everyone - own > _OTHERS_SHARE * own + _OTHERS_S else 0.0

    @cached_property
    def overhead(self) -> Lap:
        """What an empty call takes."""
        laps = [self._raw(_nothing) for _ in range(_EMPTY_CALLS)]
        return Lap(min(lap.spent_s for lap in laps), min(lap.wall_s for lap in laps))

    def lap(self, call: Call) -> Lap:
        """Time one call."""
        empty = self.overhead
        spent_s, wall_s = self._raw(call)
        return Lap(max(spent_s - empty.spent_s, 0.0), max(wall_s - empty.wall_s, 0.0))

    def _raw(self, call: Call) -> Lap:
        began, start = self.wall(), self.processor()
        call()
        end = self.processor()
        return Lap(end - start, self.wall() - began)


def _nothing() -> None:
    """What an empty call does."""
