r"""What evaluated configurations say about the others: a Gaussian model of the accuracy lost.

The loss of configuration x is a sum over layers, with what a sum leaves out:

.. math:: y(x) = m(x) + \sum_l s_{l,x_l} + \sum_{l<j} u_{l,x_l,j,x_j} + b + e

``m`` are losses known beforehand (else 0), ``s`` the sensitivities, ``u`` the surprises of pairs, ``b`` what leaving
the reference costs at all (its own luck on the rows), ``e`` the luck of each configuration. A precision p has one
amplitude ``g_p``, and its sensitivities share a part over all layers and a part over the precisions of one layer:

.. math:: \mathrm{cov}(s_{lp}, s_{jq}) = g_p g_q (\mu + [l = j] (\rho + (1 - \rho) [p = q]))

so one configuration with many cheap layers teaches something about every layer. Amplitudes, ``b`` and ``e`` are the
most probable ones given the answers (type-II maximum, with wide log-normal priors in units of the tolerated loss).
Reference: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.precision.problem import TuningProblem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARED, SAME_LAYER, PAIRS = 0.5, 0.5, 0.02
"""mu and rho (half of a sensitivity is common), and the variance of pairs in that of two sensitivities' product."""
AMPLITUDE, OFFSET, LUCK = 1.0, 0.15, 0.5
"""Medians of the priors in units of the tolerated loss; the amplitude is of all layers, each has it / sqrt(layers)."""
_SPREADS = {"amplitude": 1.2, "offset": 0.5, "luck": 0.5}
"""Standard deviations of the priors' logarithms."""
_SWEEPS, _STEP, _SHRINK = 6, 0.7, 0.7
_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class Features:
    """Choices as arrays: the amplitude that each layer asks for (0: the reference), and which candidate it is."""

    kind: Ints
    """(n, layers), 0 for the reference, else 1 + the number of the precision."""
    at: Floats
    """(n, all candidates but the references), 1 where a layer has that candidate."""
    known: Floats
    """(n,) the losses m known beforehand."""


class Space:
    """Turns choices of a problem into features; ``losses`` are those of (layer, precision) known beforehand."""

    def __init__(self, problem: TuningProblem, losses: Mapping[tuple[str, str], float] | None = None) -> None:
        self.problem = problem
        others = [names[1:] for names in problem.candidates]
        self.precisions = tuple(dict.fromkeys(name for names in others for name in names))
        sizes = [len(names) for names in others]
        self.start = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        self.width = sum(sizes)
        most = max(map(len, problem.candidates))
        self.kinds = np.zeros((len(sizes), most), dtype=np.int64)
        self.known = np.zeros((len(sizes), most))
        self.costs = np.full((len(sizes), most), math.inf)
        for row, (layer, names) in enumerate(zip(problem.layers, problem.candidates)):
            self.costs[row, : len(names)] = problem.costs[row]
            for k, name in enumerate(names[1:], start=1):
                self.kinds[row, k] = 1 + self.precisions.index(name)
                self.known[row, k] = (losses or {}).get((layer, name), 0.0)

    def features(self, choices: Ints) -> Features:
        """Features of choices (n, layers)."""
        rows = np.arange(choices.shape[1])
        at = np.zeros((len(choices), self.width))
        row, layer = np.nonzero(choices)
        at[row, self.start[layer] + choices[row, layer] - 1] = 1.0
        return Features(self.kinds[rows, choices], at, self.known[rows, choices].sum(axis=1))

    def singles(self) -> Ints:
        """One choice per candidate that differs from the reference in that alone, (width, layers)."""
        found = np.zeros((self.width, len(self.start)), dtype=np.int64)
        for layer, names in enumerate(self.problem.candidates):
            for k in range(1, len(names)):
                found[self.start[layer] + k - 1, layer] = k
        return found

    def cost(self, choices: Ints) -> Floats:
        """Cost of each choice [unit of the problem]."""
        found: Floats = self.costs[np.arange(choices.shape[1]), choices].sum(axis=1)
        return found


class Surrogate:
    """The model after some answers: ``losses`` (n,) of ``choices`` (n, layers), the reference not among them."""

    def __init__(self, space: Space, choices: Ints, losses: Floats, unit: float, certain: bool = False) -> None:
        self.space, self.unit = space, unit
        self.seen = space.features(choices)
        self.rest = losses - self.seen.known
        theta, spread = self._priors(certain)
        self.theta = theta if certain else self._fitted(theta, spread)
        self._factor, self._weights, _ = self._solved(self.theta)

    def predict(self, choices: Ints) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the loss of each choice, its own luck included."""
        new = self.space.features(choices)
        across = self._kernel(new, self.seen, self.theta)
        mean = new.known + across @ self._weights
        inner = np.linalg.solve(self._factor, across.T) if len(self.rest) else np.zeros((0, len(choices)))
        variance = self._diagonal(new, self.theta) - (inner**2).sum(axis=0) + self._luck(self.theta)
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def sensitivities(self) -> tuple[Floats, Floats]:
        """Mean (width,) and covariance of the losses of single candidates, the sum's part alone."""
        alone = self.space.features(self.space.singles())
        across = self._sum(alone, self.seen, self.theta)
        inner = np.linalg.solve(self._factor, across.T) if len(self.rest) else np.zeros((0, self.space.width))
        mean = alone.known + across @ self._weights
        return mean, self._sum(alone, alone, self.theta) - inner.T @ inner

    def _priors(self, certain: bool) -> tuple[Floats, Floats]:
        kinds = len(self.space.precisions)
        if certain:
            return np.full(kinds + 2, math.log(_LEAST)), np.ones(kinds + 2)
        amplitude = math.log(AMPLITUDE / math.sqrt(len(self.space.start)))
        theta = np.array([amplitude] * kinds + [math.log(OFFSET), math.log(LUCK)])
        return theta, np.array([_SPREADS["amplitude"]] * kinds + [_SPREADS["offset"], _SPREADS["luck"]])

    def _fitted(self, prior: Floats, spread: Floats) -> Floats:
        """Coordinate ascent with shrinking steps: few parameters, few answers, no gradients needed."""
        theta, step = prior.copy(), _STEP
        best = self._solved(theta)[2]
        for _ in range(_SWEEPS):
            for place in range(len(theta)):
                for move in (-step, step):
                    tried = theta.copy()
                    tried[place] += move
                    score = self._solved(tried)[2] - 0.5 * float((((tried - prior) / spread) ** 2).sum())
                    if score > best:
                        theta, best = tried, score
            step *= _SHRINK
        return theta

    def _solved(self, theta: Floats) -> tuple[Floats, Floats, float]:
        """Cholesky factor, weights of the answers, log marginal likelihood (less a constant)."""
        size = len(self.rest)
        matrix = self._kernel(self.seen, self.seen, theta) + self._luck(theta) * np.eye(size)
        factor = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
        inner = np.linalg.solve(factor, self.rest)
        likelihood = -0.5 * float(inner @ inner) - float(np.log(np.diag(factor)).sum())
        return factor, np.linalg.solve(factor.T, inner), likelihood

    def _luck(self, theta: Floats) -> float:
        return float((math.exp(theta[-1]) * self.unit) ** 2)

    def _amplitudes(self, one: Features, theta: Floats) -> tuple[Floats, Floats]:
        """g of every layer (n, layers), and of every candidate (n, width)."""
        values = np.concatenate([[0.0], np.exp(theta[:-2]) * self.unit])
        of_candidate = values[np.concatenate([row[1 : len(names)] for row, names in self._rows()]).astype(np.int64)]
        return values[one.kind], one.at * of_candidate

    def _rows(self) -> list[tuple[Ints, tuple[str, ...]]]:
        return list(zip(self.space.kinds, self.space.problem.candidates))

    def _sum(self, one: Features, two: Features, theta: Floats) -> Floats:
        """Covariance of the additive part."""
        (g, a), (h, b) = self._amplitudes(one, theta), self._amplitudes(two, theta)
        shared = SHARED * np.outer(g.sum(axis=1), h.sum(axis=1))
        found: Floats = shared + SAME_LAYER * (g @ h.T) + (1 - SAME_LAYER) * (a @ b.T)
        return found

    def _kernel(self, one: Features, two: Features, theta: Floats) -> Floats:
        (g, a), (h, b) = self._amplitudes(one, theta), self._amplitudes(two, theta)
        layers = SAME_LAYER * (g @ h.T) + (1 - SAME_LAYER) * (a @ b.T)
        squares = SAME_LAYER**2 * (g**2 @ (h**2).T) + (1 - SAME_LAYER**2) * (a**2 @ (b**2).T)
        pairs = PAIRS / self.unit**2 * (layers**2 - squares) / 2
        apart = np.outer(one.kind.any(axis=1), two.kind.any(axis=1)) * (math.exp(theta[-2]) * self.unit) ** 2
        found: Floats = SHARED * np.outer(g.sum(axis=1), h.sum(axis=1)) + layers + pairs + apart
        return found

    def _diagonal(self, one: Features, theta: Floats) -> Floats:
        g, _ = self._amplitudes(one, theta)
        layers, squares = (g**2).sum(axis=1), (g**4).sum(axis=1)
        pairs = PAIRS / self.unit**2 * (layers**2 - squares) / 2
        apart = one.kind.any(axis=1) * (math.exp(theta[-2]) * self.unit) ** 2
        found: Floats = SHARED * g.sum(axis=1) ** 2 + layers + pairs + apart
        return found
