"""What a streamed layer computes, on the processor with NumPy and on a CUDA device with PyTorch.

A layer is y = max(x w, 0); its weights are frozen, so the backward pass recomputes y and takes the gradient of x.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.measure.backends.layerfiles import LayerFiles, buffer
from simulator.calibration.measure.network import Floats32

Array = NDArray[Any]
TYPES = {"fp32": np.float32, "fp64": np.float64, "fp16": np.float16}


class Math(Protocol):
    """The arithmetic of one device; weights in a slot or resident, values as the device holds them."""

    def slot(self) -> Any:
        """Room for the weights of one layer."""
        ...

    def fill(self, slot: Any, files: LayerFiles, layer: int) -> None:
        """Bring the weights of a layer into a slot."""
        ...

    def weights(self, slot: Any) -> Any:
        """What is in a slot."""
        ...

    def inputs(self, group: Sequence[Floats32]) -> list[Any]:
        """Microbatches on the device."""
        ...

    def forward(self, x: Any, weights: Any) -> Any:
        """The output of a layer."""
        ...

    def backward(self, x: Any, gradient: Any, weights: Any) -> Any:
        """The gradient of the input, of the input and the gradient of the output."""
        ...

    def wait(self) -> None:
        """Until all that was asked for is computed."""
        ...

    def numbers(self, value: Any) -> Array:
        """Values as numbers."""
        ...


class NumpyMath:
    """The processor; ``variant`` names the type of numbers."""

    def __init__(self, width: int, variant: str) -> None:
        self.width, self.kind = width, np.dtype(TYPES[variant])

    def slot(self) -> memoryview:
        """Memory that files are read into."""
        return buffer(self.width**2 * self.kind.itemsize)

    def fill(self, slot: memoryview, files: LayerFiles, layer: int) -> None:
        """Read the file."""
        files.read(layer, slot)

    def weights(self, slot: memoryview) -> Array:
        """The slot as a matrix, nothing copied."""
        return np.frombuffer(slot, self.kind, self.width**2).reshape(self.width, self.width)

    def inputs(self, group: Sequence[Floats32]) -> list[Array]:
        """Microbatches in the type."""
        return [np.asarray(one, dtype=self.kind) for one in group]

    def forward(self, x: Array, weights: Array) -> Array:
        """One product."""
        y: Array = x @ weights
        np.maximum(y, 0, out=y)
        return y

    def backward(self, x: Array, gradient: Array, weights: Array) -> Array:
        """Two products."""
        found: Array = (gradient * (x @ weights > 0)) @ weights.T
        return found

    def wait(self) -> None:
        """Nothing is left over."""

    def numbers(self, value: Array) -> Array:
        """As they are."""
        return value


class CudaMath:
    """A CUDA device: files go into pinned memory and from there, on a stream of their own, to the device (fp16)."""

    def __init__(self, torch: Any, width: int, device: str = "cuda:0") -> None:
        self.torch, self.width, self.device = torch, width, device
        self.copies = torch.cuda.Stream(device)

    def slot(self) -> tuple[Any, Any]:
        """Pinned memory on the host, and room on the device."""
        shape, kind = (self.width, self.width), self.torch.float16
        host = self.torch.empty(shape, dtype=kind, pin_memory=True)
        return host, self.torch.empty(shape, dtype=kind, device=self.device)

    def fill(self, slot: tuple[Any, Any], files: LayerFiles, layer: int) -> None:
        """Read, copy, and wait for the copy."""
        host, room = slot
        files.read(layer, memoryview(host.numpy().reshape(-1).view(np.uint8)))
        with self.torch.cuda.stream(self.copies):
            room.copy_(host, non_blocking=True)
        self.copies.synchronize()

    def weights(self, slot: tuple[Any, Any]) -> Any:
        """Those on the device."""
        return slot[1]

    def inputs(self, group: Sequence[Floats32]) -> list[Any]:
        """Microbatches on the device."""
        return [self.torch.from_numpy(one).to(self.device, self.torch.float16) for one in group]

    def forward(self, x: Any, weights: Any) -> Any:
        """One product."""
        return self.torch.relu(self.torch.mm(x, weights))

    def backward(self, x: Any, gradient: Any, weights: Any) -> Any:
        """Two products."""
        return self.torch.mm(gradient * (self.torch.mm(x, weights) > 0), weights.t())

    def wait(self) -> None:
        """Until the device is done: only then may a slot be filled anew."""
        self.torch.cuda.synchronize()

    def numbers(self, value: Any) -> Array:
        """From the device."""
        return np.asarray(value.to("cpu", self.torch.float64).numpy(), dtype=np.float64)
