"""The time of quantizing the inputs of a product: scales and casts of an m by k activation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.gemm import smooth_max
from simulator.costs.base.law import Floats, plain, require


@dataclass(frozen=True, slots=True)
class QuantizeInput:
    """A floor, then time per element, which grows once the activation no longer fits the cache.

    .. math:: q(m, k) = \\left(f^p + g^p\\right)^{1/p}, \\quad
              g = e \\left(s_n + \\frac{s_f - s_n}{1 + (C/e)^4}\\right), \\quad e = m k

    ``floor_s`` f [s]: launch and the least of work; ``near_s``, ``far_s`` [s per element] from the cache and from
    memory; ``cache_elements`` C; ``sharpness`` p >= 1 of the corner. The fourth power makes the passage two
    octaves wide, as in tables of such kernels on four devices.

    >>> QuantizeInput(7e-6, 4e-13, 1.5e-12, 1e7, 4.0).seconds([1, 8192], 4096).round(7)
    array([7.e-06, 5.e-05])
    """

    floor_s: float
    near_s: float
    far_s: float
    cache_elements: float
    sharpness: float
    name: ClassVar[str] = "quantize-input"

    def __post_init__(self) -> None:
        require(self.name, floor_s=self.floor_s, near_s=self.near_s, far_s=self.far_s)
        require(self.name, at_least=5e-324, cache_elements=self.cache_elements)
        require(self.name, at_least=1.0, sharpness=self.sharpness)

    def seconds(self, m: ArrayLike, k: ArrayLike) -> Floats:
        """Time [s] of an m by k activation, shape of the broadcast inputs."""
        m, k = np.broadcast_arrays(np.asarray(m, dtype=np.float64), np.asarray(k, dtype=np.float64))
        elements = m * k
        far = 1 / (1 + (self.cache_elements / np.maximum(elements, 1.0)) ** 4)
        moving = elements * (self.near_s + (self.far_s - self.near_s) * far)
        return smooth_max(np.asarray(np.full(m.shape, self.floor_s)), np.asarray(moving), self.sharpness)

    def parameters(self) -> dict[str, Any]:
        """Parameters by field name."""
        return plain(asdict(self))

    def scaled(self, factor: float) -> QuantizeInput:
        """The law with every time multiplied by ``factor``."""
        return replace(self, floor_s=self.floor_s * factor, near_s=self.near_s * factor, far_s=self.far_s * factor)
