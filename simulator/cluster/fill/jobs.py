"""Fill jobs in the idle windows of a training."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.cluster.clock import Clock
from simulator.cluster.fill.filler import Bay, Filler, Piece, Rules
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline.filling import Job, Offer, Policy, Progress, chosen_of
from simulator.costs.pipeline.times import Times


class JobsFiller(Filler):
    """Runs pieces of jobs, chosen by a policy; a job may be under way on any number of devices at once.

    ``done[j]``: rounds of job j that are through, ``ended_s[j]``: when the last of them was [s].
    """

    def __init__(
        self,
        clock: Clock,
        setup: TrainingSetup,
        rules: Rules,
        jobs: Sequence[Job],
        policy: Policy,
        believed: Times | None = None,
    ) -> None:
        super().__init__(clock, setup, rules, believed)
        self.jobs, self.policy = tuple(jobs), policy
        self.progress = Progress(self.jobs)
        self.done = [0] * len(self.jobs)
        self.ended_s = [0.0] * len(self.jobs)

    def offer(self, bay: Bay, now: float) -> Piece | None:
        """The piece that the policy takes, of those that fit and that the budget allows."""
        fit = self.rules.fit
        room = fit.limit_s(bay.until) - now
        offers = self.progress.offers(bay.number, bay.owner, room, bay.free, fit)
        allowed = [one for one in offers if self.ledger.allows(now, self._worst(one))]
        if not allowed:
            self.ledger.refused += bool(offers)
            return None
        chosen = chosen_of(allowed, self.policy, room, fit)
        job = self.jobs[chosen.candidate.job]
        self.progress.take(bay.number, chosen)
        return Piece(chosen.candidate.job, chosen.candidate.seconds, job.memory, chosen, job.splits)

    def _worst(self, offer: Offer) -> float:
        one = offer.candidate
        return self.worst_s(one.seconds, one.change, self.jobs[one.job].splits)

    def through(self, bay: Bay, piece: Piece, now: float) -> None:
        """A piece has ended, and with it perhaps a round."""
        if piece.what.ends:
            self.done[piece.owner] += 1
            self.ended_s[piece.owner] = now

    def cut(self, bay: Bay, piece: Piece, left_s: float) -> None:
        """The rest of the piece comes in a later window of this device."""
        self.progress.cut(bay.number, piece.what, left_s)

    def dropped(self, bay: Bay, piece: Piece) -> None:
        """The round that was under way begins anew."""
        self.progress.lose(bay.number, piece.what)
