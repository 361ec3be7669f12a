"""ONNX Runtime on the processor: fp32, dynamic and static u8s8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.measure.backends.base import Backend, needed
from simulator.calibration.measure.backends.ort_graph import model_bytes
from simulator.calibration.measure.network import Conv, Floats32, Network

REMEDY = "pip install 'exitplan[measure]'"


class OnnxRuntime(Backend):
    """``dynamic`` finds the scale of the inputs while it runs; ``static-*`` knows it beforehand."""

    name = "onnxruntime"
    precisions: Mapping[str, str] = {
        "fp32": "fp32",
        "dynamic": "int8",
        "static-tensor": "int8",
        "static-channel": "int8",
    }

    def __init__(self) -> None:
        super().__init__()
        self.runtime = needed("onnxruntime", self.name, REMEDY)
        self.onnx = needed("onnx", self.name, REMEDY)

    @property
    def version(self) -> str:
        """Version of ONNX Runtime."""
        return str(self.runtime.__version__)

    def usually(self, network: Network) -> tuple[str, ...]:
        """Without dynamic convolutions: the runtime has no fast kernel for them, they take longer than fp32."""
        slow = any(isinstance(layer, Conv) for layer in network.layers)
        return tuple(variant for variant in self.precisions if not (slow and variant == "dynamic"))

    def load(self, network: Network, variant: str) -> OrtModel:
        """A session of one thread: it then works in the thread that calls it."""
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        stored = model_bytes(self.onnx, network, variant)
        return OrtModel(self.runtime.InferenceSession(stored, options, providers=["CPUExecutionProvider"]))


class OrtModel:
    """A session."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def bind(self, x: Floats32) -> Callable[[], Any]:
        """The pass over these inputs."""
        run, given = self.session.run, {"x": x}
        return lambda: run(None, given)

    def numbers(self, result: Any) -> NDArray[np.float64]:
        """What a pass gave."""
        return np.asarray(result[0], dtype=np.float64)


def backend() -> Backend:
    """ONNX Runtime; ScenarioError where it is not installed."""
    return OnnxRuntime()
