"""ZB-1p and ZB-2p: the order with the least bubble that own search finds under a memory limit.

The limits are p and 2 p times the activations M_B of one microbatch. The measure is the longest span of a rank, so that
ranks may end askew (Qi et al., ICLR 2024, where the heuristic is another one).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from simulator.costs.pipeline.memory import Memory, memory_of, peaks
from simulator.costs.pipeline.ops import Op, Schedule, loop, one_way
from simulator.costs.pipeline.schedules.common import single
from simulator.costs.pipeline.schedules.greedy import Job, Policy, orders, span
from simulator.costs.pipeline.schedules.zero_bubble import ZB_H1, ZB_H2
from simulator.costs.pipeline.shape import Entry, Shape
from simulator.costs.pipeline.timeline import evaluate
from simulator.costs.pipeline.times import Times, times_of
from simulator.errors import Problem, ScenarioError

EFFORT = 600_000
"""Decisions of ranks that a search may take in all; a schedule needs 3 p m of them."""
STARTS = (
    Policy(),
    Policy(extra=1.0, lookahead=0.1),
    Policy(patience=0.5, tail=0.98),
    Policy(slope=0.5, patience=1.0, tail=1.0),
    Policy(slope=100.0, lookahead=0.1),
    Policy(slope=100.0, patience=1.0, tail=1.0),
    Policy(slope=1.5, tail=0.1, level=1.0),
    Policy(slope=100.0, patience=0.02, tail=0.02, lookahead=0.02, level=1.0),
)
"""From little to much held back: the deepest warm-up that pays, gaps left open for what is about to come, no cap; and
gaps that are left open where others have larger ones."""
RESTARTS = 12
"""Descents from policies drawn at random, at most, that find nothing better one after another."""
CHOICES: dict[str, tuple[Any, ...]] = {
    "extra": (0.0, 0.5, 1.0, 2.0, 4.0, -1.0),
    "slope": (1.0, 0.5, 0.75, 1.25, 1.5, 2.0, 100.0),
    "patience": (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.98, 1.0),
    "tail": (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.0),
    "lookahead": (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5),
    "eager": (False, True),
    "level": (0.0, 0.5, 1.0, 2.0),
}


@dataclass
class _Tries:
    """Policies tried so far, with the span that each leads to [s]; counts what is left of the effort."""

    job: Job
    left: float
    spans: dict[Policy, float] = field(default_factory=dict)

    def span(self, policy: Policy) -> float:
        """The span under a policy; infinite for a new one when the effort is spent."""
        if policy not in self.spans:
            if self.left <= 0.0 and self.spans:
                return float("inf")
            self.left -= 3.0 * self.job.microbatches * len(self.job.forward)
            self.spans[policy] = span(self.job, policy)
        return self.spans[policy]

    def descend(self, policy: Policy, enough: float) -> None:
        """Take the best value of one trait after the other, as long as that shortens the span."""
        before = None
        while policy != before and self.left > 0.0 and self.span(policy) > enough:
            before = policy
            for name, values in CHOICES.items():
                policy = min((policy, *(policy._replace(**{name: value}) for value in values)), key=self.span)

    def restart(self, enough: float) -> None:
        """Descend from policies drawn at random, always the same ones, until that no longer helps."""
        rng, vain = random.Random(0), 0
        while vain < RESTARTS and self.left > 0.0 and min(self.spans.values()) > enough:
            before = min(self.spans.values())
            self.descend(Policy(**{name: rng.choice(values) for name, values in CHOICES.items()}), enough)
            vain = 0 if min(self.spans.values()) < before else vain + 1


def least_span(job: Job) -> float:
    """No schedule's longest span is shorter [s]: the work of a rank; and the last rank's forwards and backwards, with
    the way there and back of the first rank's first and last microbatch around them, and that one's W."""
    m = job.microbatches
    work = max(m * (f + b + w) for f, b, w in zip(job.forward, job.backward, job.weight))
    way = sum(job.forward[:-1]) + sum(job.backward[:-1]) + sum(job.forward_cost) + sum(job.backward_cost)
    return max(work, way + m * (job.forward[-1] + job.backward[-1]) + job.weight[0])


def search(shape: Shape, name: str, effort: float = EFFORT) -> Schedule:
    """The best order found for the shape's times and memory within its limit; the same for the same arguments."""
    times, memory = _given(shape)
    limit = shape.limit
    if limit is None:
        raise ScenarioError(Problem(f"{name} needs a memory limit", path="limit"))
    if not limit >= memory.activation.max():
        text = f"{name}: the limit {limit:g} does not hold one microbatch, which takes {memory.activation.max():g}"
        raise ScenarioError(Problem(text, path="limit"))
    job = job_of(shape.microbatches, times, memory, limit)
    tries = _Tries(job, effort)
    starts = sorted(STARTS, key=tries.span)
    enough = least_span(job) * (1.0 + 1e-9)
    for start in starts:
        if min(tries.spans.values()) > enough:
            tries.descend(start, enough)
    tries.restart(enough)
    best = min(tries.spans, key=lambda policy: tries.spans[policy])
    found = _named(name, shape, orders(job, best))
    fixed = [_named(name, shape, entry.build(shape).orders) for entry in (ZB_H1, ZB_H2)]
    fitting = [one for one in fixed if (peaks(one, memory) <= limit * (1.0 + 1e-9)).all()]
    return min([found, *fitting], key=lambda one: _span(one, times))


def _named(name: str, shape: Shape, orders: tuple[tuple[Op, ...], ...] | list[list[Op]]) -> Schedule:
    return one_way(name, shape.ranks, shape.microbatches, loop(shape.ranks), orders)


def _span(schedule: Schedule, times: Times) -> float:
    line, first = evaluate(schedule, times), schedule.arrays.first
    return float((line.end[first[1:] - 1] - line.start[first[:-1]]).max())


def _given(shape: Shape) -> tuple[Times, Memory]:
    """Times and memory of the shape; unless given, F = B = W = 1, and W keeps all that F left (the safe side)."""
    times = times_of(shape.ranks, 1.0, 1.0, 1.0) if shape.times is None else shape.times
    memory = memory_of(shape.ranks, 1.0, 1.0) if shape.memory is None else shape.memory
    for what, stages in (("times", times.stages), ("memory", len(memory.activation))):
        if stages != shape.ranks:
            raise ScenarioError(Problem(f"{what} of {stages} stages for {shape.ranks} ranks of one stage", path=what))
    return times, memory


def job_of(microbatches: int, times: Times, memory: Memory, limit: float) -> Job:
    """What the greedy run is given."""
    return Job(
        microbatches,
        times.forward.tolist(),
        times.backward_input.tolist(),
        times.backward_weight.tolist(),
        times.transfer.tolist(),
        times.transfer_back.tolist(),
        not times.overlap,
        memory.activation.tolist(),
        memory.kept.tolist(),
        limit,
    )


def _limited(name: str, factor: int) -> Entry:
    """The schedule whose limit is, unless given, so many times p of the largest stage's activations."""

    def build(shape: Shape) -> Schedule:
        most = float(_given(shape)[1].activation.max())
        limit = factor * shape.ranks * most if shape.limit is None else shape.limit
        filled = Shape(shape.ranks, shape.microbatches, 1, shape.times, shape.memory, limit)
        return search(filled, name)

    return Entry(build, single, timed=True)


ZB_1P = _limited("zb-1p", 1)
ZB_2P = _limited("zb-2p", 2)
