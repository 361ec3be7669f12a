"""Number formats of weights and arithmetic: the bytes that they take and the peak at which they compute."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """One precision.

    ``weight_bytes`` and ``output_bytes`` are bytes of one weight and of one value of a layer's output, ``compute`` the
    precision whose peak the multiplications reach. Weight-only formats store small weights and multiply in 16 bits, so
    their outputs are 16-bit too; 4-bit floats come with one 8-bit scale for each 16 values.
    """

    name: str
    weight_bytes: float
    output_bytes: float
    compute: str


PRECISIONS: dict[str, NumberFormat] = {
    one.name: one
    for one in (
        NumberFormat("fp32", 4.0, 4.0, "fp32"),
        NumberFormat("tf32", 4.0, 4.0, "tf32"),
        NumberFormat("fp16", 2.0, 2.0, "fp16"),
        NumberFormat("bf16", 2.0, 2.0, "bf16"),
        NumberFormat("fp8", 1.0, 1.0, "fp8"),
        NumberFormat("int8", 1.0, 1.0, "int8"),
        NumberFormat("int4", 0.5, 2.0, "fp16"),
        NumberFormat("nvfp4", 9 / 16, 2.0, "nvfp4"),
    )
}
"""All precisions by name. ``int4`` is weight-only; the output of ``nvfp4`` products is 16-bit."""
