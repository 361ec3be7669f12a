"""Configurations worth a look: all of them where that is possible, else those that an additive model proposes."""

from __future__ import annotations

from itertools import product

import numpy as np

from simulator.calibration.precision.surrogate import Floats, Ints, Space, Surrogate
from simulator.streams import stream

ALL = 20_000
"""Spaces of up to this many configurations are searched whole."""
LABELS = 128
"""Partial configurations kept per layer of the search through larger ones."""
DRAWS = 6


def whole(space: Space) -> Ints | None:
    """All configurations (size, layers), or None when they are too many."""
    if space.problem.size > ALL:
        return None
    return np.array(list(product(*(range(len(names)) for names in space.problem.candidates))), dtype=np.int64)


def proposed(space: Space, model: Surrogate, near: Ints, seed: int, asked: int) -> Ints:
    """Cheapest configurations at every loss by the model's mean, by that less its doubt, and by draws from it.

    ``near`` (n, layers): configurations whose neighbours are looked at too. Deterministic in ``seed`` and ``asked``.
    """
    mean, covariance = model.sensitivities()
    doubt = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    draws = stream(seed, "precision", asked)
    root = _root(covariance)
    views = [mean, mean - doubt, *(mean + root @ draws.standard_normal(len(mean)) for _ in range(DRAWS))]
    fronts = [front(space, view) for view in views]
    return np.unique(np.concatenate([*fronts, near, neighbours(space, near)]), axis=0)


def neighbours(space: Space, choices: Ints) -> Ints:
    """Every choice that differs from one of ``choices`` in one layer."""
    found = [choices[:0]]
    for layer, names in enumerate(space.problem.candidates):
        for k in range(len(names)):
            moved = choices[choices[:, layer] != k].copy()
            moved[:, layer] = k
            found.append(moved)
    return np.concatenate(found)


def front(space: Space, losses: Floats, labels: int = LABELS) -> Ints:
    """Configurations that no other beats in cost and additive loss, (n, layers), cheapest first.

    Layer by layer, partial configurations that another beats are dropped (Nemhauser and Ullmann 1969); of the rest at
    most ``labels`` are kept, evenly over the front with both ends: exact as long as none had to go for their number.
    """
    cost, loss = np.zeros(1), np.zeros(1)
    chosen = np.zeros((1, 0), dtype=np.int64)
    for layer, names in enumerate(space.problem.candidates):
        begin = int(space.start[layer])
        step = np.concatenate([[0.0], losses[begin : begin + len(names) - 1]])
        costs = (cost[:, None] + space.costs[layer, : len(names)]).ravel()
        total = (loss[:, None] + step).ravel()
        kept = _kept(costs, total, labels)
        before, k = np.divmod(kept, len(names))
        cost, loss = costs[kept], total[kept]
        chosen = np.concatenate([chosen[before], k[:, None]], axis=1)
    return chosen


def _kept(cost: Floats, loss: Floats, labels: int) -> Ints:
    order = np.lexsort((loss, cost))
    least = np.minimum.accumulate(loss[order])
    better = np.concatenate([[True], loss[order][1:] < least[:-1]])
    kept = order[better]
    if len(kept) > labels:
        kept = kept[np.unique(np.linspace(0, len(kept) - 1, labels).round().astype(np.int64))]
    return np.asarray(kept, dtype=np.int64)


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    found: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return found
