"""Where the warm-up ends: the truncation rule MSER-5."""

from __future__ import annotations

import numpy as np

from simulator.results.record import Floats, Outcome, RunRecord

GROUP = 5
"""Observations averaged into one, the 5 of MSER-5."""


def mser5(values: Floats) -> int:
    """Number of leading observations to cut from a series (a multiple of 5).

    The series is averaged in groups of five, z_1 .. z_k; the cut d (in groups) minimises the squared standard
    error of what remains,

    .. math:: M(d) = \\frac{1}{(k - d)^2} \\sum_{i > d} (z_i - \\bar z_d)^2, \\qquad 0 \\le d \\le k / 2,

    with the mean taken over what remains; of equal values the smallest d wins. White, Cobb & Spratt, "A
    comparison of five steady-state truncation heuristics for simulation", Winter Simulation Conference 2000.
    The second half is never cut: a minimum there speaks of too short a run.

    >>> mser5(np.array([9.0] * 5 + [1.0, 2.0] * 25))
    5
    """
    count = len(values) // GROUP
    if count < 2:
        return 0
    groups = np.asarray(values[: count * GROUP], dtype=float).reshape(count, GROUP).mean(axis=1)
    groups = groups - groups.mean()  # sums of squares stay small beside their difference
    left = np.arange(count, 0, -1.0)
    sums, squares = groups[::-1].cumsum()[::-1], (groups**2)[::-1].cumsum()[::-1]
    scores = np.maximum(squares - sums**2 / left, 0.0) / left**2
    return int(scores[: count // 2 + 1].argmin()) * GROUP


def warmup_end_s(record: RunRecord) -> float:
    """Instant at which the last service has warmed up [s], by MSER-5 on latencies in order of arrival.

    The instant is the arrival of the first request kept; 0 when nothing completed.
    """
    requests, end_s = record.requests, 0.0
    for index in range(len(record.services)):
        rows = np.flatnonzero((requests.service == index) & (requests.outcome == Outcome.COMPLETED))
        cut = mser5(requests.finish_s[rows] - requests.arrival_s[rows])
        if cut:
            end_s = max(end_s, float(requests.arrival_s[rows[cut]]))
    return min(end_s, record.duration_s / 2)
