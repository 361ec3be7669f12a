"""What every arrival process offers, and what it is given: named streams, files, a place for its problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError
from simulator.streams import stream

if TYPE_CHECKING:
    from simulator.workload.clock import Clock

Floats: TypeAlias = NDArray[np.float64]
Place: TypeAlias = Callable[[Sequence[str | int], str], Problem]
Workload: TypeAlias = Any
"""One of the workload models of ``simulator.scenario``; a process reads the attributes that it names."""

CHUNK = 65_536
"""Arrivals made at a time: large enough for numpy, small enough for the cache (512 KiB)."""


@dataclass(frozen=True, slots=True)
class Draws:
    """The random streams of one service in one replication, by name."""

    seed: int
    replication: int
    service: str

    def named(self, *purpose: str | int) -> np.random.Generator:
        """Stream ``(seed, replication, service, *purpose)``."""
        return stream(self.seed, self.replication, self.service, *purpose)


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a workload stands: the folder of its files and the place of its keys in the scenario."""

    folder: Path
    service: str | None = None
    problem: Place | None = None

    def path(self, *keys: str | int) -> tuple[str | int, ...]:
        """Key path of a key of this workload, e.g. ``("services", "chat", "workload", "trace")``."""
        head = () if self.service is None else ("services", self.service, "workload")
        return (*head, *keys)

    def at(self, message: str, *keys: str | int) -> Problem:
        """A problem at one key of this workload, with file and line when the scenario's source is known."""
        if self.problem is not None and self.service is not None:
            return self.problem(self.path(*keys), message)
        return Problem(message, path=self.dotted(*keys) or None)

    def error(self, message: str, *keys: str | int) -> ScenarioError:
        """The problem of :meth:`at` as an exception."""
        return ScenarioError(self.at(message, *keys))

    def dotted(self, *keys: str | int) -> str:
        """The key path as text."""
        return ".".join(str(key) for key in self.path(*keys))


class Process(Protocol):
    """An open arrival process, bound to its files.

    Instants are in the time of ``clock``: seconds in which the shapes of the load have been taken out. The
    caller turns them into seconds of the run; a process whose rate changes in the seconds of the run (a
    series, a modulated process) carries its own instants of change over with ``clock.forward``.
    """

    def chunks(self, draws: Draws, clock: Clock, size: int) -> Iterator[Floats]:
        """Ascending arrival instants [s of the clock], about ``size`` at a time, perhaps endless."""
        ...

    def expected(self, clock: Clock, until_s: float) -> float:
        """Expected number of arrivals in [0, ``until_s``) of the run."""
        ...

    def steps(self, clock: Clock, until_s: float) -> float:
        """About how many numbers have to be drawn for that: what guards against endless runs."""
        ...


def copies_of(workload: Workload) -> float:
    """How often a recorded load is played: a number, or infinity for ``repeat: true``."""
    return float("inf") if workload.repeat is True else float(workload.repeat or 1)


def times(workload: Workload, name: str, factor: float) -> dict[str, Any]:
    """The change that multiplies one number of a workload."""
    return {name: float(getattr(workload, name)) * factor}
