"""Precisions of a layer by name, and rounding to the 16-bit kinds of float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.int8.weights import LEAST_BITS, MOST_BITS
from simulator.errors import Problem, ScenarioError

Single = NDArray[np.float32]
InputKind = Literal["fp32", "fp16", "bf16", "u8"]
_FLOATS: dict[str, tuple[int, InputKind]] = {"fp32": (32, "fp32"), "fp16": (16, "fp16"), "bf16": (16, "bf16")}
_CODES = re.compile(r"int(?P<int>[2-8])|w(?P<w>[2-8])(?P<inputs>a8)?")


@dataclass(frozen=True, slots=True)
class Precision:
    """Bits per weight, and the kind that inputs have when they are multiplied: a float, or codes ``u8``."""

    name: str
    weight_bits: int
    inputs: InputKind

    @property
    def quantized(self) -> bool:
        """Whether weights are signed codes."""
        return self.name not in _FLOATS


def precision(name: str) -> Precision:
    """Of the names ``fp32``, ``fp16``, ``bf16``, ``wN``, ``wNa8``, ``intN`` with N = 2 to 8 bits per weight.

    ``wN`` keeps only the weights quantized and multiplies in fp16; ``wNa8`` multiplies them with u8 inputs.
    ``int8`` is ``w8a8``; ``intN`` below 8 is ``wN``, as int4 kernels are weight-only.

    >>> precision("int8"), precision("int4").inputs, precision("w3a8").weight_bits
    (Precision(name='int8', weight_bits=8, inputs='u8'), 'fp16', 3)
    """
    if name in _FLOATS:
        return Precision(name, *_FLOATS[name])
    found = _CODES.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise ScenarioError(
            Problem(
                f"no precision is called {name!r} (known: {', '.join(_FLOATS)}, int8, and with N = {LEAST_BITS} to "
                f"{MOST_BITS} bits per weight wN or intN for weights alone, wNa8 for u8 inputs as well)"
            )
        )
    bits = int(found["int"] or found["w"])
    codes = found["inputs"] is not None or found["int"] == "8"
    return Precision(name, bits, "u8" if codes else "fp16")


def rounded(x: NDArray[np.floating], kind: InputKind) -> Single:
    """The values as a 16-bit float holds them, in 32 bits; fp32 and u8 only become 32-bit floats.

    bf16 is fp32 without its lower 16 bits, rounded half to even; beyond the largest number comes infinity.

    >>> rounded(np.array([1.00390625, 1.001]), "bf16"), rounded(np.array([70000.0]), "fp16")
    (array([1., 1.], dtype=float32), array([inf], dtype=float32))
    """
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
        if kind == "fp16":
            return single.astype(np.float16).astype(np.float32)
    if kind != "bf16":
        return single
    bits = np.ascontiguousarray(single).view(np.uint32)
    upper = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(single), single, upper.view(np.float32))
