"""Weights as signed codes with a scale per output channel, symmetric or with a zero point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.calibration.int8.affine import Floats, Ints
from simulator.errors import Problem, ScenarioError

LEAST_BITS, MOST_BITS = 2, 8


@dataclass(frozen=True, eq=False, slots=True)
class Weights:
    """Signed codes ``values`` with ``real = scale[o] * (values - zero[o])``, output channel o on ``axis``.

    ``scale`` and ``zero`` have shape (outputs,); ``zero`` is 0 everywhere for symmetric weights.
    """

    values: NDArray[np.int8]
    scale: Floats
    zero: Ints
    axis: int
    bits: int = 8
    symmetric: bool = True

    @property
    def largest(self) -> int:
        """Largest |code - zero| that codes of this kind can have; bounds the accumulator."""
        return int(2 ** (self.bits - 1)) - 1 if self.symmetric else int(2**self.bits) - 1

    def centred(self) -> Ints:
        """``values - zero[o]``: the whole numbers that the weights stand for, before their scale."""
        found: Ints = self.values.astype(np.int64) - _along(self.zero, self.axis, self.values.ndim)
        return found

    def real(self) -> Floats:
        """The weights that the codes stand for."""
        found: Floats = self.centred() * _along(self.scale, self.axis, self.values.ndim)
        return found


def quantize_weights(
    weight: ArrayLike, axis: int, bits: int = 8, *, symmetric: bool = True, per_channel: bool = True
) -> Weights:
    """Quantize weights whose output channels lie on ``axis``: 1 for (K, O) of a GEMM, 0 for (O, C, KH, KW).

    Symmetric: ``s = max|w| / (2^(b-1) - 1)``, codes -127..127 at 8 bits and -63..63 at 7, which cannot saturate
    the 16-bit pair sums of older x86 processors. Asymmetric: ``s = (max - min) / (2^b - 1)`` with 0 in [min, max],
    codes -128..127 and a zero point. Source: oneDNN and FBGEMM, u8 x s8 kernels.

    >>> quantize_weights([[1.0, -0.2], [-2.0, 0.12]], axis=1).values
    array([[  64, -127],
           [-127,   76]], dtype=int8)
    """
    real = np.asarray(weight, dtype=np.float64)
    if not np.isfinite(real).all():
        raise ScenarioError(Problem("weights must be finite numbers"))
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise ScenarioError(Problem(f"weights of {LEAST_BITS} to {MOST_BITS} bits are known, got {bits}"))
    if real.size == 0:
        raise ScenarioError(Problem(f"there are no weights in shape {real.shape}"))
    others = tuple(k for k in range(real.ndim) if k != axis % real.ndim)
    low = np.minimum(real.min(axis=others), 0.0)
    high = np.maximum(real.max(axis=others), 0.0)
    if not per_channel:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    scale, zero = _symmetric(low, high, bits) if symmetric else _asymmetric(low, high, bits)
    least = -(2 ** (bits - 1)) + symmetric
    codes = np.rint(real / _along(scale, axis, real.ndim)) + _along(zero, axis, real.ndim)
    values = np.clip(codes, least, 2 ** (bits - 1) - 1).astype(np.int8)
    return Weights(values, scale, zero, axis % real.ndim, bits, symmetric)


def _symmetric(low: Floats, high: Floats, bits: int) -> tuple[Floats, Ints]:
    scale = _positive(np.maximum(-low, high) / (2 ** (bits - 1) - 1))
    return scale, np.zeros(len(scale), dtype=np.int64)


def _asymmetric(low: Floats, high: Floats, bits: int) -> tuple[Floats, Ints]:
    scale = _positive(high / (2**bits - 1) - low / (2**bits - 1))
    return scale, np.rint(-low / scale).astype(np.int64) - 2 ** (bits - 1)


def _positive(scale: Floats) -> Floats:
    """A channel of zeros gets the finest of the other scales: its bias is rounded to that scale."""
    known = scale[scale > 0]
    return np.where(scale > 0, scale, known.min() if known.size else 1.0)


def _along(values: NDArray[Any], axis: int, dimensions: int) -> NDArray[Any]:
    return values.reshape([-1 if k == axis % dimensions else 1 for k in range(dimensions)])
