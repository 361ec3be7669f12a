"""Timing probes in rounds: all take turns, so that slow drifts of the machine hit all alike."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from simulator.calibration.measure.probe import Call, Lap, Probe, Ticker, Unavailable
from simulator.errors import Problem, ScenarioError

LEAST_S = 0.01
"""A probe is called for at least so long in a round: short calls then give many laps, and a better minimum."""
MOST_CALLS = 1000
LEAST_CLEAN = 3
"""Undisturbed laps that are enough to look at no others."""

SETTLED = 0.02
"""The least time is settled when the best undisturbed calls of two rounds are so close: that is no chance."""
MOST_TIMES = 4
"""So many times the rounds asked for are spent on a probe that is not settled."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: rounds, least calls of each probe in a round, and the limit of it all [s].

    What other load disturbs gets more rounds, until its least time is settled.
    """

    rounds: int = 5
    calls: int = 8
    limit_s: float = 300.0

    def __post_init__(self) -> None:
        for path, value in (("--rounds", self.rounds), ("--calls", self.calls)):
            if not 1 <= value <= 10_000:
                raise ScenarioError(Problem(f"must be from 1 to 10000, got {value}", path=path))
        if not (math.isfinite(self.limit_s) and self.limit_s > 0):
            raise ScenarioError(Problem(f"must be a time greater than 0, got {self.limit_s}", path="--time-limit"))


@dataclass(slots=True)
class Timing:
    """The laps of one probe: all of them in rounds that were finished."""

    probe: Probe
    least_any_s: float = math.inf
    least_clean_s: float = math.inf
    clean: int = 0
    bests_s: list[float] = field(default_factory=list)
    medians_s: list[float] = field(default_factory=list)
    walls_s: list[float] = field(default_factory=list)
    calls: int = 0

    def add(self, laps: Sequence[Lap]) -> None:
        """One finished round."""
        clean = [lap.spent_s for lap in laps if lap.undisturbed]
        self.clean += len(clean)
        self.least_clean_s = min([self.least_clean_s, *clean])
        self.least_any_s = min(self.least_any_s, *(lap.spent_s for lap in laps))
        self.bests_s.append(min(clean, default=math.inf))
        self.medians_s.append(statistics.median(lap.spent_s for lap in laps))
        self.walls_s.append(statistics.median(lap.wall_s for lap in laps))
        self.calls += len(laps)

    @property
    def least_s(self) -> float:
        """The least time of a call that nothing disturbed, else of any.

        On a virtual machine the system takes time that others stole off the clock of whoever runs next: a lap can then
        seem a third too short. Such a lap is short beside the wall too, so it counts as disturbed.
        """
        return self.least_clean_s if self.clean >= LEAST_CLEAN else self.least_any_s

    @property
    def settled(self) -> bool:
        """Whether the best undisturbed calls of two rounds agree; one round alone is never asked again."""
        if len(self.bests_s) < 2:
            return True
        first, second = sorted(self.bests_s)[:2]
        return math.isfinite(second) and second <= (1 + SETTLED) * first

    @property
    def cv_rounds(self) -> float | None:
        """Standard deviation over mean of the medians of the rounds: the noise; None of one round."""
        if len(self.medians_s) < 2:
            return None
        return statistics.stdev(self.medians_s) / statistics.fmean(self.medians_s)


@dataclass(frozen=True, slots=True)
class Run:
    """Probes with at least one finished round, in the order given, and why there are not more."""

    timings: tuple[Timing, ...]
    notes: tuple[str, ...]
    interrupted: bool


def run_rounds(
    probes: Sequence[Probe],
    effort: Effort,
    progress: Callable[[float], object] | None = None,
    wall: Ticker = time.perf_counter,
) -> Run:
    """Time all probes, round after round, until all is done or the limit has passed.

    Every other round runs backwards: a machine that slows down steadily then hits all alike. A probe is prepared when
    its first turn comes. An interruption (Ctrl-C) keeps the rounds that are finished.
    """
    work = _Work(probes, effort, wall)
    interrupted = False
    try:
        work.run(progress)
    except KeyboardInterrupt:
        interrupted = True
    return Run(tuple(one for one in work.timings if one.medians_s), tuple(work.notes()), interrupted)


class _Work:
    """The state of a run."""

    def __init__(self, probes: Sequence[Probe], effort: Effort, wall: Ticker) -> None:
        self.timings = [Timing(probe) for probe in probes]
        self.effort, self.wall = effort, wall
        self.end = wall() + effort.limit_s
        self.calls: dict[int, Call] = {}
        self.refused: dict[int, str] = {}
        self.cut = False

    def run(self, progress: Callable[[float], object] | None) -> None:
        """All rounds."""
        rounds = self.effort.rounds
        for number in range(rounds * MOST_TIMES):
            turn = [i for i, one in enumerate(self.timings) if number < rounds or not one.settled]
            for done, i in enumerate(turn if number % 2 == 0 else reversed(turn)):
                self.cut = self.cut or self.late
                if self.cut:
                    return
                self._turn(i)
                if progress is not None:
                    progress(min((number + (done + 1) / len(turn)) / rounds, 1.0))

    @property
    def late(self) -> bool:
        """Whether the limit has passed."""
        return self.wall() >= self.end

    def _turn(self, i: int) -> None:
        timing = self.timings[i]
        try:
            if i not in self.calls and i not in self.refused:
                self.calls[i] = timing.probe.prepare()
                timing.probe.clock.warm_up(self.calls[i])
        except Unavailable as reason:
            self.calls.pop(i, None)
            self.refused[i] = str(reason)
        if i in self.calls:
            laps = self._laps(timing.probe, self.calls[i])
            if laps:
                timing.add(laps)

    def _laps(self, probe: Probe, call: Call) -> list[Lap]:
        """The laps of one turn; empty when the limit passed before there were enough."""
        laps: list[Lap] = []
        collecting = gc.isenabled()
        gc.disable()  # else a lap pays for the garbage of the one before
        try:
            call()  # the turn of another has emptied the caches
            began = self.wall()
            while len(laps) < self.effort.calls or (self.wall() < began + LEAST_S and len(laps) < MOST_CALLS):
                if self.late:
                    self.cut = len(laps) < self.effort.calls
                    break
                laps.append(probe.clock.lap(call))
        finally:
            if collecting:
                gc.enable()
        return laps if len(laps) >= self.effort.calls else []

    def notes(self) -> Iterator[str]:
        """Why there are fewer rows or rounds than asked for."""
        for message, places in _together(self.refused):
            first = self.timings[places[0]].probe.title
            others = f" and {len(places) - 1} more" if len(places) > 1 else ""
            yield f"left out {first}{others}: {message}"
        asked = [one for i, one in enumerate(self.timings) if i not in self.refused]
        rounds = min((len(one.medians_s) for one in asked), default=0)
        if self.cut and rounds < self.effort.rounds:
            done = sum(1 for one in asked if one.medians_s)
            yield (
                f"the time limit of {self.effort.limit_s:g} s passed after {rounds} of {self.effort.rounds} rounds; "
                f"{done} of {len(asked)} probes have at least one round"
            )
        restless = sum(1 for one in asked if not one.settled)
        if restless:
            yield (
                f"the least time of {restless} of {len(asked)} probes was met in one round only (no other undisturbed "
                f"one within {SETTLED:.0%}): other load disturbs them, measure again when the machine is quiet"
            )


def _together(refused: dict[int, str]) -> list[tuple[str, list[int]]]:
    """The places of each message."""
    found: dict[str, list[int]] = {}
    for i, message in refused.items():
        found.setdefault(message, []).append(i)
    return list(found.items())
