"""A law of matrix products that interpolates how much of the speed of light the nearest measured shapes reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.gemm import shapes
from simulator.costs.base.gemm_rows import nearest_rows
from simulator.costs.base.law import Floats, numbers, require
from simulator.errors import Problem, ScenarioError

_NEAR = 1e-9
"""Distance [octaves] below which a measured row answers alone."""


@dataclass(frozen=True, slots=True)
class GemmUtilization:
    """Speed of light at the asked shape, divided by the utilization of its nearest measured shapes.

    .. math:: t(x) = \\frac{L(x)}{\\sum_i w_i L(x_i)/t_i}, \\quad
              L = \\max\\left(2 m n k f,\\; s_A m k + s_B n k + s_C m n\\right), \\quad w_i \\propto d_i^{-2}

    ``flop_s`` f [s per FLOP] and ``input_s``, ``weight_s``, ``output_s`` [s per element] give the speed of light L:
    from a data sheet, or from the fastest measured rows. ``share`` [-] is L/t at the rows ``m``, ``n``, ``k``;
    d is the distance in (log2 m, log2 n, log2 k) to the nearest ``neighbours`` rows. Reference: Shepard 1968
    (inverse distance weighting).

    >>> law = GemmUtilization(1e-12, 0.0, 0.0, 0.0, (64, 4096), (64, 4096), (64, 4096), (0.25, 0.75))
    >>> law.seconds([64, 512], 64, 64).round(9)
    array([2.0970e-06, 1.3981e-05])
    """

    flop_s: float
    input_s: float
    weight_s: float
    output_s: float
    m: tuple[float, ...]
    n: tuple[float, ...]
    k: tuple[float, ...]
    share: tuple[float, ...]
    neighbours: float = 4.0
    _tree: Any = field(init=False, repr=False, compare=False)
    name: ClassVar[str] = "gemm-utilization"

    def __post_init__(self) -> None:
        require(self.name, input_s=self.input_s, weight_s=self.weight_s, output_s=self.output_s)
        require(self.name, at_least=5e-324, flop_s=self.flop_s)
        require(self.name, at_least=1.0, neighbours=self.neighbours)
        for key in ("m", "n", "k", "share"):
            object.__setattr__(self, key, numbers(getattr(self, key)))
            if not all(math.isfinite(value) and value > 0 for value in getattr(self, key)):
                raise ScenarioError(Problem(f"law {self.name}: every number must be finite and positive", path=key))
        if len({len(getattr(self, key)) for key in ("m", "n", "k", "share")}) > 1 or not self.m:
            raise ScenarioError(
                Problem(f"law {self.name}: m, n, k and share must be equally long and not empty", path="m")
            )
        object.__setattr__(self, "_tree", nearest_rows(_octaves(self.m, self.n, self.k)))

    def seconds(self, m: ArrayLike, n: ArrayLike, k: ArrayLike, layout: ArrayLike | None = None) -> Floats:
        """Time [s], shape of the broadcast inputs."""
        m, n, k = shapes(m, n, k)
        count = min(int(self.neighbours), len(self.m))
        far, near = self._tree.query(_octaves(m.ravel(), n.ravel(), k.ravel()), k=[*range(1, count + 1)])
        weights = 1 / np.maximum(far, _NEAR) ** 2
        share = (weights * np.array(self.share)[near]).sum(axis=1) / weights.sum(axis=1)
        return np.asarray(self.light(m, n, k) / share.reshape(m.shape))

    def light(self, m: Floats, n: Floats, k: Floats) -> Floats:
        """The shortest time that the device allows [s]."""
        moving = self.input_s * m * k + self.weight_s * n * k + self.output_s * m * n
        return np.asarray(np.maximum(2 * m * n * k * self.flop_s, moving))

    def parameters(self) -> dict[str, Any]:
        """Speed of light and rows."""
        found: dict[str, Any] = {
            key: float(getattr(self, key)) for key in ("flop_s", "input_s", "weight_s", "output_s", "neighbours")
        }
        return found | {key: list(getattr(self, key)) for key in ("m", "n", "k", "share")}

    def scaled(self, factor: float) -> GemmUtilization:
        """The law with every time multiplied by ``factor``."""
        return replace(
            self,
            flop_s=self.flop_s * factor,
            input_s=self.input_s * factor,
            weight_s=self.weight_s * factor,
            output_s=self.output_s * factor,
        )


def _octaves(m: Sequence[float] | Floats, n: Sequence[float] | Floats, k: Sequence[float] | Floats) -> Floats:
    return np.log2(np.column_stack([np.asarray(side, dtype=np.float64) for side in (m, n, k)]))
