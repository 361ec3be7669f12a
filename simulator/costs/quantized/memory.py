"""Bytes of quantized layers: weights with their scales, weights accumulation tables, activations."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.costs.quantized.schemes import scheme

_SUM_BYTES = 4
"""Sums of weights, and scales, are 32-bit."""


def weight_bytes(outputs: float, inputs: float, precision: str) -> float:
    """Bytes of the weights of an ``inputs`` to ``outputs`` layer, with one 32-bit scale per output where quantized.

    >>> weight_bytes(4096, 4096, "bf16"), weight_bytes(4096, 4096, "int8")
    (33554432.0, 16793600.0)
    """
    size = scheme(precision).weight_bytes
    scales = outputs * _SUM_BYTES if size < scheme("fp16").weight_bytes else 0.0
    return float(outputs * inputs * size + scales)


def overlap_classes(size: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Along one axis: how many different sets of kernel taps lie on real input, over all outputs.

    >>> [overlap_classes(56, 3, padding=1), overlap_classes(224, 7, stride=2, padding=3), overlap_classes(56, 1)]
    [3, 4, 1]
    """
    outputs = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    starts = [place * stride - padding for place in range(max(outputs, 0))]
    return len({tuple(0 <= start + tap * dilation < size for tap in range(kernel)) for start in starts})


def table_bytes(outputs: int, classes: tuple[int, int] = (1, 1)) -> int:
    """Bytes of a weights accumulation table: one 32-bit sum per output channel and class of output positions.

    >>> table_bytes(64, (4, 4))
    4096
    """
    return classes[0] * classes[1] * outputs * _SUM_BYTES


def activation_bytes(m: float, n: float, k: float, precision: str) -> float:
    """Bytes of the inputs and outputs of one product at ``precision``.

    >>> activation_bytes(8, 4096, 1024, "int8")
    73728.0
    """
    how = scheme(precision)
    return float(how.input_bytes * m * k + how.output_bytes * m * n)


@dataclass(frozen=True, slots=True)
class LayerMemory:
    """Bytes that one layer holds: ``weights`` (scales included), ``table``, and ``activations`` of one batch."""

    weights: float
    table: float
    activations: float

    @property
    def total(self) -> float:
        """Everything together [B]."""
        return self.weights + self.table + self.activations


def layer_memory(m: float, n: float, k: float, precision: str, *, classes: tuple[int, int] = (1, 1)) -> LayerMemory:
    """Memory of an (m, k) by (k, n) product at ``precision``; only unsigned inputs with a zero point need a table.

    >>> layer_memory(1, 4096, 4096, "int8").table
    16384.0
    """
    table = table_bytes(int(n), classes) if scheme(precision).compute == "int8" else 0
    return LayerMemory(weight_bytes(n, k, precision), float(table), activation_bytes(m, n, k, precision))
