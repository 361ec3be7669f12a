"""How much a second training can do at most in the idle windows of a first one that repeats itself and is not delayed.

Rank r idles ``A_r(t)`` until instant t; one iteration of the second keeps it busy for ``w_r``. Whatever order its ops
run in, it takes at least ``max_r w_r / idle_r`` periods of the first. With an update barrier nothing of an iteration
runs before the last one has ended everywhere. If it begins at b, then on rank r nothing runs before ``b + head_r``, the
forwards of earlier stages, and after the last backward those of earlier stages take ``tail_r``. So it ends no earlier
than ::

    g(b) = max over r of  A_r^-1(A_r(b + head_r) + w_r) + tail_r

``g`` is monotone and ``g(b + T) = g(b) + T`` with the period T, so repeating it takes, in the long run, the same time
per iteration from wherever it starts: no schedule of the second instance is faster. (For a last rank with one window of
``(p - 1)(F + B)`` per period and p microbatches that need ``p (F + B)``: two windows are needed, and after the last
backward in the second no forward can return before it has closed. Two periods per iteration, as ``g`` finds.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.costs.pipeline.ops import BW, B, Kind, Schedule, W
from simulator.costs.pipeline.timeline import NO_ENDING, Ending, Timeline, back_to_back
from simulator.costs.pipeline.times import Floats, Times
from simulator.costs.pipeline.windows import idle_windows
from simulator.errors import Problem, ScenarioError

SLACK = 1e-9
"""Work is taken to be this much less than it is, relative, so that rounding never makes the bound too low."""
MOST_ITERATIONS = 1024
"""Iterations after which a training that does not repeat itself is refused."""
MOST_STEPS = 2000
"""Repetitions of g; without a cycle by then the last of them bounds the limit to within a period."""


@dataclass(frozen=True, eq=False)
class Cycle:
    """A training that repeats itself every ``period_s`` from ``origin_s`` on: ``edges[r]`` are instants after the
    origin [s] and ``idle[r]`` what rank r has idled until then [s]; the last edge is the period.
    """

    period_s: float
    origin_s: float
    edges: tuple[Floats, ...]
    idle: tuple[Floats, ...]

    @property
    def idle_s(self) -> Floats:
        """Idle time of each rank in a period (ranks,) [s]."""
        return np.array([idle[-1] for idle in self.idle])

    def after(self, rank: int, instant_s: float, work_s: float) -> float:
        """When a rank that works whenever it is idle has done so much work from an instant on [s]."""
        edges, idle = self.edges[rank], self.idle[rank]
        turn, phase = divmod(instant_s - self.origin_s, self.period_s)
        wanted = float(np.interp(phase, edges, idle)) + work_s
        whole, rest = divmod(wanted, float(idle[-1]))
        if rest == 0.0 and work_s > 0.0:
            whole, rest = whole - 1.0, float(idle[-1])
        at = int(np.searchsorted(idle, rest, side="left"))
        reached = float(edges[at]) - (float(idle[at]) - rest)
        return max(instant_s, self.origin_s + (turn + whole) * self.period_s + reached)


def alike(before: Timeline, last: Timeline) -> bool:
    """Whether two iterations differ by one shift of all instants, to rounding."""
    shift = np.concatenate([last.start - before.start, last.finish - before.finish])
    period = float(shift.max())
    return bool(period > 0.0 and (np.abs(shift - period) <= SLACK * period).all())


def cycle_of(lines: Sequence[Timeline]) -> Cycle:
    """The steady state that back-to-back iterations without jitter have reached in their last two.

    Raises ScenarioError where the last iterations are not yet alike.
    """
    before, last = lines[-2], lines[-1]
    if not alike(before, last):
        raise ScenarioError(Problem("the training has not reached a steady state in these iterations; give more"))
    period = float((last.finish - before.finish).max())
    since = float(before.finish.max()) - period
    windows = idle_windows(lines, since_s=since, until_s=since + period)
    edges, idle = [], []
    for rank in range(last.schedule.ranks):
        own = windows.of_rank(rank)
        points = [0.0, *(x - since for window in own for x in (window.start_s, window.end_s)), period]
        steps = [0.0, *(x for window in own for x in (0.0, window.length_s)), 0.0]
        edges.append(np.array(points))
        idle.append(np.cumsum(steps))
    return Cycle(period, since, tuple(edges), tuple(idle))


def steady_lines(schedule: Schedule, times: Times, ending: Ending = NO_ENDING) -> tuple[Timeline, ...]:
    """Back-to-back iterations until two are alike, but at most ``MOST_ITERATIONS``."""
    count = 4
    while True:
        lines = back_to_back(schedule, times, count, ending=ending)
        if alike(lines[-2], lines[-1]) or count >= MOST_ITERATIONS:
            return lines
        count *= 4


@dataclass(frozen=True, eq=False)
class Demand:
    """One iteration of a second training by rank (ranks,) [s]: ``work``, of it ``until_backward`` before its last
    backward has ended, ``head`` and ``tail`` as in the page above."""

    work: Floats
    until_backward: Floats
    head: Floats
    tail: Floats


def demand_of(schedule: Schedule, times: Times, ending_s: Floats | float = 0.0) -> Demand:
    """What one iteration needs; ``ending_s``: all-reduce and optimizer step of each rank."""
    ops = schedule.arrays
    table = np.stack([times.per_stage(kind) for kind in Kind])
    seconds = table[ops.kind, ops.stage]
    ranks = schedule.ranks
    work: Floats = np.bincount(ops.rank, weights=seconds, minlength=ranks).astype(np.float64)
    before: Floats = np.where(ops.kind == W, 0.0, seconds)
    early: Floats = np.bincount(ops.rank, weights=before, minlength=ranks).astype(np.float64)
    ahead = _before(times.forward, times.transfer, schedule)
    behind = _before(_gradient(schedule, times), times.transfer_back, schedule)
    head, tail = np.full(ranks, np.inf), np.full(ranks, np.inf)
    for direction, placed in enumerate(schedule.placement):
        for stage, rank in enumerate(placed):
            head[rank] = min(head[rank], ahead[direction][stage])
            tail[rank] = min(tail[rank], behind[direction][stage])
    if schedule.forward_only:
        tail = np.zeros(ranks)
    return Demand(work + ending_s, early, head, tail)


def _gradient(schedule: Schedule, times: Times) -> Floats:
    """How long a stage takes, at the least, until it hands its gradient on (stages,) [s]."""
    ops = schedule.arrays
    split = np.bincount(ops.stage[ops.kind == B], minlength=schedule.stages) > 0
    return np.where(split, times.backward_input, times.per_stage(BW))


def _before(seconds: Floats, transfers: Floats, schedule: Schedule) -> list[Floats]:
    """Time of the stages before each one, with the transfers between ranks, by direction (stages,)."""
    found = []
    for placed in schedule.placement:
        apart = np.array(placed[1:]) != np.array(placed[:-1])
        steps = seconds[:-1] + np.where(apart, transfers, 0.0)
        found.append(np.concatenate([[0.0], np.cumsum(steps)]))
    return found


def periods_per_iteration(cycle: Cycle, demand: Demand, *, barrier: bool) -> float:
    """The least number of periods of the first training per iteration of the second, in the long run.

    Infinite where a rank that has work never idles.
    """
    idle = cycle.idle_s
    if (idle[demand.work > 0.0] <= 0.0).any():
        return float("inf")
    area = float((demand.work / np.where(idle > 0.0, idle, np.inf)).max())
    return area if not barrier else max(area, _repeated(cycle, demand) / cycle.period_s)


def _repeated(cycle: Cycle, demand: Demand) -> float:
    """Long-run time of one repetition of g [s]."""
    begin = cycle.origin_s
    begins = [begin]
    phases: dict[int, int] = {}
    for count in range(MOST_STEPS):
        key = round((begin - cycle.origin_s) % cycle.period_s / cycle.period_s * 1e10)
        if key in phases:
            first = phases[key]
            return (begin - begins[first]) / (count - first) * (1.0 - SLACK)
        phases[key] = count
        begin = _ends(cycle, demand, begin)
        begins.append(begin)
    return max((begin - begins[0] - cycle.period_s) / MOST_STEPS, 0.0)


def _ends(cycle: Cycle, demand: Demand, begin: float) -> float:
    ends = begin
    for rank in range(len(demand.work)):
        if demand.work[rank] <= 0.0:
            continue
        since = begin + float(demand.head[rank]) * (1.0 - SLACK)
        backward = cycle.after(rank, since, float(demand.until_backward[rank]) * (1.0 - SLACK))
        whole = cycle.after(rank, since, float(demand.work[rank]) * (1.0 - SLACK))
        ends = max(ends, whole, backward + float(demand.tail[rank]) * (1.0 - SLACK))
    return ends
