"""Small networks to time: their layers, their weights drawn by name, and what they compute."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError
from simulator.streams import stream

Floats32 = NDArray[np.float32]
LARGEST_BYTES = 2**31
"""Bytes of weights, or of the values of one layer, of a network that can still be stored as one model file."""


@dataclass(frozen=True, slots=True)
class Dense:
    """``y = relu(x w + b)``, each part as asked; weights are (inputs, outputs)."""

    inputs: int
    outputs: int
    bias: bool = True
    relu: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weights."""
        return (self.inputs, self.outputs)

    @property
    def fan_in(self) -> int:
        """Products that are added up for one output."""
        return self.inputs

    def output(self, given: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one sample after the layer."""
        return (self.outputs,)


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution with as much padding as keeps the size at stride 1; weights are (outputs, inputs, side, side)."""

    inputs: int
    outputs: int
    side: int = 3
    stride: int = 1
    bias: bool = True
    relu: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weights."""
        return (self.outputs, self.inputs, self.side, self.side)

    @property
    def fan_in(self) -> int:
        """Products that are added up for one output."""
        return self.inputs * self.side**2

    def output(self, given: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one sample after the layer."""
        return (self.outputs, *((size - 1) // self.stride + 1 for size in given[1:]))


Layer: TypeAlias = Dense | Conv


@dataclass(frozen=True)
class Network:
    """Layers in a row; ``sample`` is the shape of one input. Weights and inputs depend on seed and name only."""

    name: str
    sample: tuple[int, ...]
    layers: tuple[Layer, ...]
    seed: int = 0

    @cached_property
    def weights(self) -> tuple[Floats32, ...]:
        """Weights of every layer, normal with variance 2 / fan-in (He et al. 2015), so that values keep their size."""
        found = []
        for number, layer in enumerate(self.layers):
            drawn = stream(self.seed, "measure", self.name, number, "weights").standard_normal(layer.shape, np.float32)
            found.append(drawn * np.float32(np.sqrt(2 / layer.fan_in)))
        return tuple(found)

    @cached_property
    def biases(self) -> tuple[Floats32, ...]:
        """Biases of every layer, zeros where it has none."""
        found = []
        for number, layer in enumerate(self.layers):
            drawn = stream(self.seed, "measure", self.name, number, "bias").standard_normal(layer.outputs, np.float32)
            found.append(drawn * np.float32(0.1 if layer.bias else 0.0))
        return tuple(found)

    def inputs(self, batch: int) -> Floats32:
        """Inputs, standard normal."""
        return stream(self.seed, "measure", self.name, "inputs").standard_normal((batch, *self.sample), np.float32)

    def check(self, largest_batch: int) -> Network:
        """The network itself, if its weights and its values at this batch size are of a size that can be handled."""
        shapes = [self.sample]
        for layer in self.layers:
            shapes.append(layer.output(shapes[-1]))
        weights = 4 * sum(int(np.prod(layer.shape, dtype=object)) for layer in self.layers)
        values = 4 * largest_batch * max(int(np.prod(shape, dtype=object)) for shape in shapes)
        for what, size in (("weights", weights), (f"values of a layer at batch {largest_batch}", values)):
            if size >= LARGEST_BYTES:
                message = f"the {what} take {size / 2**30:.3g} GiB, must be under {LARGEST_BYTES >> 30} GiB"
                raise ScenarioError(Problem(f"{message}: ask for less", path=self.name))
        return self
