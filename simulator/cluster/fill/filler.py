"""The common part of all fillers: windows that open and close, pieces that run in them, the training's right of way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from simulator.cluster.clock import COMPLETION, INFINITY, Clock
from simulator.cluster.fill.drift import Drift
from simulator.cluster.fill.ledger import Ledger
from simulator.cluster.training.executor import SETTLED, Executor
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Timeline, before_after
from simulator.costs.pipeline.filling import Fit
from simulator.costs.pipeline.times import Floats, Times
from simulator.errors import InternalError

DECIDE = SETTLED + 1
"""Fillers decide when an instant has settled and the training has gone on."""


class Piece(NamedTuple):
    """Something that can run now: for ``seconds``, with ``memory`` [bytes], on behalf of ``owner``."""

    owner: int
    seconds: float
    memory: float
    what: Any
    splits: bool = False
    """Whether it may be cut at the end of a window and go on in a later one."""


class Ran(NamedTuple):
    """What a filler has run: ``work_s`` of it is work, the rest the change of jobs and waiting for its end [s]."""

    device: int
    owner: int
    start_s: float
    end_s: float
    work_s: float


class Bay:
    """One device of the training, as its filler sees it."""

    __slots__ = ("end", "free", "number", "open", "opened", "owner", "piece", "rank", "start", "until", "work")

    def __init__(self, number: int, rank: int) -> None:
        self.number, self.rank = number, rank
        self.open = False
        self.opened = 0.0
        self.until = 0.0
        self.free = 0.0
        """Memory that the training leaves in this window [bytes]."""
        self.owner = -1
        """Whose state the device holds: -1 the training's."""
        self.piece: Piece | None = None
        self.start = self.end = self.work = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How a filler behaves: ``fit``, the slowdown ``budget`` (relative), the ``band`` of drift (relative)."""

    fit: Fit
    budget: float = 0.0
    band: float = 0.1


class Filler(ABC):
    """A guest of the executor that runs pieces in idle windows; what it runs is up to ``offer`` and ``through``.

    A piece starts in a window iff it fits: see ``costs.pipeline.filling.Fit``. When the training wants a device back
    while a piece runs, it waits for the end of the piece, unless that can be split; the ledger keeps the sum of such
    waits within the budget. Nothing starts on a device whose training has ended.
    """

    def __init__(self, clock: Clock, setup: TrainingSetup, rules: Rules, believed: Times | None = None) -> None:
        self.clock, self.setup, self.rules = clock, setup, rules
        self.ledger = Ledger(rules.budget)
        self.bays = [Bay(number, number % setup.ranks) for number in range(setup.ranks * setup.replicas)]
        self.ran: list[Ran] = []
        self.windows: list[tuple[int, float, float]] = []
        """Device, start and end of every window that has closed."""
        self.exact = setup.jitter.distribution == "deterministic" and setup.pool.pool.faults is None
        self.exact = self.exact and believed is None
        self.drift = Drift(setup, rules.band, setup.times if believed is None else believed)
        self.executor: Executor
        self._undisturbed: Sequence[Sequence[Timeline]] = ()
        self._settled = 0
        self._dirty: set[int] = set()
        self._held = _held_before(setup)

    def attach(self, executor: Executor, undisturbed: Sequence[Sequence[Timeline]]) -> None:
        """The training that is filled, and its laps without a filler (empty where devices fail)."""
        self.executor, self._undisturbed = executor, undisturbed

    # -- what is filled in -----------------------------------------------------------------------------------------

    @abstractmethod
    def offer(self, bay: Bay, now: float) -> Piece | None:
        """The piece to start on this device, if any: it fits, and the ledger allows it. It does start."""

    @abstractmethod
    def through(self, bay: Bay, piece: Piece, now: float) -> None:
        """A piece has ended."""

    def settled(self) -> None:  # noqa: B027 # not every filler has something to do
        """All decisions of an instant are made."""

    def opened(self, bay: Bay) -> None:  # noqa: B027 # likewise
        """A window has opened."""

    def cut(self, bay: Bay, piece: Piece, left_s: float) -> None:
        """A piece that can be split was cut with so much left of it [s]."""
        raise InternalError("this filler has no pieces that can be split")

    def dropped(self, bay: Bay, piece: Piece) -> None:
        """The device of a piece has failed."""
        raise InternalError("this filler does not know what to do when a device fails")

    # -- Guest -----------------------------------------------------------------------------------------------------

    def idle(self, device: int, now: float, until: float) -> None:
        """A window opens."""
        bay = self.bays[device]
        self._settle()
        if until == INFINITY:
            return
        bay.open, bay.opened, bay.until, bay.owner = True, now, self.drift.until(self.executor, device, now, until), -1
        bay.free = self._free(device)
        self.opened(bay)
        self.look(bay)

    def busy(self, device: int, now: float) -> float:
        """The window closes."""
        bay = self.bays[device]
        if not bay.open:
            return now
        bay.open = False
        instant = now
        if bay.piece is not None:
            instant = self._interrupted(bay, now)
        self.windows.append((device, bay.opened, now))
        if instant > now:
            self.ledger.release(device)
            self.ledger.overrun(self.executor.devices[device].lap.iteration, instant - now)
        return instant

    def lost(self, device: int, now: float) -> None:
        """The device has failed, and with it what ran on it; pieces on other devices go on in their windows."""
        bay = self.bays[device]
        if bay.open:
            bay.open = False
            self.windows.append((device, bay.opened, now))
        if bay.piece is not None:
            piece, bay.piece = bay.piece, None
            self.ledger.release(device)
            self.ran.append(Ran(device, piece.owner, bay.start, now, 0.0))
            self.dropped(bay, piece)

    # -- pieces ----------------------------------------------------------------------------------------------------

    def look(self, bay: Bay) -> None:
        """Something may start on this device, once the instant has settled."""
        if not self._dirty:
            self.clock.schedule_at(self.clock.now, (DECIDE, self.executor.index), self._decide)
        self._dirty.add(bay.number)

    def fits(self, bay: Bay, now: float, owner: int, seconds: float, memory: float) -> bool:
        """Whether a piece that takes so long fits into what is left of the window of a device."""
        fit = self.rules.fit
        return memory <= bay.free and fit.end_s(now, seconds, owner != bay.owner) <= fit.limit_s(bay.until)

    def _decide(self, _: object) -> None:
        dirty = sorted(self._dirty)
        self._dirty.clear()
        for number in dirty:
            bay = self.bays[number]
            if bay.open and bay.piece is None:
                piece = self.offer(bay, self.clock.now)
                if piece is not None:
                    self._start(bay, piece)
        self.settled()

    def worst_s(self, seconds: float, change: bool, splits: bool = False) -> float:
        """The most that a piece can hold the training up, which may come back at any time [s]."""
        if self.exact:
            return 0.0
        return (self.rules.fit.switch_s if change else 0.0) + (0.0 if splits else seconds)

    def _start(self, bay: Bay, piece: Piece) -> None:
        now, fit = self.clock.now, self.rules.fit
        change = piece.owner != bay.owner
        self.ledger.reserve(bay.number, self.worst_s(piece.seconds, change, piece.splits))
        end = now + (fit.switch_s if change else 0.0) + piece.seconds
        if bay.until < end <= fit.limit_s(bay.until):
            end = bay.until  # the same instant, but for the rounding of two sums
        bay.piece, bay.start, bay.end, bay.work, bay.owner = piece, now, end, piece.seconds, piece.owner
        self.clock.schedule_at(end, (COMPLETION, self.executor.index, bay.number), self._end, (bay, piece))

    def _end(self, call: tuple[Bay, Piece]) -> None:
        bay, piece = call
        if bay.piece is not piece:
            return
        bay.piece = None
        self.ledger.release(bay.number)
        self.ran.append(Ran(bay.number, piece.owner, bay.start, bay.end, bay.work))
        self.through(bay, piece, self.clock.now)
        if bay.open:
            self.look(bay)

    def _interrupted(self, bay: Bay, now: float) -> float:
        """The training wants its device while a piece runs; returns when it gets it."""
        piece = bay.piece
        assert piece is not None
        if not piece.splits or bay.end <= now:
            return max(bay.end, now)
        begun = bay.end - piece.seconds
        left = bay.end - max(now, begun)
        bay.piece = None
        self.ledger.release(bay.number)
        self.ran.append(Ran(bay.number, piece.owner, bay.start, max(now, begun), max(now, begun) - begun))
        self.cut(bay, piece, left)
        return max(now, begun)

    # -- what the training does ------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Take note of the iterations that have ended since."""
        lines = self.executor.lines
        for number in range(self._settled, len(lines)):
            self.drift.saw(self.executor, number)
            if self._undisturbed:
                pairs = zip(lines[number], self._undisturbed[number])
                self.ledger.settle(number, max(float((one.finish - two.finish).max()) for one, two in pairs))
        self._settled = len(lines)

    def _free(self, device: int) -> float:
        """Memory that the training leaves on a device now [bytes]."""
        on = self.executor.devices[device]
        held = 0.0
        if self._held is not None and on.at < on.stop:
            held = float(self._held[self.executor.wiring.op[on.at]])
        return float(self.setup.room[on.rank]) - held


def _held_before(setup: TrainingSetup) -> Floats | None:
    """What the rank of every op holds before it (ops,) [bytes]."""
    if setup.memory is None:
        return None
    after = before_after(setup.schedule, setup.memory)[1]
    before = np.roll(after, 1)
    before[setup.schedule.arrays.first[:-1]] = 0.0
    return before
