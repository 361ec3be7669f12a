"""Quantities of stages for another number of stages: what is given for one is shared among those in its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.cluster.training.stagetimes import Place, spread
from simulator.costs.pipeline.times import Floats
from simulator.scenario import Scenario


def parts_of(scenario: Scenario, place: Place, value: float | Sequence[float], count: int, ranks: int) -> Floats:
    """Shares of ``count`` stages; a single value is that of one of ``ranks``, a list that of equal parts of the model.

    Sums over the model stay. ScenarioError, at its place, for a list that has not some entries for every rank.
    """
    if not isinstance(value, Sequence) or len(value) == count:
        return spread(scenario, place, value, count, "stage", count / ranks)
    if len(value) % ranks:
        return spread(scenario, place, value, ranks, "stage")  # says what is wrong
    return shared(np.array(value, dtype=np.float64), count)


def shared(values: Floats, count: int) -> Floats:
    """The quantities of so many equal parts, given those of ``len(values)`` equal parts in a row.

    >>> shared(np.array([2.0, 4.0]), 4).tolist(), shared(np.array([1.0, 2.0, 3.0]), 2).tolist()
    ([1.0, 1.0, 2.0, 2.0], [2.0, 4.0])
    """
    given = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.diff(np.interp(np.linspace(0.0, given, count + 1), np.arange(given + 1), sums))


def between(value: float | Sequence[float], count: int) -> Floats:
    """What happens at each boundary of ``count`` stages; from a list for other boundaries, the value at the same depth.

    >>> between([1.0, 2.0, 3.0], 8).tolist()
    [1.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.0]
    """
    if not isinstance(value, Sequence):
        return np.full(count - 1, value)
    given = np.array(value, dtype=np.float64)
    if len(given) == count - 1:
        return given
    here = np.arange(1, count) / count
    there = np.arange(1, len(given) + 1) / (len(given) + 1)
    return np.interp(here, there, given)
