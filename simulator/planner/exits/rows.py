"""Shares of exit rows over a run, where a mix of tables drifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit import Replay, RowSource

Floats = NDArray[np.float64]
INSTANTS = 256


def drifts(rows: RowSource) -> bool:
    """Whether the shares of the rows change with time."""
    return isinstance(rows, Replay) and rows.mix is not None and len(rows.mix.at_s) > 1


def instants(duration_s: float) -> Floats:
    """Middles of equal parts of the run [s]."""
    return (np.arange(INSTANTS) + 0.5) * duration_s / INSTANTS


def run_weights(rows: RowSource, duration_s: float) -> Floats:
    """(rows,): share of every row among the requests of the whole run, at a steady rate."""
    if not drifts(rows):
        return rows.weights(0.0)
    mean: Floats = np.mean([rows.weights(float(at)) for at in instants(duration_s)], axis=0)
    return mean


def unequal(weights: Floats) -> Floats | None:
    """The shares of the rows, None where all are alike: rows are then counted, and their share is rounded once."""
    return None if weights.min() == weights.max() else weights
