"""The objective of a softmax ramp, with its gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def log_softmax(scores: Floats) -> Floats:
    """ln of the softmax of each row, without overflow.

    >>> np.exp(log_softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_p


def ramp_loss(
    flat: Floats,
    design: Floats,
    label: Ints,
    weight: Floats,
    sharpen: float = 0.0,
    class_weight: Floats | None = None,
    l2: float = 0.0,
) -> tuple[float, Floats]:
    r"""Weighted cross-entropy plus weighted entropy of a softmax ramp, and the gradient, both exact.

    .. math:: J = \frac{\sum_i w_i (-\ln p_{i,y_i} + \lambda H_i)}{\sum_i w_i} + \frac{\kappa}{2} \|W\|^2,
              \quad H_i = -\sum_c v_c p_{i,c} \ln p_{i,c}, \quad p_i = \mathrm{softmax}(x_i W)

    ``flat`` is W (width, classes) as one vector; ``design`` x (rows, width), whose last column is 1, so that
    the last row of W is the bias, which ``l2`` (kappa) leaves alone; ``weight`` w (rows,); ``sharpen`` lambda
    rewards confident answers; ``class_weight`` v (classes,), 1 when None. Entropies in nats.
    """
    w = flat.reshape(design.shape[1], -1)
    log_p = log_softmax(design @ w)
    p = np.exp(log_p)
    rows = np.arange(len(label))
    each = -log_p[rows, label]
    slope = p.copy()
    slope[rows, label] -= 1.0
    if sharpen:
        # dH/dz_j = p_j (g_j - sum_c p_c g_c) with g_c = dH/dp_c = -v_c (ln p_c + 1)
        v = 1.0 if class_weight is None else class_weight
        each += sharpen * -(v * p * log_p).sum(axis=1)
        pull = -v * (log_p + 1.0)
        slope += sharpen * p * (pull - (p * pull).sum(axis=1, keepdims=True))
    total = weight.sum()
    gradient = design.T @ (slope * (weight / total)[:, None])
    gradient[:-1] += l2 * w[:-1]
    value = float(weight @ each / total + 0.5 * l2 * np.square(w[:-1]).sum())
    return value, gradient.ravel()
