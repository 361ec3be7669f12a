"""The layers of a small network: real weights, and what a precision makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.int8.affine import Affine, along_channels
from simulator.calibration.int8.geometry import Geometry, convolve
from simulator.calibration.int8.kernels import convolution, gemm
from simulator.calibration.int8.precision import Precision, Single, rounded
from simulator.calibration.int8.table import table_bytes
from simulator.calibration.int8.weights import quantize_weights
from simulator.costs.quantized import memory
from simulator.errors import Problem, ScenarioError

Shape = tuple[int, ...]
Reals = NDArray[np.float64] | NDArray[np.float32]
Apply = Callable[[Single], Single]
"""One layer at one precision: inputs (rows, ...) to outputs, both 32-bit floats."""


@dataclass(frozen=True, eq=False, slots=True)
class Linear:
    """``y = x @ weight + bias`` with weight (inputs, outputs) and bias (outputs,) or None."""

    name: str
    weight: Reals
    bias: Reals | None = None
    output_axis: int = field(default=1, init=False)
    groups: int = field(default=1, init=False)

    def output(self, shape: Shape) -> Shape:
        """(outputs,) from (inputs,)."""
        if self.weight.ndim != 2 or shape != self.weight.shape[:1]:
            raise _misfit(self.name, f"weights {self.weight.shape} (inputs, outputs)", shape)
        return self.weight.shape[1:]

    def multiply(self, x: Single, weight: Single) -> Single:
        """``x @ weight``."""
        found: Single = x @ weight
        return found

    def kernel(self, inputs: Affine, bits: int, shape: Shape) -> Apply:
        """The quantized GEMM."""
        prepared = gemm(self.weight, inputs, self.bias, bits=bits)
        return lambda x: prepared.real(x).astype(np.float32)

    def table_bytes(self, shape: Shape) -> int:
        """One sum per output."""
        return memory.table_bytes(int(self.weight.shape[1]))


@dataclass(frozen=True, eq=False, slots=True)
class Conv:
    """A convolution NCHW with weight (outputs, channels / groups, rows, columns) and bias (outputs,) or None."""

    name: str
    weight: Reals
    bias: Reals | None = None
    geometry: Geometry = field(default_factory=Geometry)
    output_axis: int = field(default=0, init=False)

    @property
    def groups(self) -> int:
        """Groups of channels that are convolved apart."""
        return self.geometry.groups

    def output(self, shape: Shape) -> Shape:
        """(outputs, rows, columns) from (channels, rows, columns)."""
        if len(shape) != 3:
            raise _misfit(self.name, "a convolution, which wants (channels, rows, columns)", shape)
        try:
            self.geometry.check(shape[0], self.weight.shape)
            size = self.geometry.output((shape[1], shape[2]), (self.weight.shape[2], self.weight.shape[3]))
        except ScenarioError as error:
            raise ScenarioError([replace(problem, path=self.name) for problem in error.problems]) from None
        return (len(self.weight), *size)

    def multiply(self, x: Single, weight: Single) -> Single:
        """The convolution, padding with 0."""
        found: Single = convolve(x, weight, self.geometry)
        return found

    def kernel(self, inputs: Affine, bits: int, shape: Shape) -> Apply:
        """The quantized convolution."""
        prepared = convolution(self.weight, inputs, (shape[1], shape[2]), self.bias, self.geometry, bits=bits)
        return lambda x: prepared.real(x).astype(np.float32)

    def table_bytes(self, shape: Shape) -> int:
        """One sum per class of rows, class of columns and output."""
        return table_bytes((shape[1], shape[2]), self.weight.shape, self.geometry)


@dataclass(frozen=True, slots=True)
class Relu:
    """``max(x, 0)``."""

    def output(self, shape: Shape) -> Shape:
        """The same."""
        return shape

    def apply(self, x: Single) -> Single:
        """NaN stays NaN."""
        return np.maximum(x, np.float32(0))


@dataclass(frozen=True, slots=True)
class Flatten:
    """All of a sample in one row."""

    def output(self, shape: Shape) -> Shape:
        """(elements,)."""
        return (int(np.prod(shape)),)

    def apply(self, x: Single) -> Single:
        """(rows, elements)."""
        return x.reshape(len(x), -1)


AnyLayer: TypeAlias = Linear | Conv | Relu | Flatten


def at_precision(layer: Linear | Conv, chosen: Precision, inputs: Affine | None, shape: Shape) -> Apply:
    """One layer as it computes at a precision; ``inputs`` are the codes of its input, needed for u8 alone.

    Floats are multiplied as their kind holds them and summed in 32 bits, as tensor cores do; the result is rounded
    again. Weights alone (``wN``) are real again, in fp16, before they are multiplied.
    """
    if chosen.inputs == "u8":
        if inputs is None:
            raise ScenarioError(Problem(f"{chosen.name} needs input ranges: call calibrated() first", path=layer.name))
        return layer.kernel(inputs, chosen.weight_bits, shape)
    kind, real = chosen.inputs, layer.weight
    if chosen.quantized:
        real = quantize_weights(real, layer.output_axis, chosen.weight_bits).real()
    weight = rounded(real, kind)
    bias = None if layer.bias is None else rounded(layer.bias, kind)

    def apply(x: Single) -> Single:
        with np.errstate(over="ignore", invalid="ignore"):  # a value beyond fp16 is infinite there as well
            found = layer.multiply(rounded(x, kind), weight)
            if bias is not None:
                found = found + along_channels(bias, found.ndim)
            return rounded(found, kind)

    return apply


def _misfit(name: str, what: str, shape: Shape) -> ScenarioError:
    return ScenarioError(Problem(f"{what}, but one input sample has shape {shape}", path=name))
