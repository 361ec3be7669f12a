"""Two-stage ramps: the network is frozen, every ramp learns alone from all training rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulator.calibration.ramps.data import Data, Ramps
from simulator.calibration.ramps.softmax import Softmax, fit_softmax

L2_GRID = (1e-4, 1e-3, 1e-2, 1e-1)
"""Penalties that are tried, from weak to strong."""


def choose_l2(data: Data, grid: tuple[float, ...] = L2_GRID, tick: Callable[[], object] = lambda: None) -> list[float]:
    """Penalty of each exit: that of least log loss on the validation rows for a ramp that learns alone."""
    return [_best(data, exit_index, grid, tick) for exit_index in range(data.exits)]


def _best(data: Data, exit_index: int, grid: tuple[float, ...], tick: Callable[[], object]) -> float:
    losses = []
    for l2 in grid:
        log_p = train_alone(data, exit_index, l2).log_probabilities(data.designs[exit_index][data.split.validation])
        losses.append(-float(np.take_along_axis(log_p, data.label[data.split.validation][:, None], axis=1).mean()))
        tick()
    return grid[int(np.argmin(losses))]


def train_alone(data: Data, exit_index: int, l2: float) -> Softmax:
    """The ramp of one exit, from all training rows, each counting alike."""
    rows = data.split.train
    return fit_softmax(data.designs[exit_index][rows], data.label[rows], data.classes, l2)


def train_independent(data: Data, l2: list[float], tick: Callable[[], object] = lambda: None) -> Ramps:
    """Every off-ramp alone."""
    ramps = []
    for exit_index in range(data.ramps):
        ramps.append(train_alone(data, exit_index, l2[exit_index]))
        tick()
    return Ramps(tuple(ramps), (len(data.split.train),) * data.ramps)
