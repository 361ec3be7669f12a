"""The most work that fits into a few windows: a mixed-integer program, beside which greedy policies are judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.costs.pipeline.filling.fit import Fit
from simulator.costs.pipeline.filling.jobs import Job
from simulator.costs.pipeline.times import Floats
from simulator.costs.pipeline.windows import Windows
from simulator.errors import InternalError

MOST_CHOICES = 600
"""Windows times jobs up to which a case is small."""
SECONDS = 10.0
"""Limit on the time of the solver; a case that is not solved by then has no optimum here."""


def is_small(windows: Windows, jobs: Sequence[Job]) -> bool:
    """Whether ``optimum`` takes the case: few windows and jobs, each with pieces of one length."""
    return len(windows) * len(jobs) <= MOST_CHOICES and all(len(job.steps) == 1 and not job.splits for job in jobs)


def optimum(windows: Windows, jobs: Sequence[Job], fit: Fit) -> float | None:
    """The most work [s] that pieces of ``jobs`` can do in ``windows``; None: not found in time.

    Maximize ``sum of t_j n_wj`` with whole ``n_wj >= 0`` where the memory suffices; in every window
    ``sum over j of (t_j (1 + margin) n_wj + switch y_wj) <= length``, ``n_wj <= most_wj y_wj``, y 0 or 1; and no job
    has more pieces than there are. Deadlines do not matter to it.
    """
    if not is_small(windows, jobs):
        raise InternalError(f"{len(windows)} windows and {len(jobs)} jobs are not a small case")
    if not len(windows):
        return 0.0
    from scipy.optimize import Bounds, LinearConstraint, milp

    seconds = np.array([job.seconds for job in jobs])
    each = seconds * (1.0 + fit.margin)
    length = np.array([fit.limit_s(window.length_s) for window in windows])
    enough = windows.free[:, None] >= np.array([job.memory for job in jobs])
    # the last piece may be too long by rounding alone, see Fit
    most = np.floor(np.maximum(length[:, None] - fit.switch_s, 0.0) / each + 1e-9) * enough
    pieces = np.array([job.rounds for job in jobs])
    most = np.minimum(most, pieces)
    n = most.size
    rows, upper = _constraints(most, each, fit.switch_s, length, pieces)
    found = milp(
        c=np.concatenate([-np.tile(seconds, len(length)), np.zeros(n)]),
        constraints=LinearConstraint(rows, -np.inf, upper),
        bounds=Bounds(0.0, np.concatenate([most.ravel(), np.ones(n)])),
        integrality=np.ones(2 * n),
        options={"time_limit": SECONDS, "mip_rel_gap": 0.0},
    )
    if found.status != 0:
        return None
    return float(np.round(found.x[:n]) @ np.tile(seconds, len(length)))


def _constraints(most: Floats, each: Floats, switch: float, length: Floats, pieces: Floats) -> tuple[Floats, Floats]:
    """Rows and upper ends: lengths of windows, then pieces only where the switch is paid, then pieces in all."""
    count, jobs = most.shape
    n = most.size
    windows, owner = np.divmod(np.arange(n), jobs)
    fill = np.zeros((count, 2 * n))
    fill[windows, np.arange(n)] = each[owner]
    fill[windows, n + np.arange(n)] = switch
    paid = np.hstack([np.eye(n), -np.diag(most.ravel())])
    limited = np.flatnonzero(np.isfinite(pieces))
    total = np.zeros((len(limited), 2 * n))
    for row, job in enumerate(limited):
        total[row, np.flatnonzero(owner == job)] = 1.0
    rows = np.vstack([fill, paid, total])
    return rows, np.concatenate([length * (1.0 + 1e-9), np.zeros(n), pieces[limited]])
