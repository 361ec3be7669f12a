"""A small network of tanh blocks with a ramp after each, taught by labels and by a teacher's probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import minimize

from simulator.calibration.ramps.loss import Floats, Ints, log_softmax
from simulator.calibration.ramps.softmax import Scaling

MAX_ITERATIONS = 300

Weights = list[Floats]
"""For every block its weights (inputs + 1, width) and its ramp's (width + 1, classes); last rows are biases."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a student: ``inputs`` numbers in, one block per entry of ``widths``, ``classes`` per ramp."""

    inputs: int
    widths: tuple[int, ...]
    classes: int

    def shapes(self) -> list[tuple[int, int]]:
        """Shapes of ``Weights``."""
        found = []
        for before, width in pairwise((self.inputs, *self.widths)):
            found += [(before + 1, width), (width + 1, self.classes)]
        return found

    @property
    def parameters(self) -> int:
        """Number of trained numbers."""
        return sum(rows * columns for rows, columns in self.shapes())

    def unpack(self, flat: Floats) -> Weights:
        """Views of one vector."""
        parts = np.split(flat, np.cumsum([rows * columns for rows, columns in self.shapes()])[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes())]

    def start(self, draws: np.random.Generator) -> Floats:
        """Blocks drawn with deviation 1 / sqrt(inputs), ramps and biases 0."""
        parts = []
        for index, (rows, columns) in enumerate(self.shapes()):
            part = draws.standard_normal((rows, columns)) / np.sqrt(rows - 1)
            part[-1] = 0.0
            parts.append(part.ravel() * (1 - index % 2))
        return np.concatenate(parts)


def student_loss(
    flat: Floats,
    shape: Shape,
    design: Floats,
    label: Ints,
    teacher: Floats,
    temperature: float = 2.0,
    rho: float = 1.0,
    l2: float = 0.0,
) -> tuple[float, Floats]:
    r"""Mean over blocks m and rows of cross-entropy plus distillation, and the gradient, both exact.

    .. math:: J = \frac{1}{M n} \sum_{m,i} \left( -\ln p_m(y_i|x_i) + \rho T^2 KL(q_i \| p_m^{(T)}(x_i)) \right)
              + \frac{\kappa}{2} \|W\|^2

    ``teacher`` q (rows, classes) are probabilities at temperature T (``softened``), p^(T) the student's at the
    same T. ``design`` (rows, inputs + 1) ends with a column of 1; ``l2`` (kappa) leaves biases alone.
    """
    weights = shape.unpack(flat)
    hidden = _forward(weights, design)
    gradients = [l2 * part for part in weights]
    value = 0.0
    for part, gradient in zip(weights, gradients):
        value += 0.5 * l2 * float(np.square(part[:-1]).sum())
        gradient[-1] = 0.0
    share = 1.0 / (len(label) * len(shape.widths))
    back: Floats = np.zeros(0)
    for m in reversed(range(len(shape.widths))):
        loss, slope = _ramp(hidden[m + 1] @ weights[2 * m + 1], label, teacher, temperature, rho)
        value += share * loss
        slope *= share
        gradients[2 * m + 1] += hidden[m + 1].T @ slope
        into = slope @ weights[2 * m + 1][:-1].T
        if m + 1 < len(shape.widths):
            into += back @ weights[2 * m + 2][:-1].T
        back = into * (1.0 - np.square(hidden[m + 1][:, :-1]))
        gradients[2 * m] += hidden[m].T @ back
    return value, np.concatenate([gradient.ravel() for gradient in gradients])


def _forward(weights: Weights, design: Floats) -> list[Floats]:
    """What goes into every block and comes out of the last one, each with its column of 1."""
    hidden = [design]
    for block in weights[::2]:
        out = np.tanh(hidden[-1] @ block)
        hidden.append(np.column_stack([out, np.ones(len(out))]))
    return hidden


def _ramp(scores: Floats, label: Ints, teacher: Floats, temperature: float, rho: float) -> tuple[float, Floats]:
    """Loss of one ramp summed over rows, and its slope by the scores."""
    rows = np.arange(len(label))
    log_p, soft = log_softmax(scores), log_softmax(scores / temperature)
    slope = np.exp(log_p)
    slope[rows, label] -= 1.0
    slope += rho * temperature * (np.exp(soft) - teacher)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(teacher > 0, teacher * (np.log(teacher) - soft), 0.0)
    return float(-log_p[rows, label].sum() + rho * temperature**2 * apart.sum()), slope


def softened(probability: Floats, temperature: float) -> Floats:
    """Probabilities at another temperature: p^(1/T), scaled to sum 1.

    >>> softened(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    with np.errstate(divide="ignore"):
        return np.exp(log_softmax(np.maximum(np.log(probability), -700.0) / temperature))


def fit_student(
    shape: Shape,
    design: Floats,
    label: Ints,
    probability: Floats | None,
    draws: np.random.Generator,
    *,
    temperature: float = 2.0,
    rho: float = 1.0,
    l2: float = 1e-4,
    tick: Callable[[], object] = lambda: None,
) -> Weights:
    """The student that L-BFGS finds from a random start; ``probability`` are the teacher's, at temperature 1.

    Without a teacher (None) it learns from labels alone, as with ``rho`` 0.
    """
    if probability is None:
        rho, probability = 0.0, np.full((len(label), shape.classes), 1.0 / shape.classes)
    teacher = softened(probability, temperature)

    def objective(flat: Floats) -> tuple[float, Floats]:
        tick()
        return student_loss(flat, shape, design, label, teacher, temperature, rho, l2)

    found = minimize(
        objective,
        shape.start(draws),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": 1e-9, "gtol": 1e-6, "maxcor": 20},
    )
    return shape.unpack(found.x)


def unscaled(weights: Weights, scaling: Scaling) -> dict[str, Floats]:
    """The student for rows as they are: ``h = tanh(h @ block_m + block_bias_m)``, from block to block.

    Its ramps say ``softmax(h @ ramp_m + ramp_bias_m)``.
    """
    found = {}
    for m, (block, ramp) in enumerate(zip(weights[::2], weights[1::2]), start=1):
        pair = scaling.unscaled(block) if m == 1 else (block[:-1], block[-1])
        found[f"block_{m}"], found[f"block_bias_{m}"] = pair
        found[f"ramp_{m}"], found[f"ramp_bias_{m}"] = ramp[:-1], ramp[-1]
    return found


def log_loss(log_p: Floats, label: Ints, rows: Ints) -> float:
    """Mean of -ln of the probability of the label over some rows."""
    return -float(log_p[rows, label[rows]].mean())


def answers(weights: Weights, design: Floats) -> list[Floats]:
    """ln of the class probabilities at every ramp of a student."""
    hidden = _forward(weights, design)
    return [log_softmax(out @ ramp) for out, ramp in zip(hidden[1:], weights[1::2])]
