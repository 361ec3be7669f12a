"""Layers made of matrix products: what a batch of items takes when each item adds rows to every product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.gemm import GemmLaw
from simulator.costs.base.law import BatchLaw, Bools, Floats, as_batch, nowhere


@dataclass(frozen=True, slots=True)
class ProductTime:
    """A matrix product of a layer as a function of the batch.

    .. math:: t(b) = t_{gemm}(b r, n, k)

    ``rows`` r: rows that one item adds to the left matrix, such as its tokens; ``n`` and ``k``: columns and rows of the
    weights; ``law``: time of a product on one device at one precision.

    >>> from simulator.costs.base.gemm import GemmRoofline
    >>> law = GemmRoofline(launch_s=0.0, peak_flops=2e12, element_s=0.0)
    >>> ProductTime(law, rows=100, n=1000, k=1000).seconds([1, 2])
    array([0.0001, 0.0002])
    """

    law: GemmLaw
    rows: float
    n: float
    k: float
    name: ClassVar[str] = "product"

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``; less than one item counts as one."""
        return self.law.seconds(np.maximum(as_batch(batch), 1.0) * self.rows, self.n, self.k)

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """Nowhere: laws of products are judged by shapes that were held out."""
        return nowhere(batch)

    def parameters(self) -> dict[str, Any]:
        """The sizes, and the law with its parameters."""
        inner = {"law": self.law.name, "parameters": self.law.parameters()}
        return {"rows": self.rows, "n": self.n, "k": self.k, "of": inner}

    def scaled(self, factor: float) -> ProductTime:
        """The law with every time multiplied by ``factor``."""
        return ProductTime(self.law.scaled(factor), self.rows, self.n, self.k)


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
