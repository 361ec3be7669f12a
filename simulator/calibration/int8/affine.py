"""What an unsigned code stands for: ``x ≈ scale * (code - zero)``, and how a range becomes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def along_channels(values: NDArray[Any], dimensions: int) -> NDArray[Any]:
    """One value per channel (or one for all), shaped to act on axis 1 of an array of so many dimensions.

    >>> along_channels(np.arange(3), 4).shape, along_channels(np.array(2), 4).shape
    ((1, 3, 1, 1), ())
    """
    return values.reshape(1, -1, *[1] * (dimensions - 2)) if values.ndim else values


@dataclass(frozen=True, eq=False, slots=True)
class Affine:
    """Unsigned codes of ``bits`` bits: ``code = clip(round(x / scale) + zero, 0, 2^bits - 1)``, halves to even.

    ``scale`` (real units per code) and ``zero`` (the code of 0) are single numbers, shape (), or one per channel,
    shape (C,); channels are axis 1 of ``x``, (rows, C) or (rows, C, height, width).
    Source: ONNX operators QuantizeLinear and DequantizeLinear; oneDNN, int8 inference.

    >>> unit = from_range(-1.0, 1.55)
    >>> unit.quantize(np.array([[-1.0, 0.0, 0.014, 9.0]]))
    array([[  0, 100, 101, 255]], dtype=uint8)
    >>> unit.dequantize(np.array([[0, 100, 101, 255]])).round(6)
    array([[-1.  ,  0.  ,  0.01,  1.55]])
    """

    scale: Floats
    zero: Ints
    bits: int = 8

    @property
    def per_channel(self) -> bool:
        """Whether every input channel has a scale or zero point of its own."""
        return self.scale.ndim > 0 or self.zero.ndim > 0

    def quantize(self, x: ArrayLike) -> NDArray[np.uint8]:
        """Codes of real values, same shape; what lies outside the range gets the nearest code, NaN gets 0."""
        real = np.asarray(x, dtype=np.float64)  # half floats would overflow on the way
        with np.errstate(over="ignore", invalid="ignore"):  # infinities are clipped like any large value
            codes = np.rint(real / along_channels(self.scale, real.ndim)) + along_channels(self.zero, real.ndim)
        # fmax and fmin drop NaN, where clip would keep it; an x86 conversion ends at the lowest code as well
        found: NDArray[np.uint8] = np.fmin(np.fmax(codes, 0), 2**self.bits - 1).astype(np.uint8)
        return found

    def dequantize(self, codes: ArrayLike) -> Floats:
        """Real values of codes, same shape."""
        found = np.asarray(codes).astype(np.int64)
        real: Floats = along_channels(self.scale, found.ndim) * (found - along_channels(self.zero, found.ndim))
        return real


def from_range(low: ArrayLike, high: ArrayLike, bits: int = 8) -> Affine:
    """The codes that cover [low, high] and 0, each bound a number or one per channel.

    .. math:: s = (max - min) / (2^b - 1), z = round(-min / s), min = min(low, 0), max = max(high, 0)

    0 has a code of its own, so padding and ReLU cost no error, and |x - real(code(x))| <= s / 2 in the range.
    A range without extent gives s = 1, z = 0. Source: ONNX operator DynamicQuantizeLinear.
    """
    bottom, top = np.minimum(np.asarray(low, dtype=np.float64), 0.0), np.maximum(np.asarray(high, np.float64), 0.0)
    if not (np.isfinite(bottom).all() and np.isfinite(top).all()):
        raise ScenarioError(Problem("a range to quantize must be of finite numbers: look for NaN or infinity in it"))
    if not 1 <= bits <= 8:
        raise ScenarioError(Problem(f"codes of 1 to 8 bits are known, got {bits}"))
    levels = 2**bits - 1
    scale = top / levels - bottom / levels  # not (top - bottom) / levels, which can overflow
    scale = np.where(scale > 0, scale, 1.0)
    zero = np.clip(np.rint(-bottom / scale), 0, levels).astype(np.int64)
    return Affine(np.asarray(scale), np.asarray(zero), bits)  # numpy makes scalars of arrays without axes
