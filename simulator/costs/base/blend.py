"""A weighted mean of laws that explain the rows about equally well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.law import BatchLaw, Bools, Floats, numbers
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Blend:
    """Geometric mean of several laws: where rows cannot tell laws apart, their mean errs less than any of them.

    .. math:: t(b) = \\exp \\sum_i w_i \\log t_i(b), \\quad \\sum_i w_i = 1

    ``laws`` t_i [s], ``weights`` w_i [-]. Reference: forecast combination (Bates and Granger 1969).

    >>> from simulator.costs.base.formulas import Constant
    >>> Blend((Constant(0.01), Constant(0.04)), (0.5, 0.5)).seconds([1]).round(9)
    array([0.02])
    """

    laws: tuple[BatchLaw, ...]
    weights: tuple[float, ...]
    name: ClassVar[str] = "blend"

    def __post_init__(self) -> None:
        object.__setattr__(self, "laws", tuple(self.laws))
        object.__setattr__(self, "weights", numbers(self.weights))
        right = all(math.isfinite(weight) and weight > 0 for weight in self.weights)
        if not self.laws or len(self.laws) != len(self.weights) or not right:
            message = "needs one positive weight for each of its laws"
            raise ScenarioError(Problem(f"law {self.name}: {message}", path="weights"))

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        with np.errstate(divide="ignore"):
            logs = [weight * np.log(law.seconds(batch)) for law, weight in zip(self.laws, self.weights, strict=True)]
        return np.asarray(np.exp(np.sum(logs, axis=0) / math.fsum(self.weights)))

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """Where any of the laws leaves its rows."""
        return np.asarray(np.any([law.extrapolates(batch) for law in self.laws], axis=0), dtype=np.bool_)

    def scaled(self, factor: float) -> Blend:
        """The law with every time multiplied by ``factor``."""
        return Blend(tuple(law.scaled(factor) for law in self.laws), self.weights)

    def parameters(self) -> dict[str, Any]:
        """The laws with their parameters, and the weights."""
        laws: Sequence[Mapping[str, Any]] = [{"law": law.name, "parameters": law.parameters()} for law in self.laws]
        return {"laws": list(laws), "weights": list(self.weights)}
