"""Softmax ramps: scaled states in, class probabilities out; trained by L-BFGS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from simulator.calibration.ramps.loss import Floats, Ints, log_softmax, ramp_loss
from simulator.errors import InternalError

MAX_ITERATIONS = 500
TOLERANCE = 1e-6
_CONSTANT = 1e-9
_TINY = 1e-150


@dataclass(frozen=True, eq=False, slots=True)
class Scaling:
    """What makes every column of the training rows mean 0 and deviation 1; constant columns become 0.

    ``(x / size - mean) / spread``; ``size`` is the largest magnitude, so that no square overflows.
    """

    size: Floats
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, rows: NDArray[Any]) -> Scaling:
        """The scaling of (rows, width)."""
        values = np.asarray(rows, dtype=np.float64)
        size = np.abs(values).max(axis=0)
        size = np.where(size > _TINY, size, np.inf)
        values = values / size
        spread = values.std(axis=0)
        return cls(size, values.mean(axis=0), np.where(spread > _CONSTANT, spread, np.inf))

    def design(self, rows: NDArray[Any]) -> Floats:
        """Scaled rows with a last column of 1, (rows, width + 1)."""
        scaled = (np.asarray(rows, dtype=np.float64) / self.size - self.mean) / self.spread
        return np.column_stack([scaled, np.ones(len(scaled))])

    def unscaled(self, weights: Floats) -> tuple[Floats, Floats]:
        """(weight, bias) for rows as they are: ``rows @ weight + bias`` is ``design(rows) @ weights``."""
        slope = weights[:-1] / self.spread[:, None]
        return slope / self.size[:, None], weights[-1] - self.mean @ slope


@dataclass(frozen=True, eq=False, slots=True)
class Softmax:
    """A trained ramp: ``weights`` (width + 1, classes) for the scaled state, the last row the bias.

    ``converged`` is False when the search stopped at its limit of iterations.
    """

    weights: Floats
    iterations: int = 0
    converged: bool = True

    def log_probabilities(self, design: Floats) -> Floats:
        """ln of the probability of every class, (rows, classes)."""
        return log_softmax(design @ self.weights)

    def probabilities(self, design: Floats) -> Floats:
        """Probability of every class, (rows, classes)."""
        return np.exp(self.log_probabilities(design))


def fit_softmax(
    design: Floats,
    label: Ints,
    classes: int,
    l2: float,
    *,
    weight: Floats | None = None,
    sharpen: float = 0.0,
    class_weight: Floats | None = None,
) -> Softmax:
    """The ramp of least ``ramp_loss``, searched from zero weights: convex unless ``sharpen`` is positive."""
    weight = np.ones(len(label)) if weight is None else weight
    start = np.zeros(design.shape[1] * classes)
    found = minimize(
        ramp_loss,
        start,
        args=(design, label, weight, sharpen, class_weight, l2),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "gtol": TOLERANCE, "ftol": 1e-12, "maxcor": 20},
    )
    if not np.isfinite(found.x).all():
        raise InternalError("the training of a ramp left finite numbers")
    return Softmax(found.x.reshape(design.shape[1], classes), int(found.nit), int(found.nit) < MAX_ITERATIONS)
