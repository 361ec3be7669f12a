"""Kernels one after another, as one law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.law import BatchLaw, Bools, Floats


@dataclass(frozen=True, slots=True)
class Sum:
    """Kernels one after another.

    .. math:: t(b) = \\sum_i t_i(b)

    ``parts``: laws of time by batch size, added from left to right.

    >>> from simulator.costs.base.formulas import Affine
    >>> Sum((Affine(1.0, 0.5), Affine(2.0, 0.25))).seconds([0, 4])
    array([3., 6.])
    """

    parts: tuple[BatchLaw, ...]
    name: ClassVar[str] = "sum"

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        total = np.zeros(np.shape(np.asarray(batch)))
        for part in self.parts:
            total = total + part.seconds(batch)
        return total

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """Where any part extrapolates."""
        beyond: Bools = np.logical_or.reduce([part.extrapolates(batch) for part in self.parts], axis=0)
        return beyond

    def parameters(self) -> dict[str, Any]:
        """The laws with their parameters."""
        return {"parts": [{"law": part.name, "parameters": part.parameters()} for part in self.parts]}

    def scaled(self, factor: float) -> Sum:
        """The law with every time multiplied by ``factor``."""
        return Sum(tuple(part.scaled(factor) for part in self.parts))
