"""What a streamed layer moves, computes and holds; layers that go in one copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from simulator.costs.base.precision import PRECISIONS
from simulator.costs.streaming.checks import require
from simulator.errors import Problem, ScenarioError

FULL_BYTES = PRECISIONS["fp16"].weight_bytes
"""Bytes of a weight that is not quantized, and of its gradient unless weights are wider."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a streamed model. Times and bytes of activations are of one microbatch.

    ``weight_bytes``: what crosses the link in a load [B]; ``parameters``: its weights in number; ``forward_s`` and
    ``backward_s``: compute [s], the backward pass with what it recomputes; ``visit_s``: once for each visit whatever
    the group, dequantization and launches [s]; ``activation_bytes``: its input [B]; ``gradient_bytes``: what goes back
    after the backward pass, 0 for frozen weights [B]; ``unpacked_bytes``: the dequantized weights while they are used
    [B]; ``copies``: copies that a load is made of.
    """

    weight_bytes: float
    forward_s: float
    backward_s: float = 0.0
    activation_bytes: float = 0.0
    gradient_bytes: float = 0.0
    parameters: float = 0.0
    visit_s: float = 0.0
    unpacked_bytes: float = 0.0
    copies: int = 1
    name: str = "layer"

    def __post_init__(self) -> None:
        require(
            self.name,
            weight_bytes=self.weight_bytes,
            forward_s=self.forward_s,
            backward_s=self.backward_s,
            activation_bytes=self.activation_bytes,
            gradient_bytes=self.gradient_bytes,
            parameters=self.parameters,
            visit_s=self.visit_s,
            unpacked_bytes=self.unpacked_bytes,
            copies=float(self.copies),
        )


def layer_of(
    parameters: float,
    forward_s: float,
    *,
    precision: str = "fp16",
    dequantize_s: float = 0.0,
    frozen: bool = False,
    backward: float | None = None,
    activation_bytes: float = 0.0,
    name: str = "layer",
) -> Layer:
    """A layer of so many ``parameters``, its weights in transit at a ``precision``.

    ``dequantize_s``: time to unpack them, once for each visit [s]; the 16-bit copy is then held beside the packed one.
    ``backward``: its compute in forward passes. Left out, it is what follows from recomputing: one pass for the
    recomputation, one for the input gradient, and one for the weight gradient unless weights are ``frozen``.

    >>> layer = layer_of(1e6, 0.001, precision="int4", dequantize_s=0.0002, frozen=True)
    >>> layer.weight_bytes, layer.backward_s, layer.unpacked_bytes, layer.gradient_bytes
    (500000.0, 0.002, 2000000.0, 0.0)
    >>> layer_of(1e6, 0.001, precision="fp32").gradient_bytes
    4000000.0
    """
    if precision not in PRECISIONS:
        raise ScenarioError(
            Problem(f"unknown precision {precision!r}; known: {', '.join(PRECISIONS)}", path="precision")
        )
    width = PRECISIONS[precision].weight_bytes
    passes = backward if backward is not None else (2.0 if frozen else 3.0)
    return Layer(
        weight_bytes=parameters * width,
        forward_s=forward_s,
        backward_s=passes * forward_s,
        activation_bytes=activation_bytes,
        gradient_bytes=0.0 if frozen else parameters * max(width, FULL_BYTES),
        parameters=parameters,
        visit_s=dequantize_s,
        unpacked_bytes=parameters * FULL_BYTES if width < FULL_BYTES else 0.0,
        name=name,
    )


def merged(layers: Sequence[Layer], *, copies: int | None = None) -> Layer:
    """Neighbouring layers as one: loaded together, computed together, with the input of the first.

    ``copies``: copies of a load; 1 (the default) packs them into one, as PipeSwitch (OSDI 2020) does.
    """
    first = layers[0]
    return Layer(
        weight_bytes=sum(layer.weight_bytes for layer in layers),
        forward_s=sum(layer.forward_s for layer in layers),
        backward_s=sum(layer.backward_s for layer in layers),
        activation_bytes=first.activation_bytes,
        gradient_bytes=sum(layer.gradient_bytes for layer in layers),
        parameters=sum(layer.parameters for layer in layers),
        visit_s=sum(layer.visit_s for layer in layers),
        unpacked_bytes=max(layer.unpacked_bytes for layer in layers),
        copies=1 if copies is None else copies,
        name=first.name if len(layers) == 1 else f"{first.name} .. {layers[-1].name}",
    )


def grouped(layers: Sequence[Layer], by: int | Sequence[str]) -> tuple[Layer, ...]:
    """Layers packed into copies: ``by`` so many in each, or one copy for each run of equal labels.

    >>> [one.weight_bytes for one in grouped([Layer(1.0, 0.0), Layer(2.0, 0.0), Layer(4.0, 0.0)], 2)]
    [3.0, 4.0]
    """
    if not isinstance(by, int):
        if len(by) != len(layers):
            raise ScenarioError(Problem(f"{len(by)} labels for {len(layers)} layers", path="by"))
        runs = groupby(zip(by, layers, strict=True), key=lambda pair: pair[0])
        return tuple(merged([layer for _, layer in run]) for _, run in runs)
    if by < 1:
        raise ScenarioError(Problem(f"layers in a copy: must be at least 1, got {by}", path="by"))
    return tuple(merged(layers[start : start + by]) for start in range(0, len(layers), by))
