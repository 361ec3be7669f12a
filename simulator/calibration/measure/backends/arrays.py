"""NumPy and its BLAS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.measure.backends.base import Backend
from simulator.calibration.measure.network import Conv, Dense, Floats32, Layer, Network

Array = NDArray[Any]
_TYPES: Mapping[str, Any] = {"fp32": np.float32, "fp64": np.float64, "fp16": np.float16}


class Numpy(Backend):
    """Floating point only: integers have no fast product in NumPy, so their time would say nothing about int8."""

    name = "numpy"
    precisions: Mapping[str, str] = {name: name for name in _TYPES}

    @property
    def version(self) -> str:
        """Version of NumPy."""
        return np.__version__

    def usually(self, network: Network) -> tuple[str, ...]:
        """fp16 has no BLAS, it is hundreds of times slower: only on request."""
        return ("fp32", "fp64")

    def alone(self) -> AbstractContextManager[object]:
        """One BLAS thread where threadpoolctl is installed; else the environment must say so, and the clock checks."""
        try:
            found: AbstractContextManager[object] = import_module("threadpoolctl").threadpool_limits(1)
        except ImportError:
            return nullcontext()
        return found

    def load(self, network: Network, variant: str) -> ArrayModel:
        """The network as arrays of this type."""
        return ArrayModel(network, _TYPES[variant])


class ArrayModel:
    """A network in one type of numbers."""

    def __init__(self, network: Network, kind: Any) -> None:
        self.kind = kind
        self.layers = [
            (layer, weights.astype(kind), bias.astype(kind))
            for layer, weights, bias in zip(network.layers, network.weights, network.biases, strict=True)
        ]

    def bind(self, x: Floats32) -> Callable[[], Array]:
        """The pass over these inputs."""
        given: Array = x.astype(self.kind)

        def call() -> Array:
            values = given
            for layer, weights, bias in self.layers:
                values = forward(layer, weights, bias, values)
            return values

        return call

    def numbers(self, result: Array) -> NDArray[np.float64]:
        """What a pass gave."""
        return result.astype(np.float64)

    def activations(self, x: Floats32) -> list[Array]:
        """The inputs and the output of every layer."""
        found: list[Array] = [x.astype(self.kind)]
        for layer, weights, bias in self.layers:
            found.append(forward(layer, weights, bias, found[-1]))
        return found


def forward(layer: Layer, weights: Array, bias: Array, x: Array) -> Array:
    """One layer."""
    y = x @ weights if isinstance(layer, Dense) else _convolved(layer, weights, x)
    if layer.bias:
        y += bias if isinstance(layer, Dense) else bias[:, None, None]
    return np.maximum(y, 0, out=y) if layer.relu else y


def _convolved(layer: Conv, weights: Array, x: Array) -> Array:
    """The convolution as one product: every window a row."""
    half, side = layer.side // 2, layer.side
    padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3))
    windows = windows[:, :, :: layer.stride, :: layer.stride]
    batch, channels, high, wide = windows.shape[:4]
    rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(batch * high * wide, channels * side * side)
    found = (rows @ weights.reshape(layer.outputs, -1).T).reshape(batch, high, wide, layer.outputs)
    return np.ascontiguousarray(found.transpose(0, 3, 1, 2))


def backend() -> Backend:
    """NumPy, which is always there."""
    return Numpy()
