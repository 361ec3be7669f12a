"""A pipeline scheduled as it runs: every rank decides, when it is free, by what it knows to have been sent to it.

A rank prefers backwards to forwards and both to weight gradients, which fill what would be idle; a ``Policy`` says how
far. Forwards wait for memory. Since the oldest microbatch always goes on, this never comes to a standstill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from simulator.costs.pipeline.ops import B, F, Kind, Op, W
from simulator.errors import InternalError

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be scheduled: per stage, times of F, B and W [s], memory M_B and M_W, all as lists.

    ``forward_cost[s]`` is the transfer from stage s to s + 1, ``backward_cost[s]`` the one back; ``blocking``: they
    hold the sender. ``limit`` is what activations may take on a rank.
    """

    microbatches: int
    forward: list[float]
    backward: list[float]
    weight: list[float]
    forward_cost: list[float]
    backward_cost: list[float]
    blocking: bool
    activation: list[float]
    kept: list[float]
    limit: float

    def first_backward(self, stage: int) -> float:
        """Time from the first forward of a stage to the earliest arrival of its first backward [s]."""
        later = sum(self.backward[stage + 1 :]) + sum(self.forward_cost[stage:]) + sum(self.backward_cost[stage:])
        return sum(self.forward[stage:]) + later


class Policy(NamedTuple):
    """How a rank decides.

    It holds at most ``slope n + extra`` microbatches at once, n being the forwards that fit before the earliest first
    backward. A weight gradient waits for an op that is known to come within ``patience`` of its own time, once all
    forwards are done within ``tail``. A forward waits for a backward known to come within ``lookahead`` of its own
    time. ``eager``: of a forward and a backward that are both there, the forward goes first. ``level``: a weight
    gradient that would delay the next known op waits for it, as long as that leaves the rank no more idle than
    ``level`` times the most that any rank has idled so far: a bubble costs nothing while another rank has larger ones.
    """

    extra: float = 0.0
    slope: float = 1.0
    patience: float = 0.0
    tail: float = 0.0
    lookahead: float = 0.0
    eager: bool = False
    level: float = 0.0


class _Rank:
    """One rank, which holds one stage."""

    __slots__ = (
        "arrived",
        "began",
        "change",
        "count",
        "done",
        "ended",
        "free",
        "idle",
        "kinds",
        "last",
        "memory",
        "most",
        "policy",
        "room",
        "seconds",
        "wake",
    )

    def __init__(self, job: Job, policy: Policy, stage: int) -> None:
        # by kind: F, B, W; lists, for a dictionary would hash the kinds by name
        self.seconds = [job.forward[stage], job.backward[stage], job.weight[stage]]
        self.change = [job.activation[stage], job.kept[stage] - job.activation[stage], -job.kept[stage]]
        self.done = [0, 0, 0]
        self.arrived: list[list[float]] = [[0.0] * job.microbatches if stage == 0 else [], []]
        self.room = job.limit * (1.0 + 1e-9) - job.activation[stage]
        fits = job.first_backward(stage) / job.forward[stage] if job.forward[stage] > 0.0 else job.microbatches
        self.most = max(1, int(min(policy.slope * fits + policy.extra, job.microbatches)))
        self.policy, self.count = policy, job.microbatches
        self.last = stage == len(job.forward) - 1
        self.memory = 0.0
        self.kinds: list[Kind] = []
        self.began, self.ended, self.free, self.wake = NEVER, 0.0, 0.0, NEVER
        self.idle = 0.0

    def choose(self, now: float, most_idle: float) -> tuple[Kind | None, float]:
        """What to run now; if nothing, when to look again. A forward needs memory and a place among ``most``.

        ``most_idle``: the longest that any rank has idled so far, since its first op [s].
        """
        forwards, backwards, weights = self.done
        arrived, returned = self.arrived
        backward = returned[backwards] if backwards < len(returned) else NEVER
        fits = self.memory <= self.room and forwards - backwards < self.most and forwards < len(arrived)
        forward = arrived[forwards] if fits else NEVER
        if backward <= now and not (self.policy.eager and forward <= now):
            return B, now
        waiting = weights < backwards
        if forward <= now:
            if backward <= now or backward >= now + self.policy.lookahead * self.seconds[F]:
                return F, now
            return (W, now) if waiting and now + self.seconds[W] <= backward else (None, backward)
        soon = min(forward, backward)
        if soon < now + self.seconds[W] and self.idle + (soon - now) <= self.policy.level * most_idle:
            return None, soon
        share = self.policy.patience if forwards < self.count else self.policy.tail
        return (W, now) if waiting and soon >= now + share * self.seconds[W] else (None, soon)

    def run(self, kind: Kind, now: float) -> float:
        """Run the next op of a kind; returns its end."""
        if self.kinds:
            self.idle += now - self.ended
        else:
            self.began = now
        self.kinds.append(kind)
        self.done[kind] += 1
        self.memory += self.change[kind]
        self.ended = now + self.seconds[kind]
        if kind is F and self.last:
            self.arrived[B].append(self.ended)
        return self.ended

    def order(self, stage: int) -> list[Op]:
        """What it ran: each kind takes the microbatches one by one."""
        numbers = [0, 0, 0]
        ops = []
        for kind in self.kinds:
            ops.append(Op(kind, stage, numbers[kind]))
            numbers[kind] += 1
        return ops


def orders(job: Job, policy: Policy) -> list[list[Op]]:
    """The order of every rank."""
    return [rank.order(stage) for stage, rank in enumerate(_ran(job, policy))]


def span(job: Job, policy: Policy) -> float:
    """The longest span of a rank [s], from its first op to its last."""
    return max(rank.ended - rank.began for rank in _ran(job, policy))


def _ran(job: Job, policy: Policy) -> list[_Rank]:
    """All ranks after the run."""
    ranks = [_Rank(job, policy, stage) for stage in range(len(job.forward))]
    ranks[0].wake = 0.0
    heap = [(0.0, 0)]
    most_idle = 0.0
    while heap:
        now, number = heappop(heap)
        rank = ranks[number]
        if rank.wake != now:
            continue
        kind, rank.wake = rank.choose(now, most_idle)
        if kind is None:
            if rank.wake < NEVER:
                heappush(heap, (rank.wake, number))
            continue
        end = rank.run(kind, now)
        most_idle = max(most_idle, rank.idle)
        rank.free = rank.wake = _send(job, ranks, number, kind, end, heap)
        heappush(heap, (rank.wake, number))
    if any(rank.done[W] < job.microbatches for rank in ranks):
        raise InternalError("the greedy schedule came to a standstill")
    return ranks


def _send(
    job: Job, ranks: Sequence[_Rank], number: int, kind: Kind, end: float, heap: list[tuple[float, int]]
) -> float:
    """Hand an output on to the neighbour that needs it; returns when the sender is free."""
    to = number + 1 if kind is F else number - 1
    if kind is W or not 0 <= to < len(ranks):
        return end
    arrival = end + (job.forward_cost[number] if kind is F else job.backward_cost[to])
    other = ranks[to]
    other.arrived[kind].append(arrival)
    look = max(arrival, other.free)
    if look < other.wake:
        other.wake = look
        heappush(heap, (look, to))
    return arrival if job.blocking else end
