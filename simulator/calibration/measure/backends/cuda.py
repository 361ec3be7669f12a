"""Matrix products on a CUDA device, by PyTorch, timed by the device's own events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.measure.backends.base import Backend, imported, needed
from simulator.calibration.measure.network import Dense, Floats32, Network
from simulator.calibration.measure.probe import Call, Lap, Unavailable

LAUNCHES = 20
"""Calls between two events: the device is then never idle, and what is timed is its work, not the launching."""
_WARM_UPS = 3
_FP8_CAPABILITY = (8, 9)
_FP8_MULTIPLE, _INT8_MULTIPLE, _INT8_LEAST_ROWS = 16, 8, 17
"""What the products of PyTorch ask of their shapes."""
_LARGEST = {"fp8": 448.0, "int8": 127.0}
"""Largest value of a format (fp8 is e4m3)."""


@dataclass(frozen=True)
class EventClock:
    """Time between two events on the device, divided by the calls between them."""

    torch: Any
    name: str = "cuda-event"

    def warm_up(self, call: Call) -> None:
        """Calls that load the kernels."""
        for _ in range(_WARM_UPS):
            call()
        self.torch.cuda.synchronize()

    def lap(self, call: Call) -> Lap:
        """Time one call, as the mean of many that follow each other."""
        first, last = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        began = time.perf_counter()
        first.record()
        for _ in range(LAUNCHES):
            call()
        last.record()
        last.synchronize()
        return Lap(float(first.elapsed_time(last)) * 1e-3 / LAUNCHES, (time.perf_counter() - began) / LAUNCHES)


class Cuda(Backend):
    """A CUDA device. fp8 is e4m3 and int8 symmetric, both with one known scale for each operand."""

    name = "torch-cuda"
    precisions: Mapping[str, str] = {name: name for name in ("bf16", "fp16", "fp8", "int8")}

    def __init__(self, torch: Any, device: str = "cuda:0") -> None:
        self.torch, self.device = torch, device
        self.clock = EventClock(torch)
        self.capability: tuple[int, int] = tuple(torch.cuda.get_device_capability(device))

    @property
    def version(self) -> str:
        """Version of PyTorch."""
        return str(self.torch.__version__)

    def provenance(self) -> Mapping[str, str | int]:
        """The device instead of the processor."""
        major, minor = self.capability
        return {
            "backend": self.name,
            "version": self.version,
            "processor": str(self.torch.cuda.get_device_name(self.device)),
            "isa": f"sm_{major}{minor}",
            "threads": 1,
            "clock": self.clock.name,
        }

    def load(self, network: Network, variant: str) -> CudaProduct:
        """The weights on the device."""
        if len(network.layers) > 1 or not isinstance(network.layers[0], Dense):
            raise Unavailable("only single matrix products are measured on a CUDA device")
        k, n = network.layers[0].shape
        multiple = {"fp8": _FP8_MULTIPLE, "int8": _INT8_MULTIPLE}.get(variant, 1)
        if k % multiple or n % multiple:
            raise Unavailable(f"{variant} products on a CUDA device need K and N in multiples of {multiple}")
        if variant == "fp8" and (self.capability < _FP8_CAPABILITY or not hasattr(self.torch, "_scaled_mm")):
            raise Unavailable("this CUDA device, or this PyTorch, has no fp8 products")
        if variant == "int8" and not hasattr(self.torch, "_int_mm"):
            raise Unavailable(f"PyTorch {self.version} has no int8 products")
        return CudaProduct(self.torch, network.weights[0], variant, self.device)


class CudaProduct:
    """Weights at one precision, on the device. The 8-bit ones stand column by column, as their kernels want them."""

    def __init__(self, torch: Any, weights: Floats32, variant: str, device: str) -> None:
        self.torch, self.variant, self.device = torch, variant, device
        if variant in _LARGEST:
            turned, self.scale = self._small(np.ascontiguousarray(weights.T))
            self.weights = turned.t()
        else:
            self.weights, self.scale = torch.from_numpy(weights).to(self.device, self._kind()), 1.0

    def bind(self, x: Floats32) -> Callable[[], Any]:
        """The product with these inputs."""
        torch, weights = self.torch, self.weights
        if self.variant not in _LARGEST:
            given = torch.from_numpy(x).to(self.device, self._kind())
            return lambda: (torch.mm(given, weights), 1.0)
        given, scale = self._small(x)
        if self.variant == "int8":
            if len(x) < _INT8_LEAST_ROWS:
                raise Unavailable(f"int8 products on a CUDA device need a batch of at least {_INT8_LEAST_ROWS}")
            return lambda: (torch._int_mm(given, weights), scale * self.scale)
        scales = {
            name: torch.tensor(value, dtype=torch.float32, device=self.device)
            for name, value in (("scale_a", scale), ("scale_b", self.scale))
        }
        return lambda: (torch._scaled_mm(given, weights, out_dtype=torch.bfloat16, **scales), 1.0)

    def numbers(self, result: Any) -> NDArray[np.float64]:
        """What a pass gave."""
        product, scale = result
        return np.asarray(product.to("cpu", self.torch.float64).numpy() * scale, dtype=np.float64)

    def _kind(self) -> Any:
        names = {"bf16": "bfloat16", "fp16": "float16", "fp8": "float8_e4m3fn", "int8": "int8"}
        return getattr(self.torch, names[self.variant])

    def _small(self, values: Floats32) -> tuple[Any, float]:
        """Values in 8 bits on the device, and their scale."""
        scale = max(float(np.abs(values).max()) / _LARGEST[self.variant], 1e-12)
        scaled = values / np.float32(scale)
        rounded = np.rint(scaled) if self.variant == "int8" else scaled
        return self.torch.from_numpy(rounded).to(self.device, self._kind()), scale


def absent() -> str | None:
    """Why there is no CUDA device to measure on; None when there is one."""
    try:
        torch = imported("torch")
    except ImportError as error:
        return f"torch {error}"
    return None if torch.cuda.is_available() else "torch sees none"


def backend() -> Backend:
    """The first CUDA device; ask ``absent`` before."""
    return Cuda(needed("torch", "torch", "pip install torch"))
