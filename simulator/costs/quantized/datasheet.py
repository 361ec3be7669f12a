"""The time of a matrix product as the data sheet promises it: the speed of light, not a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.gemm import shapes
from simulator.costs.base.law import Floats, plain, require
from simulator.costs.quantized.schemes import peak_of, scheme


@dataclass(frozen=True, slots=True)
class GemmDatasheet:
    """Roofline of peak and bandwidth, without launch, efficiency or quantization of inputs.

    .. math:: t = \\max\\left(\\frac{2 m n k}{P},\\; \\frac{b_A m k + b_B n k + b_C m n}{W}\\right)

    ``peak_flops`` P [FLOP/s]; ``bandwidth`` W [B/s]; ``input_bytes``, ``weight_bytes``, ``output_bytes`` b [B per
    element]. Real kernels take 1.4 to 9 times as long; it is here as the baseline that calibration is measured
    against, and as the scale of utilization.

    >>> GemmDatasheet(1e15, 3e12, 1, 1, 2).seconds(8192, 8192, 8192).round(6)
    np.float64(0.0011)
    """

    peak_flops: float
    bandwidth: float
    input_bytes: float
    weight_bytes: float
    output_bytes: float
    name: ClassVar[str] = "gemm-datasheet"

    def __post_init__(self) -> None:
        require(self.name, at_least=5e-324, peak_flops=self.peak_flops, bandwidth=self.bandwidth)
        require(
            self.name,
            input_bytes=self.input_bytes,
            weight_bytes=self.weight_bytes,
            output_bytes=self.output_bytes,
        )

    def seconds(self, m: ArrayLike, n: ArrayLike, k: ArrayLike, layout: ArrayLike | None = None) -> Floats:
        """Time [s], shape of the broadcast inputs."""
        m, n, k = shapes(m, n, k)
        moved = self.input_bytes * m * k + self.weight_bytes * n * k + self.output_bytes * m * n
        return np.asarray(np.maximum(2 * m * n * k / self.peak_flops, moved / self.bandwidth))

    def parameters(self) -> dict[str, Any]:
        """Parameters by field name."""
        return plain(asdict(self))

    def scaled(self, factor: float) -> GemmDatasheet:
        """The law with every time multiplied by ``factor``."""
        return replace(self, peak_flops=self.peak_flops / factor, bandwidth=self.bandwidth / factor)


def datasheet(peaks: Mapping[str, float], bandwidth: float, precision: str) -> GemmDatasheet:
    """The data-sheet law of a device with ``peaks`` [FLOP/s by precision] and ``bandwidth`` [B/s] at ``precision``.

    The figures of the catalogue fit: ``datasheet(device.peak, device.memory_bandwidth, "int8")``.
    """
    how = scheme(precision)
    return GemmDatasheet(
        peak_of(peaks, precision), float(bandwidth), how.input_bytes, how.weight_bytes, how.output_bytes
    )
