"""Quantized GEMM and convolution: prepared once, then unsigned codes in, accumulators, real values or codes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.calibration.int8.affine import Affine, Floats, Ints
from simulator.calibration.int8.exact import Product, check_length, product
from simulator.calibration.int8.geometry import Geometry, convolve
from simulator.calibration.int8.restore import bias_codes, requantize, restore
from simulator.calibration.int8.smoothing import fold
from simulator.calibration.int8.table import accumulation_table, both_axes, compensation
from simulator.calibration.int8.weights import Weights, quantize_weights
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, eq=False, slots=True)
class Kernel(ABC):
    """What GEMM and convolution share: codes ``weights`` and the ``inputs`` they were prepared for.

    ``compensation`` is what restoration takes off, ``multiplier`` (O,) the real worth of one unit of the accumulator:
    input scale * weight scale, or the weight scale alone where a scale per input channel went into the weights.
    """

    weights: Weights
    inputs: Affine
    multiplier: Floats
    compensation: Ints
    bias: Floats | None
    saturate: bool

    @abstractmethod
    def accumulate(self, codes: NDArray[np.uint8]) -> Product:
        """Raw sums of input code * weight code, and what saturated."""

    @abstractmethod
    def corrected(self, codes: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Sums of (input code - zero point) * (weight code - zero point)."""

    def real(self, x: ArrayLike) -> Floats:
        """Quantize real inputs, multiply, restore: real outputs."""
        return restore(self.corrected(self.inputs.quantize(x)), self.multiplier, self.bias)

    def codes(self, codes: NDArray[np.uint8], output: Affine, *, relu: bool = False) -> NDArray[np.uint8]:
        """Codes in, codes of the next layer out, the bias in 32 bits; ReLU by clipping."""
        bias = None if self.bias is None else bias_codes(self.bias, self.multiplier)
        return requantize(self.corrected(codes), self.multiplier, output, bias, relu=relu)


@dataclass(frozen=True, eq=False, slots=True)
class Gemm(Kernel):
    """``y[m, o] = multiplier[o] * (acc - zx * S[o] - zw[o] * R[m] + K * zx * zw[o]) + b[o]``.

    ``S[o] = sum_k wq[k, o]`` (column offsets) and ``R[m] = sum_k xq[m, k]`` (row offsets, only for weights with a zero
    point); with a zero point per input channel, ``zx * S[o]`` is ``sum_k zx[k] * wq[k, o]``. ``compensation`` (O,)
    holds all that does not depend on the input. Source: FBGEMM, ``row_offsets`` and ``col_offsets``.
    """

    def accumulate(self, codes: NDArray[np.uint8]) -> Product:
        """(M, K) codes to (M, O) sums."""
        _check_input(codes, 2, len(self.weights.values))
        return product(codes, self.weights.values, largest=_largest_code(self.weights), saturate=self.saturate)

    def corrected(self, codes: NDArray[np.uint8]) -> NDArray[np.int32]:
        """(M, K) codes to (M, O) corrected sums."""
        found = self.accumulate(codes).values - self.compensation
        if not self.weights.symmetric:
            found -= codes.sum(axis=1, dtype=np.int64)[:, None] * self.weights.zero
        return found.astype(np.int32)


@dataclass(frozen=True, eq=False, slots=True)
class Convolution(Kernel):
    """A convolution NCHW over codes; padding is accumulated as code 0 and set right by the table.

    ``y[n, o, p, q] = multiplier[o] * (acc - C[r(p), c(q), o] - zw[o] * R[n, g, p, q]) + b[o]`` with ``compensation`` C
    from the accumulation table of (weight code - zero point), r and c the classes of row and column, and R the sum of
    the codes in the window, per group (only for weights with a zero point). ``size`` is (H, W) of the input.
    """

    geometry: Geometry
    size: tuple[int, int]

    def accumulate(self, codes: NDArray[np.uint8]) -> Product:
        """(N, C, H, W) codes to (N, O, P, Q) sums; padding adds nothing."""
        _check_input(codes, 4, self.weights.values.shape[1] * self.geometry.groups)
        if codes.shape[2:] != self.size:
            raise ScenarioError(
                Problem(f"this convolution was prepared for inputs of {self.size}, got {codes.shape[2:]}")
            )
        saturated, pairs = 0, 0

        def multiply(x: NDArray[Any], w: NDArray[Any]) -> NDArray[Any]:
            nonlocal saturated, pairs
            found = product(x, w, largest=_largest_code(self.weights), saturate=self.saturate)
            saturated, pairs = saturated + found.saturated, pairs + found.pairs
            return found.values

        values = convolve(codes, self.weights.values, self.geometry, multiply)
        return Product(values, saturated, pairs)

    def corrected(self, codes: NDArray[np.uint8]) -> NDArray[np.int32]:
        """(N, C, H, W) codes to (N, O, P, Q) corrected sums."""
        kernel = (self.weights.values.shape[2], self.weights.values.shape[3])
        rows, columns = both_axes(self.size, kernel, self.geometry)
        by_place = self.compensation[rows.of][:, columns.of].transpose(2, 0, 1)
        found = self.accumulate(codes).values - by_place
        if not self.weights.symmetric:
            found -= self._row_offsets(codes) * self.weights.zero[:, None, None]
        return found.astype(np.int32)

    def _row_offsets(self, codes: NDArray[np.uint8]) -> Ints:
        """Sum of the codes in every window, repeated for the outputs of its group: (N, O, P, Q)."""
        shape = self.weights.values.shape
        ones = np.ones((self.geometry.groups, *shape[1:]))
        sums = convolve(codes.astype(np.float64), ones, self.geometry).astype(np.int64)  # far below 2^53: exact
        return np.repeat(sums, shape[0] // self.geometry.groups, axis=1)


def gemm(
    weight: ArrayLike,
    inputs: Affine,
    bias: ArrayLike | None = None,
    *,
    bits: int = 8,
    symmetric: bool = True,
    per_channel: bool = True,
    saturate: bool = False,
) -> Gemm:
    """Quantize the weights (K, O) of ``y = x @ weight + bias`` for inputs of a known scale.

    A scale per input channel is folded into the weights before they are quantized. ``bits``, ``symmetric`` and
    ``per_channel`` as in :func:`quantize_weights`; ``saturate`` as in :func:`product`.

    >>> kernel = gemm([[1.0], [-0.5]], Affine(np.array(0.1), np.array(10)))
    >>> kernel.real([[1.0, 2.0]]).round(2)
    array([[-0.01]])
    """
    real = np.asarray(weight, dtype=np.float64)
    if real.ndim != 2:
        raise ScenarioError(Problem(f"weights of a GEMM are (inputs, outputs), got shape {real.shape}"))
    folded, scale = _folded(real, inputs, 1, 1)
    codes = quantize_weights(folded, 1, bits, symmetric=symmetric, per_channel=per_channel)
    check_length(len(real), codes.largest)
    taken = (codes.centred() * np.broadcast_to(inputs.zero, len(real))[:, None]).sum(axis=0)
    return Gemm(codes, inputs, scale * codes.scale, taken, _bias(bias, real.shape[1]), saturate)


def convolution(
    weight: ArrayLike,
    inputs: Affine,
    size: tuple[int, int],
    bias: ArrayLike | None = None,
    geometry: Geometry | None = None,
    *,
    bits: int = 8,
    symmetric: bool = True,
    per_channel: bool = True,
    saturate: bool = False,
) -> Convolution:
    """Quantize the weights (O, C / groups, KH, KW) for inputs (N, C, *size); the rest as in :func:`gemm`."""
    real, geometry = np.asarray(weight, dtype=np.float64), geometry or Geometry()
    if real.ndim != 4:
        raise ScenarioError(
            Problem(f"weights of a convolution are (outputs, channels, rows, columns), got {real.shape}")
        )
    geometry.check(real.shape[1] * geometry.groups, real.shape)
    folded, scale = _folded(real, inputs, 0, geometry.groups)
    codes = quantize_weights(folded, 0, bits, symmetric=symmetric, per_channel=per_channel)
    check_length(int(np.prod(real.shape[1:])), codes.largest)
    classes = both_axes(size, (real.shape[2], real.shape[3]), geometry)
    taken = compensation(accumulation_table(codes.centred(), *classes), inputs.zero, geometry.groups)
    return Convolution(
        codes, inputs, scale * codes.scale, taken, _bias(bias, len(real)), saturate, geometry, (size[0], size[1])
    )


def _folded(real: Floats, inputs: Affine, axis: int, groups: int) -> tuple[Floats, Floats]:
    """Weights with a scale per input channel multiplied in, and the scale that is left for the output."""
    if inputs.scale.ndim == 0:
        return real, inputs.scale
    return fold(real, inputs.scale, axis, groups), np.array(1.0)


def _largest_code(weights: Weights) -> int:
    return int(2 ** (weights.bits - 1)) - weights.symmetric


def _bias(bias: ArrayLike | None, outputs: int) -> Floats | None:
    if bias is None:
        return None
    found = np.asarray(bias, dtype=np.float64)
    if found.shape != (outputs,) or not np.isfinite(found).all():
        raise ScenarioError(Problem(f"a bias is one finite number per output ({outputs}), got shape {found.shape}"))
    return found


def _check_input(codes: NDArray[np.uint8], dimensions: int, channels: int) -> None:
    if codes.dtype != np.uint8:
        raise ScenarioError(Problem(f"inputs of a quantized kernel are unsigned bytes (uint8), got {codes.dtype}"))
    if codes.ndim != dimensions or codes.shape[1] != channels:
        shape = "(rows, channels)" if dimensions == 2 else "(rows, channels, height, width)"
        raise ScenarioError(Problem(f"inputs must be {shape} with {channels} channels, got shape {codes.shape}"))
