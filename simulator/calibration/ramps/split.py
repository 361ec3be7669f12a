"""Rows to train on, rows to choose by, rows to judge by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.calibration.ramps.features import PARTS, Features, Ints
from simulator.errors import Problem, ScenarioError
from simulator.streams import stream

SHARES = (0.6, 0.2)
"""Shares of the rows that train and that choose; the rest judges."""


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """Ascending row numbers: ramps learn from ``train``, settings and thresholds are chosen on ``validation``,
    everything reported is measured on ``test``."""

    train: Ints
    validation: Ints
    test: Ints


def split(features: Features, seed: int) -> Split:
    """The split that the file gives, else a random one of ``SHARES`` drawn from ``seed``."""
    part = _drawn(features.rows, seed) if features.part is None else features.part
    rows = [np.flatnonzero(part == k) for k in range(len(PARTS))]
    empty = [name for name, found in zip(PARTS, rows) if not len(found)]
    if empty:
        raise ScenarioError(Problem(f"no row is marked {empty[0]}", features.name, path="split"))
    if len(np.unique(features.label[rows[0]])) < 2:
        remedy = "give more rows, or a split of your own"
        raise ScenarioError(Problem(f"the rows to train on have one class only: {remedy}", features.name, path="label"))
    return Split(*rows)


def _drawn(rows: int, seed: int) -> Ints:
    """Part of each row; every part gets at least one of ten rows or more."""
    order = stream(seed, "ramps", "split").permutation(rows)
    ends = np.cumsum([round(share * rows) for share in SHARES])
    part = np.empty(rows, dtype=np.int64)
    part[order] = np.searchsorted(ends, np.arange(rows), side="right")
    return part
