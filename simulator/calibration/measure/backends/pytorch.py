"""PyTorch on the processor: fp32, bf16, and int8 with the scale of the inputs found while running."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.measure.backends.base import Backend, needed
from simulator.calibration.measure.network import Conv, Floats32, Layer, Network
from simulator.calibration.measure.probe import Unavailable

REMEDY = "pip install torch, or choose --backend onnxruntime (pip install 'exitplan[measure]')"


class Torch(Backend):
    """Eager modules without gradients."""

    name = "torch"
    precisions: Mapping[str, str] = {"fp32": "fp32", "bf16": "bf16", "dynamic": "int8"}

    def __init__(self) -> None:
        super().__init__()
        self.torch = needed("torch", self.name, REMEDY)

    @property
    def version(self) -> str:
        """Version of PyTorch."""
        return str(self.torch.__version__)

    def usually(self, network: Network) -> tuple[str, ...]:
        """Without dynamic convolutions, which do not exist."""
        return tuple(variant for variant in self.precisions if not (_convolves(network) and variant == "dynamic"))

    def alone(self) -> AbstractContextManager[object]:
        """One thread: it is then the one that calls."""
        return _one_thread(self.torch)

    def load(self, network: Network, variant: str) -> TorchModel:
        """The network as modules."""
        torch = self.torch
        with torch.no_grad():
            modules = [
                part
                for layer, weights, bias in zip(network.layers, network.weights, network.biases, strict=True)
                for part in _modules(torch, layer, weights, bias)
            ]
        model = torch.nn.Sequential(*modules).eval()
        if variant == "bf16":
            return TorchModel(torch, model.to(torch.bfloat16), torch.bfloat16)
        if variant == "dynamic":
            model = _dynamic(torch, model, network)
        return TorchModel(torch, model, torch.float32)


class TorchModel:
    """Modules and the type of their inputs."""

    def __init__(self, torch: Any, model: Any, kind: Any) -> None:
        self.torch, self.model, self.kind = torch, model, kind

    def bind(self, x: Floats32) -> Callable[[], Any]:
        """The pass over these inputs."""
        given, model, silent = self.torch.from_numpy(x).to(self.kind), self.model, self.torch.inference_mode

        def call() -> Any:
            with silent():
                return model(given)

        return call

    def numbers(self, result: Any) -> NDArray[np.float64]:
        """What a pass gave."""
        return np.asarray(result.to(self.torch.float64).numpy(), dtype=np.float64)


def _modules(torch: Any, layer: Layer, weights: Floats32, bias: Floats32) -> Iterator[Any]:
    if isinstance(layer, Conv):
        half = layer.side // 2
        module = torch.nn.Conv2d(layer.inputs, layer.outputs, layer.side, layer.stride, half, bias=layer.bias)
        module.weight.copy_(torch.from_numpy(weights))
    else:
        module = torch.nn.Linear(layer.inputs, layer.outputs, bias=layer.bias)
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.T)))
    if layer.bias:
        module.bias.copy_(torch.from_numpy(bias))
    yield module
    if layer.relu:
        yield torch.nn.ReLU()


def _dynamic(torch: Any, model: Any, network: Network) -> Any:
    """Dense layers in int8; the function is on its way out of PyTorch, so it may be missing, and it warns."""
    if _convolves(network):
        raise Unavailable("PyTorch has no dynamic int8 convolution: measure conv with fp32 or bf16")
    try:
        quantize = torch.ao.quantization.quantize_dynamic
    except AttributeError:
        raise Unavailable(f"PyTorch {torch.__version__} has no quantize_dynamic") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quantize(model, {torch.nn.Linear}, dtype=torch.qint8)


def _convolves(network: Network) -> bool:
    return any(isinstance(layer, Conv) for layer in network.layers)


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def backend() -> Backend:
    """PyTorch; ScenarioError where it is not installed."""
    return Torch()
