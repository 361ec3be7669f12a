"""Networks as ONNX models: floats, u8s8 with scales found while running, u8s8 with known scales (QDQ).

Operators and their meaning: https://onnx.ai/onnx/operators. Inputs are asymmetric u8, weights symmetric s8 (per tensor
or per output channel), sums s32. The scales of the inputs of a layer span the least and the largest value that it sees
on a batch of inputs drawn like those that are timed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.measure.backends.arrays import ArrayModel
from simulator.calibration.measure.network import Conv, Dense, Floats32, Layer, Network

OPSET = 17
"""Per-channel scales came with 13; 17 is read by every version that the extra allows."""
_CALIBRATION_ROWS = 32
_LEAST_SCALE = 1e-12


def model_bytes(onnx: Any, network: Network, variant: str) -> bytes:
    """The model file of a network at a variant (fp32, dynamic, static-tensor, static-channel)."""
    graph = _Graph(onnx, network)
    if variant == "fp32":
        _floats(graph)
    elif variant == "dynamic":
        _dynamic(graph)
    else:
        _static(graph, by_channel=variant == "static-channel")
    return graph.stored()


class _Graph:
    """Nodes and constants in the making; ``at`` is the name of the last value."""

    def __init__(self, onnx: Any, network: Network) -> None:
        self.onnx, self.network = onnx, network
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.at = "x"

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node; the names of its outputs."""
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def one(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; its name."""
        return self.node(kind, *inputs, **attributes)[0]

    def finish(self, layer: Layer, value: str) -> None:
        """What every layer ends with."""
        self.at = self.one("Relu", value) if layer.relu else value

    def stored(self) -> bytes:
        """The model as a file."""
        helper, floats = self.onnx.helper, self.onnx.TensorProto.FLOAT
        last = self.one("Identity", self.at)
        rank = len(self.network.sample) + 1
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("x", floats, ["batch", *self.network.sample])],
            [helper.make_tensor_value_info(last, floats, ["batch", *[None] * (rank - 1)])],
            list(self.constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        return bytes(model.SerializeToString())


def _floats(graph: _Graph) -> None:
    for number, (layer, weights, bias) in enumerate(_layers(graph.network)):
        w = graph.constant(f"w{number}", weights)
        b = graph.constant(f"b{number}", bias) if layer.bias else None
        graph.finish(layer, _product(graph, layer, graph.at, w, b))


def _product(graph: _Graph, layer: Layer, x: str, w: str, b: str | None) -> str:
    """The layer in floats (or in values that the runtime knows to be quantized)."""
    with_bias = [x, w] + ([b] if b is not None else [])
    if isinstance(layer, Conv):
        return graph.one("Conv", *with_bias, **_window(layer))
    return graph.one("Gemm", *with_bias) if b is not None else graph.one("MatMul", x, w)


def _dynamic(graph: _Graph) -> None:
    for number, (layer, weights, bias) in enumerate(_layers(graph.network)):
        scale, small = quantized_weights(weights, None)
        x, x_scale, x_zero = graph.node("DynamicQuantizeLinear", graph.at, outputs=3)
        w = graph.constant(f"w{number}", small)
        zero = graph.constant(f"wz{number}", np.zeros((), np.int8))
        kind, extra = ("ConvInteger", _window(layer)) if isinstance(layer, Conv) else ("MatMulInteger", {})
        total = graph.one("Cast", graph.one(kind, x, w, x_zero, zero, **extra), to=graph.onnx.TensorProto.FLOAT)
        both = graph.one("Mul", x_scale, graph.constant(f"ws{number}", scale))
        value = graph.one("Mul", total, both)
        if layer.bias:
            shaped = bias if isinstance(layer, Dense) else bias.reshape(-1, 1, 1)
            value = graph.one("Add", value, graph.constant(f"b{number}", shaped))
        graph.finish(layer, value)


def _static(graph: _Graph, *, by_channel: bool) -> None:
    seen = ArrayModel(graph.network, np.float32).activations(graph.network.inputs(_CALIBRATION_ROWS))
    scales = [_input_scale(values) for values in seen]
    _through_u8(graph, "q0", *scales[0])
    for number, (layer, weights, bias) in enumerate(_layers(graph.network)):
        axis = (1 if isinstance(layer, Dense) else 0) if by_channel else None
        w, w_scale = _stored_weights(graph, number, weights, axis)
        b = _stored_bias(graph, number, bias, scales[number][0] * w_scale) if layer.bias else None
        graph.finish(layer, _product(graph, layer, graph.at, w, b))
        _through_u8(graph, f"q{number + 1}", *scales[number + 1])


def _through_u8(graph: _Graph, name: str, scale: np.float32, zero: int) -> None:
    """Quantize and dequantize: the runtime joins the pairs around a product into one integer operator."""
    cells = (
        graph.constant(f"{name}s", np.asarray(scale, np.float32)),
        graph.constant(f"{name}z", np.asarray(zero, np.uint8)),
    )
    graph.at = graph.one("DequantizeLinear", graph.one("QuantizeLinear", graph.at, *cells), *cells)


def _stored_weights(graph: _Graph, number: int, weights: Floats32, axis: int | None) -> tuple[str, Floats32]:
    scale, small = quantized_weights(weights, axis)
    cells = (
        graph.constant(f"w{number}", small),
        graph.constant(f"ws{number}", scale),
        graph.constant(f"wz{number}", np.zeros(scale.shape, np.int8)),
    )
    return graph.one("DequantizeLinear", *cells, **({} if axis is None else {"axis": axis})), scale


def _stored_bias(graph: _Graph, number: int, bias: Floats32, scale: Floats32) -> str:
    """A bias in units of the sums: input scale times weight scale."""
    whole = np.clip(np.rint(bias / scale), -(2**31) + 1, 2**31 - 1).astype(np.int32)
    cells = (
        graph.constant(f"b{number}", whole),
        graph.constant(f"bs{number}", scale.astype(np.float32)),
        graph.constant(f"bz{number}", np.zeros(scale.shape, np.int32)),
    )
    return graph.one("DequantizeLinear", *cells, **({"axis": 0} if scale.ndim else {}))


def quantized_weights(weights: Floats32, axis: int | None) -> tuple[Floats32, NDArray[np.int8]]:
    """Symmetric s8 weights and their scale: one, or one for each place along ``axis``.

    >>> scale, small = quantized_weights(np.array([[1.0, -2.54], [0.5, 1.27]], np.float32), axis=1)
    >>> small.tolist()
    [[127, -127], [64, 64]]
    """
    others = None if axis is None else tuple(i for i in range(weights.ndim) if i != axis)
    largest = np.abs(weights).max(axis=others, keepdims=axis is not None)
    scale = np.maximum(largest / np.float32(127), np.float32(_LEAST_SCALE)).astype(np.float32)
    small = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
    return scale.reshape(() if axis is None else -1), small


def _input_scale(values: NDArray[Any]) -> tuple[np.float32, int]:
    """Scale and zero point of asymmetric u8: the range that was seen, and always 0."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = np.float32(max((high - low) / 255, _LEAST_SCALE))
    return scale, int(np.clip(np.rint(-low / float(scale)), 0, 255))


def _window(layer: Conv) -> dict[str, Any]:
    half = layer.side // 2
    return {"kernel_shape": [layer.side] * 2, "pads": [half] * 4, "strides": [layer.stride] * 2}


def _layers(network: Network) -> list[tuple[Layer, Floats32, Floats32]]:
    return list(zip(network.layers, network.weights, network.biases, strict=True))
