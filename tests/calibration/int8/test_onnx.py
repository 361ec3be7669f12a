"""The same integers, and codes within one unit, as ONNX Runtime's operators on the same codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.calibration.int8 import Affine, bias_codes, convolution, from_range, gemm
from tests.calibration.int8.builders import Case, convolutions

onnx = pytest.importorskip("onnx", reason="operators are compared through onnx models")
runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is what is compared with")

OPSET, IR = 13, 8


def run(operator: str, inputs: dict[str, Any], outputs: int = 1, **attributes: Any) -> list[NDArray[Any]]:
    """One operator on given inputs; with weights as constants, as kernels expect them."""
    tensors = {name: np.asarray(value) for name, value in inputs.items()}
    names = [f"y{k}" for k in range(outputs)]
    fed = next(iter(tensors))
    kind = onnx.helper.np_dtype_to_tensor_dtype(tensors[fed].dtype)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, list(tensors), names, **attributes)],
        "one",
        [onnx.helper.make_tensor_value_info(fed, kind, tensors[fed].shape)],
        [onnx.ValueInfoProto(name=name) for name in names],
        [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items() if name != fed],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")  # exact sums where there is no VNNI
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[NDArray[Any]] = session.run(None, {fed: tensors[fed]})
    return found


def _attributes(case: Case) -> dict[str, Any]:
    geometry = case.geometry
    return {
        "kernel_shape": case.weight.shape[2:],
        "strides": geometry.stride,
        "pads": geometry.padding,
        "dilations": geometry.dilation,
        "group": geometry.groups,
    }


def _apart(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def _output(real: NDArray[np.float64]) -> Affine:
    """A range that clips some outputs at both ends."""
    return from_range(*np.quantile(real, [0.05, 0.95]))


@settings(max_examples=60)
@given(convolutions(per_channel=False))
def test_qlinear_conv(case: Case) -> None:
    bias = np.random.default_rng(1).normal(size=len(case.weight)) * 3
    kernel = convolution(case.weight, case.inputs, case.size, bias, case.geometry)
    output = _output(kernel.real(case.inputs.dequantize(case.codes)))
    inputs = {
        "x": case.codes,
        "x_scale": np.float32(case.inputs.scale),
        "x_zero": np.uint8(case.inputs.zero),
        "w": kernel.weights.values,
        "w_scale": kernel.weights.scale.astype(np.float32),
        "w_zero": np.zeros(len(bias), np.int8),
        "y_scale": np.float32(output.scale),
        "y_zero": np.uint8(output.zero),
        "b": bias_codes(bias, kernel.multiplier).astype(np.int32),
    }
    found = run("QLinearConv", inputs, **_attributes(case))[0]
    assert found.shape == kernel.codes(case.codes, output).shape
    assert _apart(found, kernel.codes(case.codes, output)) <= 1


@settings(max_examples=40)
@given(convolutions(per_channel=False))
def test_conv_integer(case: Case) -> None:
    """Runtimes pad with the zero point; the table gives the same integers."""
    kernel = convolution(case.weight, case.inputs, case.size, None, case.geometry)
    inputs = {"x": case.codes, "w": kernel.weights.values, "x_zero": np.uint8(case.inputs.zero), "w_zero": np.int8(0)}
    assert np.array_equal(run("ConvInteger", inputs, **_attributes(case))[0], kernel.corrected(case.codes))


SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 300), st.integers(1, 20))


@settings(max_examples=40)
@given(st.integers(0, 2**32), SHAPES)
def test_qlinear_matmul(seed: int, shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    draws = np.random.default_rng(seed)
    inputs = from_range(-draws.uniform(0, 3), draws.uniform(0, 3))
    kernel = gemm(draws.normal(size=(k, n)), inputs)
    codes = draws.integers(0, 256, (m, k), dtype=np.uint8)
    output = _output(kernel.real(inputs.dequantize(codes)))
    given_ = {
        "a": codes,
        "a_scale": np.float32(inputs.scale),
        "a_zero": np.uint8(inputs.zero),
        "b": kernel.weights.values,
        "b_scale": kernel.weights.scale.astype(np.float32),
        "b_zero": np.zeros(n, np.int8),
        "y_scale": np.float32(output.scale),
        "y_zero": np.uint8(output.zero),
    }
    assert _apart(run("QLinearMatMul", given_)[0], kernel.codes(codes, output)) <= 1


@settings(max_examples=40)
@given(st.integers(0, 2**32), SHAPES, st.booleans())
def test_matmul_integer(seed: int, shape: tuple[int, int, int], symmetric: bool) -> None:
    """Also with a zero point per output channel: row offsets and column offsets."""
    m, k, n = shape
    draws = np.random.default_rng(seed)
    inputs = Affine(np.array(0.1), np.array(draws.integers(0, 256)))
    kernel = gemm(draws.normal(0.4, 1, size=(k, n)), inputs, symmetric=symmetric)
    codes = draws.integers(0, 256, (m, k), dtype=np.uint8)
    given_ = {
        "a": codes,
        "b": kernel.weights.values,
        "a_zero": np.uint8(inputs.zero),
        "b_zero": kernel.weights.zero.astype(np.int8),
    }
    assert np.array_equal(run("MatMulInteger", given_)[0], kernel.corrected(codes))


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 200), st.sampled_from(["both", "positive", "negative", "zeros"]))
def test_dynamic_quantize_linear(seed: int, length: int, sign: str) -> None:
    draws = np.random.default_rng(seed)
    x = draws.normal(size=length).astype(np.float32) * np.float32(10.0 ** draws.integers(-6, 7))
    x = {"both": x, "positive": np.abs(x), "negative": -np.abs(x), "zeros": x * 0}[sign]
    codes, scale, zero = run("DynamicQuantizeLinear", {"x": x}, outputs=3)
    ours = from_range(x.min(), x.max())
    assert _apart(codes, ours.quantize(x)) <= 1
    assert abs(int(zero) - int(ours.zero)) <= 1
    if sign != "zeros":  # a range without extent has no scale to compare
        assert float(scale) == pytest.approx(float(ours.scale), rel=1e-6)
