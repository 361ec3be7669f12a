"""Laws of matrix products in closed form: time of C[m, n] = A[m, k] B[k, n] by its shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.base.law import Floats, Law, plain, require


@runtime_checkable
class GemmLaw(Law, Protocol):
    """Time of one matrix product as a function of its shape."""

    def seconds(self, m: ArrayLike, n: ArrayLike, k: ArrayLike, layout: ArrayLike | None = None) -> Floats:
        """Time [s] of an (m, k) by (k, n) product, shape of the broadcast inputs.

        ``layout`` names how the operands lie in memory (``"NT"``); a law that was fitted without it ignores
        it.
        """
        ...


def shapes(m: ArrayLike, n: ArrayLike, k: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """The three sizes as float arrays of one common shape."""
    found = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (m, n, k)))
    return found[0], found[1], found[2]


@dataclass(frozen=True, slots=True)
class GemmRoofline:
    """Launch plus roofline.

    .. math:: t = a + \\max\\left(\\frac{2 m n k}{P},\\; s_e (m k + n k + m n)\\right)

    ``launch_s`` a [s], ``peak_flops`` P [FLOP/s], ``element_s`` s_e [s per element moved]. Three parameters
    of one device and number format. Reference: Williams, Waterman, Patterson, CACM 52(4), 2009.

    >>> GemmRoofline(launch_s=2e-6, peak_flops=1e14, element_s=1e-12).seconds(8192, 8192, 8192).round(6)
    np.float64(0.010997)
    """

    launch_s: float
    peak_flops: float
    element_s: float
    name: ClassVar[str] = "gemm-roofline"

    def __post_init__(self) -> None:
        require(self.name, launch_s=self.launch_s, element_s=self.element_s)
        require(self.name, at_least=5e-324, peak_flops=self.peak_flops)

    def seconds(self, m: ArrayLike, n: ArrayLike, k: ArrayLike, layout: ArrayLike | None = None) -> Floats:
        """Time [s], shape of the broadcast inputs."""
        m, n, k = shapes(m, n, k)
        moved = self.element_s * (m * k + n * k + m * n)
        return np.asarray(self.launch_s + np.maximum(2 * m * n * k / self.peak_flops, moved))

    def parameters(self) -> dict[str, Any]:
        """Parameters by field name."""
        return plain(asdict(self))

    def scaled(self, factor: float) -> GemmRoofline:
        """The law with every time multiplied by ``factor``."""
        return GemmRoofline(self.launch_s * factor, self.peak_flops / factor, self.element_s * factor)


@dataclass(frozen=True, slots=True)
class GemmSmooth:
    """Launch plus a roofline with a round corner, whose efficiency grows with every side of the shape.

    .. math:: t = a + \\left(c^q + d^q\\right)^{1/q}, \\quad c = \\frac{2 (m+h_m)(n+h_n)(k+h_k)}{P},
              \\quad d = s_A m k + s_B n k + s_C m n

    ``launch_s`` a [s]; ``peak_flops`` P [FLOP/s]; ``m_half``, ``n_half``, ``k_half`` h: the side at which
    half of the peak is reached [elements] (a skinny m pays for a whole tile); ``input_s``, ``weight_s``,
    ``output_s`` s: time per element moved [s], apart because inputs, quantized weights and outputs differ in
    bytes; ``sharpness`` q >= 1. Reference: roofline (above) with Hockney's half-performance length n_1/2 for
    each side.

    >>> law = GemmSmooth(1e-6, 1e14, 0, 0, 0, 1e-12, 1e-12, 1e-12, 2.0)
    >>> bool(law.seconds(64, 64, 64) > 1e-6)
    True
    """

    launch_s: float
    peak_flops: float
    m_half: float
    n_half: float
    k_half: float
    input_s: float
    weight_s: float
    output_s: float
    sharpness: float
    name: ClassVar[str] = "gemm-smooth"

    def __post_init__(self) -> None:
        require(self.name, launch_s=self.launch_s, m_half=self.m_half, n_half=self.n_half, k_half=self.k_half)
        require(self.name, input_s=self.input_s, weight_s=self.weight_s, output_s=self.output_s)
        require(self.name, at_least=5e-324, peak_flops=self.peak_flops)
        require(self.name, at_least=1.0, sharpness=self.sharpness)

    def seconds(self, m: ArrayLike, n: ArrayLike, k: ArrayLike, layout: ArrayLike | None = None) -> Floats:
        """Time [s], shape of the broadcast inputs."""
        m, n, k = shapes(m, n, k)
        computing = 2 * (m + self.m_half) * (n + self.n_half) * (k + self.k_half) / self.peak_flops
        moving = self.input_s * m * k + self.weight_s * n * k + self.output_s * m * n
        return np.asarray(self.launch_s + smooth_max(computing, moving, self.sharpness))

    def parameters(self) -> dict[str, Any]:
        """Parameters by field name."""
        return plain(asdict(self))

    def scaled(self, factor: float) -> GemmSmooth:
        """The law with every time multiplied by ``factor``."""
        found = asdict(self)
        for key in ("launch_s", "input_s", "weight_s", "output_s"):
            found[key] *= factor
        found["peak_flops"] /= factor
        return GemmSmooth(**found)


def smooth_max(a: Floats, b: Floats, sharpness: float) -> Floats:
    """``(a^q + b^q)^(1/q)`` without leaving the range of floats."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    high = np.maximum(high, 5e-324)
    return np.asarray(high * (1 + (low / high) ** sharpness) ** (1 / sharpness))


def tail(m: Floats, n: Floats, tile_m: float, tile_n: float, units: float) -> Floats:
    """How much the last wave of tiles wastes [octaves]: log2 of whole waves over used waves.

    A product is cut into tiles of ``tile_m`` by ``tile_n`` outputs, of which ``units`` run at once.

    >>> tail(np.array([128.0, 128.0]), np.array([256.0 * 108, 256.0 * 109]), 128, 256, 108).round(3)
    array([0.   , 0.987])
    """
    waves = np.ceil(m / tile_m) * np.ceil(n / tile_n) / units
    return np.asarray(np.log2(np.ceil(waves) / waves))


def alignment(size: Floats, largest: int = 128) -> Floats:
    """How well a size fits the hardware [octaves]: log2 of its greatest power of two, at most ``largest``.

    >>> alignment(np.array([1.0, 24.0, 4096.0]))
    array([0., 3., 7.])
    """
    whole: NDArray[np.int64] = np.maximum(np.rint(size), 1).astype(np.int64)
    return np.log2(np.gcd(whole, largest).astype(np.float64))
