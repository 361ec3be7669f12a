"""Accuracy by running: a real network through exact quantized arithmetic, on samples with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.precision.problem import Config
from simulator.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from simulator.calibration.int8.network import Network
    from simulator.calibration.int8.npz import Stored

DEFAULT_PRECISIONS = ("fp32", "int8", "int4")


@dataclass(frozen=True, eq=False)
class NetworkAccuracy:
    """Share of ``inputs`` whose largest output is their label, each layer at its precision.

    ``identity`` hashes what decides the answers: the weights and input codes, the samples, the labels.
    """

    network: Network
    inputs: NDArray[Any]
    labels: NDArray[Any]
    identity: str
    predicted: bool = False
    losses: None = None

    @classmethod
    def of(cls, network: Network, inputs: NDArray[Any], labels: NDArray[Any]) -> NetworkAccuracy:
        """An evaluator with its identity."""
        return cls(network, inputs, labels, _hash(network, inputs, labels))

    def __call__(self, config: Config) -> float:
        """Run all samples."""
        return self.network.accuracy(self.inputs, self.labels, config)


def from_file(path: Path, precisions: Sequence[str]) -> tuple[Stored, NetworkAccuracy]:
    """A network file (see ``int8.npz``) with ``validation`` samples, and the evaluator on those.

    Precisions that the network cannot compute are refused here, before any work.
    """
    from simulator.calibration.int8.npz import load_network
    from simulator.calibration.int8.precision import precision

    for name in precisions:
        precision(name)
    stored = load_network(path)
    if stored.validation is None or stored.validation_label is None:
        message = "has no samples to measure accuracy on: add the arrays validation and validation_label"
        raise ScenarioError(Problem(message, str(path), path="validation"))
    if stored.calibration is None and any(precision(name).inputs == "u8" for name in precisions):
        message = "has no samples to learn input ranges from, which int8 needs: add the array calibration"
        raise ScenarioError(Problem(message, str(path), path="calibration"))
    return stored, NetworkAccuracy.of(stored.network, stored.validation, stored.validation_label)


def _hash(network: Network, inputs: NDArray[Any], labels: NDArray[Any]) -> str:
    from simulator.calibration.int8.layers import Conv, Linear

    digest = hashlib.sha256(repr(network.input_shape).encode())
    for layer in network.layers:
        digest.update(type(layer).__name__.encode())
        if isinstance(layer, Linear | Conv):
            digest.update(f"{layer.name} {layer.geometry if isinstance(layer, Conv) else ''}".encode())
            _add(digest, layer.weight, layer.bias)
    for codes in network.inputs or ():
        _add(digest, codes.scale, codes.zero)
    _add(digest, inputs, labels)
    return digest.hexdigest()


def _add(digest: Any, *arrays: NDArray[Any] | None) -> None:
    for array in arrays:
        if array is None:
            digest.update(b"none")
        else:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
