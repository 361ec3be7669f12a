"""Windows filled one after the other by a policy, before anything runs: what a filler would do with exact times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.costs.pipeline.filling.fit import Fit
from simulator.costs.pipeline.filling.jobs import Job
from simulator.costs.pipeline.filling.policies import Candidate, Policy
from simulator.costs.pipeline.windows import Window, Windows


class Placed(NamedTuple):
    """A piece of a job in a window: ``steps`` of its steps, working from ``start_s`` to ``end_s`` [s]."""

    window: int
    job: int
    start_s: float
    end_s: float
    steps: int


@dataclass(frozen=True, slots=True)
class Filled:
    """Pieces by window; ``idle_s``: length of all windows [s]."""

    pieces: tuple[Placed, ...]
    idle_s: float

    @property
    def work_s(self) -> float:
        """Time of all pieces [s]: what is recovered."""
        return sum(piece.end_s - piece.start_s for piece in self.pieces)

    @property
    def efficiency(self) -> float:
        """Share of the idle time that is recovered."""
        return self.work_s / self.idle_s if self.idle_s > 0.0 else 0.0


class Progress:
    """How far every job is: rounds that may still begin, and its next step on every rank."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.left = [job.rounds for job in jobs]
        self._at: dict[tuple[int, int], int] = {}

    def at(self, rank: int, job: int) -> int:
        """The next step of a job on a rank."""
        return self._at.get((rank, job), 0)

    def take(self, rank: int, job: int, steps: int) -> None:
        """So many steps of a job are done on a rank next."""
        at = self.at(rank, job)
        if at == 0:
            self.left[job] -= 1
        self._at[rank, job] = (at + steps) % len(self.jobs[job].steps)

    def candidates(self, rank: int, owner: int, room_s: float, free: float, fit: Fit) -> list[tuple[Candidate, int]]:
        """What fits, with its number of steps, by job; ``owner``: the job whose state is there (-1: none)."""
        found = []
        for number, job in enumerate(self.jobs):
            at, change = self.at(rank, number), number != owner
            if job.memory > free or (at == 0 and self.left[number] < 1):
                continue
            steps = job.run(at, room_s, fit, change)
            if steps:
                seconds = job.length(at, steps)
                left = self.left[number] + (at > 0)
                found.append((Candidate(number, seconds, left, job.deadline_s, change), steps))
        return found


def fill(windows: Windows, jobs: Sequence[Job], policy: Policy, fit: Fit) -> Filled:
    """Fill windows in the order in which they open; no piece overlaps what keeps its rank busy.

    >>> from simulator.costs.pipeline import one_f_one_b_windows
    >>> from simulator.costs.pipeline.filling.policies import POLICIES
    >>> windows = one_f_one_b_windows(2, 2, 1.0, 2.0)
    >>> fill(windows, [Job("a", (0.5,))], POLICIES["first_fit"], Fit()).efficiency
    1.0
    """
    progress = Progress(jobs)
    pieces: list[Placed] = []
    rows = list(windows)
    for number in sorted(range(len(rows)), key=lambda i: (rows[i].start_s, rows[i].rank)):
        pieces += _one(number, rows[number], progress, policy, fit)
    return Filled(tuple(pieces), sum(row.length_s for row in rows))


def _one(number: int, window: Window, progress: Progress, policy: Policy, fit: Fit) -> list[Placed]:
    placed: list[Placed] = []
    now, owner = window.start_s, -1
    while True:
        room = window.end_s - now
        found = progress.candidates(window.rank, owner, room, window.free, fit)
        if not found:
            return placed
        chosen = policy.choose([one for one, _ in found], room, fit)
        steps = next(count for one, count in found if one is chosen)
        start = now + (fit.switch_s if chosen.change else 0.0)
        now, owner = min(start + chosen.seconds, window.end_s), chosen.job
        placed.append(Placed(number, owner, start, now, steps))
        progress.take(window.rank, owner, steps)
