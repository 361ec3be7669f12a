"""Windows filled one after the other by a policy, before anything runs: what a filler would do with exact times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.costs.pipeline.filling.fit import Fit
from simulator.costs.pipeline.filling.jobs import Job
from simulator.costs.pipeline.filling.policies import Candidate, Policy
from simulator.costs.pipeline.windows import Window, Windows

DUST = 1e-6
"""Parts of a job that splits are at least this share of a round: what rounding leaves of a window is none."""


class Placed(NamedTuple):
    """A piece of a job in a window, at work from ``start_s`` to ``end_s`` [s]: so many ``steps`` of it (0: a part of a
    job that splits)."""

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


class Offer(NamedTuple):
    """A candidate, with what it does: so many ``steps`` (0: a part of a job that splits); ``ends`` a round or not."""

    candidate: Candidate
    steps: int
    ends: bool


class Progress:
    """How far every job is: rounds that may still begin, and where it stands on every rank."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.left = [job.rounds for job in jobs]
        self._at: dict[tuple[int, int], int] = {}
        self._part: dict[tuple[int, int], float] = {}

    def take(self, rank: int, offer: Offer) -> None:
        """A piece starts on a rank."""
        job = offer.candidate.job
        here = (rank, job)
        if not self._begun(here):
            self.left[job] -= 1
        if self.jobs[job].splits:
            self._part[here] = 0.0 if offer.ends else self._part.get(here, 0.0) + offer.candidate.seconds
        else:
            self._at[here] = 0 if offer.ends else self._at.get(here, 0) + offer.steps

    def cut(self, rank: int, offer: Offer, left_s: float) -> None:
        """A piece was cut with so much left of it [s]."""
        job = offer.candidate.job
        done = self.jobs[job].seconds if offer.ends else self._part[rank, job]
        self._part[rank, job] = done - left_s
        if not self._begun((rank, job)):
            self.left[job] += 1

    def lose(self, rank: int, offer: Offer) -> None:
        """A rank has failed with a piece under way: the round begins anew, here or elsewhere."""
        here = (rank, offer.candidate.job)
        self._at[here], self._part[here] = 0, 0.0
        self.left[offer.candidate.job] += 1

    def offers(self, rank: int, owner: int, room_s: float, free: float, fit: Fit) -> list[Offer]:
        """What fits, by job; ``owner``: the job whose state is there (-1: none)."""
        found = []
        for number, job in enumerate(self.jobs):
            begun = self._begun((rank, number))
            if job.memory <= free and (begun or self.left[number] >= 1):
                seconds, steps, ends = self._longest(rank, number, room_s, number != owner, fit)
                if seconds > 0.0:
                    left = self.left[number] + begun
                    one = Candidate(number, seconds, left, job.deadline_s, number != owner)
                    found.append(Offer(one, steps, ends))
        return found

    def _begun(self, here: tuple[int, int]) -> bool:
        return self._at.get(here, 0) > 0 or self._part.get(here, 0.0) > 0.0

    def _longest(self, rank: int, number: int, room_s: float, change: bool, fit: Fit) -> tuple[float, int, bool]:
        """The longest piece of a job that fits: its time [s], its steps, whether it ends a round."""
        job = self.jobs[number]
        if not job.splits:
            at = self._at.get((rank, number), 0)
            steps = job.run(at, room_s, fit, change)
            return job.length(at, steps) if steps else 0.0, steps, at + steps == len(job.steps)
        rest = job.seconds - self._part.get((rank, number), 0.0)
        room = (room_s - (fit.switch_s if change else 0.0)) / (1.0 + fit.margin)
        if fit.limit_s(room) >= rest:
            return rest, 0, True
        return (room, 0, False) if room > DUST * job.seconds else (0.0, 0, False)


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
        room = fit.limit_s(window.end_s) - now
        offers = progress.offers(window.rank, owner, room, window.free, fit)
        if not offers or (window.end_s - now) <= 0.0:
            return placed
        chosen = chosen_of(offers, policy, room, fit)
        start = now + (fit.switch_s if chosen.candidate.change else 0.0)
        now, owner = min(start + chosen.candidate.seconds, window.end_s), chosen.candidate.job
        placed.append(Placed(number, owner, start, now, chosen.steps))
        progress.take(window.rank, chosen)


def chosen_of(offers: Sequence[Offer], policy: Policy, room_s: float, fit: Fit) -> Offer:
    """The offer that a policy takes."""
    candidate = policy.choose([offer.candidate for offer in offers], room_s, fit)
    return next(offer for offer in offers if offer.candidate is candidate)
