"""Ways to multiply in few bits: bytes of inputs, weights and outputs, and the peak that the multiplications reach."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from simulator.costs.base.precision import PRECISIONS
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one product is computed.

    ``input_bytes``, ``weight_bytes``, ``output_bytes``: bytes per element that the product itself reads and writes;
    ``compute``: the precision whose peak it reaches; ``quantizes_input``: whether the inputs arrive in 16 bits and
    are quantized first.
    """

    name: str
    input_bytes: float
    weight_bytes: float
    output_bytes: float
    compute: str
    quantizes_input: bool = False


def _full(name: str) -> Scheme:
    size = PRECISIONS[name].weight_bytes
    return Scheme(name, size, size, size, PRECISIONS[name].compute)


def _weights_only(name: str, weight: str, compute: str = "fp16") -> Scheme:
    wide = PRECISIONS[compute].weight_bytes
    return Scheme(name, wide, PRECISIONS[weight].weight_bytes, wide, compute)


def _both(name: str, precision: str) -> Scheme:
    size = PRECISIONS[precision].weight_bytes
    # The product gives its sums back in 16 bits: requantization belongs to the layer that follows.
    return Scheme(name, size, size, 2.0, PRECISIONS[precision].compute, quantizes_input=True)


SCHEMES: dict[str, Scheme] = {
    one.name: one
    for one in (
        _full("fp32"),
        _full("tf32"),
        _full("fp16"),
        _full("bf16"),
        _both("fp8", "fp8"),
        _both("int8", "int8"),
        _both("nvfp4", "nvfp4"),
        _weights_only("int8-weights", "int8"),
        _weights_only("int4", "int4"),
    )
}
"""All schemes by name: the precisions of scenarios (``int4`` is weight-only) and ``int8-weights``, 8-bit weights
that are multiplied in 16 bits."""


def scheme(name: str) -> Scheme:
    """The scheme called ``name``.

    >>> scheme("int4").compute, scheme("nvfp4").weight_bytes
    ('fp16', 0.5625)
    """
    found = SCHEMES.get(name)
    if found is None:
        near = difflib.get_close_matches(name, SCHEMES, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(SCHEMES)}"
        raise ScenarioError(Problem(f"unknown precision {name!r} ({hint})", path="precision"))
    return found


def peak_of(peaks: Mapping[str, float], precision: str) -> float:
    """Data-sheet rate [FLOP/s] at which products in ``precision`` are multiplied; fp16 and bf16 stand for each other.

    >>> peak_of({"bf16": 3.12e14, "int8": 6.24e14}, "int4")
    312000000000000.0
    """
    compute = scheme(precision).compute
    for name in {"fp16": ("fp16", "bf16"), "bf16": ("bf16", "fp16")}.get(compute, (compute,)):
        if name in peaks:
            return float(peaks[name])
    known = ", ".join(peaks)
    raise ScenarioError(
        Problem(f"the device has no {compute} peak, which {precision} needs (it has {known})", path="precision")
    )
