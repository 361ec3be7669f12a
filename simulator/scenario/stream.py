"""Section ``streams``: models whose layers come from a parameter server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_shape
from simulator.scenario.quantities import (
    Count,
    Duration,
    Name,
    PositiveBandwidth,
    PositiveFactor,
    PositiveRate,
    Precision,
    Size,
)

Slots = Annotated[int, Field(ge=1, le=1_000)]
"""Layers that there is room for."""


class Storage(Strict):
    """A disk from which layers first reach the server's memory."""

    bandwidth: PositiveBandwidth
    """Bandwidth from the disk to the server's memory [bytes/s]."""
    latency: Duration = 0.0
    """Time of each read before the first byte [s]."""
    slots: Slots = 2
    """Layers on their way that the server's memory has room for."""


class Optimizer(Strict):
    """What the server keeps and does for every parameter that is trained."""

    bytes_per_parameter: PositiveFactor = 10.0
    """Bytes at the server for each parameter: fp16 weights 2 and Adam's two fp32 moments 8; gradients are transient."""
    rate: PositiveRate | None = None
    """Parameters that the server updates each second for one device; left out: updates take no time."""


class Stream(Strict):
    """A model whose layers come from the parameter server one at a time."""

    model: Name
    """Streamed model, in `models`."""
    pool: Name
    """Pool of the devices, in `cluster.pools`."""
    mode: Literal["training", "inference"]
    """What is run."""
    group: Annotated[Count | Literal["auto"], by_shape("a number of microbatches, or auto")] = "auto"
    """Microbatches per visit of a layer, or `auto`."""
    microbatch: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Samples per microbatch."""
    prefetch: Slots = 2
    """Layer slots on the device."""
    devices: Count = 1
    """Devices that stream this model side by side, each with microbatches of its own."""
    steps: Annotated[int, Field(ge=1, le=100_000)] = 3
    """Steps that are simulated, one after another."""
    precision: Precision = "fp16"
    """Number format of the weights on their way, and of the arithmetic."""
    dequantize: Duration = 0.0
    """Time to unpack the weights of a layer, once for each visit [s]."""
    grouped_layers: Count = 1
    """Layers that are packed into one copy."""
    pageable: bool = False
    """Whether the server's memory is not pinned, which slows its copies down."""
    bandwidth: PositiveBandwidth | None = None
    """Bandwidth of each device's own link [bytes/s], where it is below the server's."""
    storage: Storage | None = None
    """Disk behind the server's memory; left out: all layers are in memory."""
    work: Size = 0.0
    """Memory that one microbatch needs in one layer beside its input and output [bytes]."""
    kept: Annotated[int, Field(ge=0, le=1_000)] | None = None
    """Training: layers still on the device at the turn to the backward pass; left out: as many as there are slots."""
    spill: Annotated[bool | Literal["auto"], by_shape("true, false or auto")] = False
    """Training: whether the inputs of layers wait at the server for the backward pass; `auto` takes what is faster."""
    frozen: bool = False
    """Training: whether the weights stay as they are, so that no gradient goes back."""
    backward: PositiveFactor | None = None
    """Training: time of a backward pass, recomputing included, in forward passes; left out: 3, frozen weights 2."""
    optimizer: Optimizer = Optimizer()
    """Training: what the server keeps and does for every parameter."""

    def rules(self) -> Iterator[Rule]:
        """A slot is needed to keep a layer; inference has no backward pass."""
        if self.kept is not None and self.kept > self.prefetch:
            yield ("kept",), f"must be at most the layer slots (`prefetch`, {self.prefetch})"
        if self.mode == "training":
            return
        unused = {
            "kept": self.kept is not None,
            "spill": self.spill is not False,
            "frozen": self.frozen,
            "backward": self.backward is not None,
            "optimizer": self.optimizer != Optimizer(),
        }
        for key, said in unused.items():
            if said:
                yield (key,), "goes only with `mode: training`: inference has no backward pass"
