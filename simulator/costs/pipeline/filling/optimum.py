"""The most work that fits into a few windows: a mixed-integer program, beside which greedy policies are judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simulator.costs.pipeline.filling.fit import Fit
from simulator.costs.pipeline.filling.jobs import Job
from simulator.costs.pipeline.times import Floats
from simulator.costs.pipeline.windows import Windows
from simulator.errors import InternalError

MOST_CHOICES = 200
"""Windows times jobs up to which a case is small."""
MOST_NODES = 50
"""Limit on the nodes of the search (one on its time would let the outcome depend on the machine)."""
GAP = 1e-6
"""A solution so close to the bound, relative, counts as the optimum."""


class Optimum(NamedTuple):
    """The most work found, and what no choice of pieces can exceed [s]; equal, to ``GAP``, unless the search was cut
    short."""

    work_s: float
    bound_s: float


def is_small(windows: Windows, jobs: Sequence[Job]) -> bool:
    """Whether ``optimum`` takes the case: few windows and jobs, each with pieces of one length."""
    return len(windows) * len(jobs) <= MOST_CHOICES and all(len(job.steps) == 1 and not job.splits for job in jobs)


def optimum(windows: Windows, jobs: Sequence[Job], fit: Fit) -> Optimum:
    """The most work that pieces of ``jobs`` can do in ``windows``. Deadlines do not matter to it.

    Maximize ``sum of t_j n_wj`` with whole ``n_wj >= 0`` where the memory suffices; in every window
    ``sum over j of (t_j n_wj + switch y_wj + margin t_j l_wj) <= length``; ``n_wj <= most_wj y_wj``; and no job has
    more pieces than there are. y and l are 0 or 1: the job is there, and one of its pieces is the last of the window,
    the only one whose margin nothing else can use. If no job is limited, every window is a program of its own.
    """
    if not is_small(windows, jobs):
        raise InternalError(f"{len(windows)} windows and {len(jobs)} jobs are not a small case")
    pieces = np.array([job.rounds for job in jobs])
    rooms = tuple((window.length_s, window.free) for window in windows)
    if np.isfinite(pieces).any():
        return _solved(rooms, tuple(jobs), fit)
    # windows of one length, to rounding, have one optimum
    alike = Counter((float(f"{length:.12g}"), free) for length, free in rooms)
    found = [(_solved((room,), tuple(jobs), fit), count) for room, count in alike.items()]
    return Optimum(sum(one.work_s * n for one, n in found), sum(one.bound_s * n for one, n in found))


@lru_cache(maxsize=256)
def _solved(rooms: tuple[tuple[float, float], ...], jobs: tuple[Job, ...], fit: Fit) -> Optimum:
    """The optimum for windows of these lengths [s] and memories; kept, as every replication asks for the same."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    pieces, seconds = np.array([job.rounds for job in jobs]), np.array([job.seconds for job in jobs])
    length = np.array([fit.limit_s(length) for length, _ in rooms])
    enough = np.array([free for _, free in rooms])[:, None] >= np.array([job.memory for job in jobs])
    # the last piece may be too long by rounding alone, see Fit
    most = np.floor(np.maximum(length[:, None] - fit.switch_s, 0.0) / seconds + 1e-9) * enough
    most = np.minimum(most, pieces)
    n = most.size
    if not most.any():
        return Optimum(0.0, 0.0)
    rows, upper = _constraints(most, seconds, fit, length, pieces)
    gain = np.tile(seconds, len(length))
    found = milp(
        c=np.concatenate([-gain, np.zeros(2 * n)]),
        constraints=LinearConstraint(rows, -np.inf, upper),
        bounds=Bounds(0.0, np.concatenate([most.ravel(), np.ones(2 * n)])),
        integrality=np.ones(3 * n),
        options={"node_limit": MOST_NODES, "mip_rel_gap": GAP},
    )
    work = 0.0 if found.x is None else float(np.round(found.x[:n]) @ gain)
    bound = float(length.sum()) if found.mip_dual_bound is None else -float(found.mip_dual_bound)
    return Optimum(work, max(bound, work))


def _constraints(most: Floats, seconds: Floats, fit: Fit, length: Floats, pieces: Floats) -> tuple[Floats, Floats]:
    """Rows over (n, y, l) and their upper ends."""
    count, jobs = most.shape
    n, one = most.size, np.eye(most.size)
    none = np.zeros((n, n))
    windows, owner = np.divmod(np.arange(n), jobs)
    mine = (windows == np.arange(count)[:, None]).astype(np.float64)
    time = np.hstack([mine * seconds[owner], mine * fit.switch_s, mine * seconds[owner] * fit.margin])
    there = np.hstack([one, -np.diag(most.ravel()), none])
    last = np.hstack([-one, none, one])
    some = np.hstack([none, one, -mine[windows]])
    limited = np.flatnonzero(np.isfinite(pieces))
    total = np.hstack([(owner == limited[:, None]).astype(np.float64), np.zeros((len(limited), 2 * n))])
    upper = np.concatenate([length, np.zeros(3 * n), pieces[limited]])
    return np.vstack([time, there, last, some, total]), upper
