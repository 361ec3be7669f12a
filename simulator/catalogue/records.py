"""What the catalogue knows of a device, a model and a measured curve; every figure names its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4", "nvfp4")


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator, or one set of CPU cores, as a scenario names it under ``device:``.

    ``peak`` is the dense data-sheet rate by precision [FLOP/s, OP/s for integers]; a precision that the
    device does not have is absent. What is reached is ``compute_efficiency`` x peak and ``memory_efficiency``
    x ``memory_bandwidth``. ``link_bandwidth`` is host to device, one direction [B/s]; ``overhead_s`` is the
    cost of one launch [s]; ``price_per_hour`` [USD/h] is an assumption that a scenario overrides. ``sources``
    has one entry per figure; peaks are keyed ``peak.fp16``.
    """

    name: str
    vendor: str
    kind: str
    memory_bytes: float
    memory_bandwidth: float
    peak: Mapping[str, float]
    overhead_s: float
    memory_efficiency: float
    compute_efficiency: float
    link_bandwidth: float
    price_per_hour: float
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BatchCurve:
    """Measured time of one whole batch through the whole model [s], ascending in batch.

    ``sequence`` is the number of tokens per item, None where items have none.
    """

    device: str
    precision: str
    batches: tuple[int, ...]
    seconds: tuple[float, ...]
    sequence: int | None
    source: str


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One network: its size, its work per item, and the curves measured for it.

    Sizes are at fp16. ``weight_bytes_per_layer`` x ``layers`` is the whole model; ``output_bytes`` is what an
    item leaves behind each layer [B], ``output_bytes_per_layer`` its mean. ``flops_per_item`` [FLOP] counts a
    multiply-add as two. A layer takes ``1 / layers`` of a curve: an assumption, stated in
    ``sources["layers"]``.
    """

    name: str
    layers: int
    weight_bytes_per_layer: float
    output_bytes: tuple[float, ...]
    flops_per_item: float
    parameters: int
    sequence: int | None
    curves: tuple[BatchCurve, ...]
    description: str
    source: str
    sources: Mapping[str, str]

    @property
    def output_bytes_per_layer(self) -> float:
        """Mean activation size of one item behind a layer [B at fp16]."""
        return sum(self.output_bytes) / len(self.output_bytes)

    @property
    def flops_per_layer(self) -> float:
        """Work of one item in one layer [FLOP]: an equal share of the whole, as its time is."""
        return self.flops_per_item / self.layers
