"""Every variant computes the network, as exactly as its precision allows; what is missing is told with a remedy."""

import math
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from simulator.calibration.measure.backends import arrays, cuda, ort, pytorch
from simulator.calibration.measure.backends.base import Backend
from simulator.calibration.measure.backends.ort_graph import quantized_weights
from simulator.calibration.measure.kinds import conv, gemm, mlp
from simulator.calibration.measure.network import Network
from simulator.calibration.measure.probe import Unavailable
from simulator.errors import ScenarioError
from tests.calibration.measure.fakes import Torch

NETWORKS = [gemm.product("96x80"), mlp.mlp("64-96-48-16"), conv.conv("3-8-16s2-8@12x10")]
STEP = {"fp64": 1e-6, "fp32": 1e-5, "bf16": 2.0**-8, "fp16": 2.0**-10, "fp8": 2.0**-3, "int8": 1 / 127}
"""Half a step of each format, relative to the largest value (fp64 starts from fp32 weights and inputs)."""


def error(backend: Backend, network: Network, variant: str, batch: int = 24) -> float:
    """Root mean square of the error over that of the values."""
    x = network.inputs(batch)
    model = backend.load(network, variant)
    exact = arrays.backend().load(network, "fp64").bind(x)()
    found = model.numbers(model.bind(x)())
    assert found.shape == exact.shape
    return float(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))


def allowed(network: Network, precision: str) -> float:
    """A format's step is relative to the largest of some thousand normal values, 4 times their root mean square; two
    operands and one output per layer, rounding errors of the layers add up."""
    return 4.0 * STEP[precision] * math.sqrt(3 * len(network.layers))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
@pytest.mark.parametrize("variant", ["fp32", "dynamic", "static-tensor", "static-channel"])
def test_onnxruntime_agrees_within_the_quantization_error(network: Network, variant: str) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    backend = ort.backend()
    found, precision = error(backend, network, variant), backend.precisions[variant]
    assert found < allowed(network, precision)
    assert (found > 1e-4) == (precision == "int8")  # it is quantized indeed


def test_scales_by_channel_are_finer() -> None:
    """One channel a hundred times larger spoils a common scale, not its own."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    network = gemm.product("96x80")
    network.weights[0][:, 0] *= 100
    x = network.inputs(24)
    exact = arrays.backend().load(network, "fp64").bind(x)()[:, 1:]
    wrong = {}
    for variant in ("static-tensor", "static-channel"):
        weights = quantized_weights(network.weights[0], 1 if variant == "static-channel" else None)
        restored = weights[1].astype(np.float64) * weights[0]
        wrong[variant] = float(np.abs(x @ restored[:, 1:] - exact).max())
    assert 10 * wrong["static-channel"] < wrong["static-tensor"]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
@pytest.mark.parametrize("variant", ["fp32", "fp64", "fp16"])
def test_numpy_agrees(network: Network, variant: str) -> None:
    assert error(arrays.backend(), network, variant) < allowed(network, variant)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
@pytest.mark.parametrize("variant", ["fp32", "bf16", "dynamic"])
def test_torch_agrees(network: Network, variant: str) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    backend = pytorch.backend()
    if variant not in backend.usually(network):
        with pytest.raises(Unavailable, match="no dynamic int8 convolution"):
            backend.load(network, variant)
        return
    assert error(backend, network, variant) < allowed(network, backend.precisions[variant])


@pytest.mark.parametrize("variant", ["bf16", "fp16", "fp8", "int8"])
def test_products_on_a_device(variant: str) -> None:
    backend = cuda.Cuda(Torch())
    assert error(backend, gemm.product("96x80"), variant) < allowed(gemm.product("96x80"), variant)


def test_the_time_on_a_device_is_that_of_its_events() -> None:
    torch = Torch()
    backend = cuda.Cuda(torch)
    call = backend.load(gemm.product("96x80"), "fp16").bind(gemm.product("96x80").inputs(4))
    backend.clock.warm_up(call)
    assert torch.products > 0
    assert backend.clock.lap(call).spent_s == pytest.approx(0.25e-3)
    said = backend.provenance()
    assert (said["processor"], said["isa"], said["clock"]) == ("Fake GPU", "sm_90", "cuda-event")


@pytest.mark.parametrize(
    ("shape", "variant", "batch", "capability", "why"),
    [
        ("96x80", "int8", 16, (9, 0), "at least 17"),
        ("96x81", "int8", 32, (9, 0), "multiples of 8"),
        ("96x88", "fp8", 32, (9, 0), "multiples of 16"),
        ("96x80", "fp8", 32, (8, 0), "no fp8"),
    ],
)
def test_what_a_device_cannot_do(shape: str, variant: str, batch: int, capability: tuple[int, int], why: str) -> None:
    network = gemm.product(shape)
    with pytest.raises(Unavailable, match=why):
        cuda.Cuda(Torch(capability)).load(network, variant).bind(network.inputs(batch))


def test_networks_stay_on_the_processor() -> None:
    with pytest.raises(Unavailable, match="only single matrix products"):
        cuda.Cuda(Torch()).load(mlp.mlp("8-8-8"), "fp16")


@pytest.mark.parametrize(("module", "make"), [("onnxruntime", ort.backend), ("onnx", ort.backend)])
def test_what_is_not_installed_names_the_extra(module: str, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ScenarioError, match=rf"needs {module}, which .*exitplan\[measure\]") as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ScenarioError, match=r"needs torch, which .*pip install torch"):
        pytorch.backend()
    assert str(cuda.absent()).startswith("torch ")


def test_a_folder_that_is_called_torch_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert cuda.absent() == "torch is not installed"


def test_a_torch_without_and_with_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = Torch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert cuda.absent() is None
    torch.cuda.is_available = lambda: False
    assert cuda.absent() == "torch sees none"


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_weights_are_within_half_a_step(axis: int | None) -> None:
    weights = gemm.product("40x30").weights[0]
    scale, small = quantized_weights(weights, axis)
    steps = scale if axis is None else np.expand_dims(scale, 1 - axis)
    assert np.abs(small).max() == 127
    assert np.abs(small * steps - weights).max() <= 0.5001 * scale.max()
