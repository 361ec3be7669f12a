"""The distilled twin: a small network beside the main one, taught by the main one's answers, with ramps of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.ramps.data import Data
from simulator.calibration.ramps.loss import Floats, Ints
from simulator.calibration.ramps.softmax import Scaling
from simulator.calibration.ramps.student import Shape, Weights, answers, fit_student, log_loss
from simulator.calibration.ramps.tables import exit_table
from simulator.costs.early_exit import ExitTable
from simulator.streams import stream

WIDTHS = (32, 32)
L2_GRID = (3e-3, 1e-2, 3e-2)
"""Penalties that are tried: a small network learns its training rows by heart with less."""
FITS = 2 * len(L2_GRID)


@dataclass(frozen=True, eq=False, slots=True)
class Twin:
    """A trained twin and what it says of the test rows.

    ``fed_by`` is ``query`` (the twin starts with the request) or ``state_1`` (after the first layers);
    ``taught_alone`` is the accuracy per exit of the same network trained on labels only, its penalty chosen alike.
    """

    shape: Shape
    weights: Weights
    l2: float
    scaling: Scaling
    fed_by: str
    table: ExitTable
    main: Ints
    taught_alone: tuple[float, ...]
    threshold: float

    def to_json(self) -> dict[str, Any]:
        """Accuracy, agreement with the main network, and what it answers surely, per exit of the twin."""
        assert self.table.prediction is not None
        assert self.table.confidence is not None
        assert self.table.label is not None
        right = self.table.prediction == self.table.label[:, None]
        sure = (self.table.confidence >= self.threshold).any(axis=1)
        first = (self.table.confidence >= self.threshold).argmax(axis=1)
        answered = right[np.arange(len(right)), first]
        end = self.main == self.table.label
        return {
            "fed_by": self.fed_by,
            "widths": list(self.shape.widths),
            "parameters": self.shape.parameters,
            "l2": self.l2,
            "accuracy": right.mean(axis=0).tolist(),
            "accuracy_without_teacher": list(self.taught_alone),
            "agreement": (self.table.prediction == self.main[:, None]).mean(axis=0).tolist(),
            "threshold": self.threshold,
            "answered": float(sure.mean()),
            "accuracy_where_answered": float(answered[sure].mean()) if sure.any() else None,
            "accuracy_together": float(np.where(sure, answered, end).mean()),
            "accuracy_main": float(end.mean()),
        }


def train_twin(
    data: Data,
    last: Floats,
    *,
    seed: int,
    threshold: float,
    mix: float = 0.0,
    widths: tuple[int, ...] = WIDTHS,
    temperature: float = 2.0,
    rho: float = 1.0,
    tick: Callable[[], object] = lambda: None,
) -> Twin:
    """Teach a twin on the training rows; ``last`` is ln of the main network's probabilities, of all rows."""
    source, fed_by = _source(data)
    scaling = Scaling.of(source[data.split.train])
    design = scaling.design(source)
    shape = Shape(source.shape[1], widths, data.classes)
    train, test = data.split.train, data.split.test

    def taught(strength: float) -> tuple[float, Weights, list[Floats]]:
        """Of all penalties the one of least log loss at the last exit on the validation rows."""
        found = []
        for l2 in L2_GRID:
            draws = stream(seed, "ramps", "twin")
            rows = (design[train], data.label[train], np.exp(last[train]))
            weights = fit_student(shape, *rows, draws, temperature=temperature, rho=strength, l2=l2, tick=tick)
            said = answers(weights, design)
            found.append((log_loss(said[-1], data.label, data.split.validation), l2, weights, said))
        return min(found, key=lambda one: one[:2])[1:]

    _, _, alone = taught(0.0)
    l2, weights, said = taught(rho)
    table = exit_table(said, data.label, test, mix, "twin")
    accuracy = tuple(float((log_p[test].argmax(axis=1) == data.label[test]).mean()) for log_p in alone)
    return Twin(shape, weights, l2, scaling, fed_by, table, last[test].argmax(axis=1), accuracy, threshold)


def _source(data: Data) -> tuple[NDArray[Any], str]:
    if data.features.query is not None:
        return data.features.query, "query"
    return data.features.states[0], "state_1"
