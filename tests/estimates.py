"""Intervals from replications: what a correct simulator fails once in a thousand seed sets.

Control variates (Lavenberg & Welch 1981) narrow them: what a run's luck in quantities of known mean explains is
taken out by regression over the replications. The inputs themselves are tested on their own (arrival rate, service
times).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from simulator.results.record import RunRecord
from tests.support import cohort, members, served

TAIL = 0.0005
"""Half of 1 in 1000: every interval of the theory tests is two-sided at 99.9 %."""

Estimate = tuple[float, float]
"""Mean and half width."""


def interval(samples: ArrayLike) -> Estimate:
    """The 99.9 % Student-t interval of independent, equally distributed ``samples``."""
    values = np.asarray(samples, dtype=np.float64)
    half = stats.t.ppf(1.0 - TAIL, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def controlled(samples: ArrayLike, controls: Sequence[ArrayLike], known: Sequence[float]) -> Estimate:
    """The same interval with ``controls`` of ``known`` means: the intercept of the regression on them."""
    values = np.asarray(samples, dtype=np.float64)
    columns = [np.asarray(control, dtype=np.float64) - mean for control, mean in zip(controls, known)]
    design = np.column_stack([np.ones(len(values)), *(column / column.std() for column in columns)])
    weights = np.linalg.lstsq(design, values, rcond=None)[0]
    freedom = len(values) - design.shape[1]
    residual = values - design @ weights
    error = np.sqrt(float(residual @ residual) / freedom * np.linalg.inv(design.T @ design)[0, 0])
    return float(weights[0]), float(stats.t.ppf(1.0 - TAIL, freedom) * error)


def with_luck(runs: Sequence[RunRecord], samples: ArrayLike, rate: float, service_s: float | None = None) -> Estimate:
    """Controlled by the arrivals per second and, unless ``service_s`` is None, by the mean service time in
    portion 0.
    """
    controls, known = [[len(r.requests.arrival_s) / r.duration_s for r in runs]], [rate]
    if service_s is not None:
        controls.append([float(np.nanmean(served(r))) for r in runs])
        known.append(service_s)
    return controlled(samples, controls, known)


def fifo_wait(runs: Sequence[RunRecord], rate: float, service_s: float, exact: bool = False) -> Estimate:
    """Mean wait [s] of a FIFO station with Poisson arrivals, one request at a time; ``exact``: service times
    are constant.

    Beside the luck of the inputs two sums of martingale differences are known to be 0 on average: a wait is independent
    of the own service time and of the gap to the next arrival, so E[W (S - ES)] = E[W (A - EA)] = 0. Squaring Lindley's
    recursion W' = max(W + S - A, 0) shows that these two explain nearly all of a run's deviation at high load.
    """
    rows = [_fifo_row(rec, rate, service_s) for rec in runs]
    waits, arrivals, services, by_service, by_gap = (np.array(column) for column in zip(*rows))
    if exact:
        return controlled(waits, [arrivals, by_gap], [rate, 0.0])
    return controlled(waits, [arrivals, services, by_service, by_gap], [rate, service_s, 0.0, 0.0])


def _fifo_row(rec: RunRecord, rate: float, service_s: float) -> tuple[float, float, float, float, float]:
    batch, arrival = members(rec), rec.requests.arrival_s
    waited = np.full(len(arrival), np.nan)
    waited[rec.batches.member] = (rec.batches.start_s - rec.batches.entered_s[rec.batches.offset[:-1]])[batch]
    keep = cohort(rec)
    wait, service = waited[keep], served(rec)[keep]
    gap = np.diff(arrival[keep])
    return (
        float(wait.mean()),
        len(arrival) / rec.duration_s,
        float(service.mean()),
        float(np.mean(wait * (service - service_s))),
        float(np.mean(wait[:-1] * (gap - 1.0 / rate))),
    )


def assert_agrees(estimate: Estimate, theory: float, sees: float = 0.05) -> None:
    """The interval covers ``theory`` and is narrow enough to see a relative error of ``sees``."""
    mean, half = estimate
    assert half < sees * abs(theory), f"half width {half:.4g} cannot see {sees:.1%} of {theory:.6g}"
    assert abs(mean - theory) <= half, f"{mean:.6g} +- {half:.2g} is not {theory:.6g}"


def assert_same_mean(one: NDArray[np.float64], other: NDArray[np.float64], sees: float = 0.05) -> None:
    """Two programs agree: the Welch 99.9 % interval of the difference covers 0 and is narrow enough."""
    errors = np.array([one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)])
    freedom = errors.sum() ** 2 / (errors**2 / np.array([len(one) - 1, len(other) - 1])).sum()
    half = float(stats.t.ppf(1.0 - TAIL, freedom) * np.sqrt(errors.sum()))
    middle = abs(float(one.mean() + other.mean()) / 2.0)
    assert half < sees * middle, f"half width {half:.4g} cannot see {sees:.1%} of {middle:.6g}"
    difference = float(one.mean() - other.mean())
    assert abs(difference) <= half, f"{one.mean():.6g} and {other.mean():.6g} differ by more than {half:.2g}"
