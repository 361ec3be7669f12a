"""A law of matrix products that counts tiles and waves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.gemm import shapes, smooth_max
from simulator.costs.base.law import Floats, plain, require
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class GemmTiles:
    """Launch plus a roofline with a round corner, whose compute side is paid in whole tiles and waves.

    .. math:: t = a + \\left(c^q + d^q\\right)^{1/q}, \\quad
              w = \\frac{\\lceil m/t_m \\rceil \\lceil n/t_n \\rceil}{u}, \\quad
              c = \\frac{2 t_m t_n u (k + h)}{P} \\lceil w \\rceil^{s} w^{1-s}, \\quad
              d = s_A m k + s_B n k + s_C m n

    ``launch_s`` a [s]; ``peak_flops`` P [FLOP/s]; ``k_half`` h: the depth at which a tile reaches half of the
    peak; ``input_s``, ``weight_s``, ``output_s``: time per element moved [s]; ``sharpness`` q >= 1; ``stairs`` s
    from 0 (waves overlap, work is shared out evenly) to 1 (the last wave takes as long as a full one);
    ``tile_m`` by ``tile_n`` outputs are one tile, of which ``units`` run at once. Reference: NVIDIA, Matrix
    Multiplication Background User's Guide (tile and wave quantization).

    >>> law = GemmTiles(0.0, 2e6, 0.0, 0.0, 0.0, 0.0, 2.0, 1.0, 128, 128, 10)
    >>> law.seconds([128, 128, 129], [1280, 1281, 1280], 1).round(3)
    array([0.164, 0.328, 0.328])
    """

    launch_s: float
    peak_flops: float
    k_half: float
    input_s: float
    weight_s: float
    output_s: float
    sharpness: float
    stairs: float
    tile_m: float
    tile_n: float
    units: float
    name: ClassVar[str] = "gemm-tiles"

    def __post_init__(self) -> None:
        require(self.name, launch_s=self.launch_s, k_half=self.k_half, stairs=self.stairs)
        require(self.name, input_s=self.input_s, weight_s=self.weight_s, output_s=self.output_s)
        require(self.name, at_least=5e-324, peak_flops=self.peak_flops)
        require(
            self.name, at_least=1.0, sharpness=self.sharpness, tile_m=self.tile_m, tile_n=self.tile_n, units=self.units
        )
        if self.stairs > 1:
            raise ScenarioError(Problem(f"law {self.name}: must be at most 1, got {self.stairs!r}", path="stairs"))

    def seconds(self, m: ArrayLike, n: ArrayLike, k: ArrayLike, layout: ArrayLike | None = None) -> Floats:
        """Time [s], shape of the broadcast inputs."""
        m, n, k = shapes(m, n, k)
        waves = np.ceil(m / self.tile_m) * np.ceil(n / self.tile_n) / self.units
        full = 2 * self.tile_m * self.tile_n * self.units * (k + self.k_half) / self.peak_flops
        computing = full * np.ceil(waves) ** self.stairs * waves ** (1 - self.stairs)
        moving = self.input_s * m * k + self.weight_s * n * k + self.output_s * m * n
        return np.asarray(self.launch_s + smooth_max(computing, moving, self.sharpness))

    def parameters(self) -> dict[str, Any]:
        """Parameters by field name."""
        return plain(asdict(self))

    def scaled(self, factor: float) -> GemmTiles:
        """The law with every time multiplied by ``factor``."""
        return replace(
            self,
            launch_s=self.launch_s * factor,
            peak_flops=self.peak_flops / factor,
            input_s=self.input_s * factor,
            weight_s=self.weight_s * factor,
            output_s=self.output_s * factor,
        )
