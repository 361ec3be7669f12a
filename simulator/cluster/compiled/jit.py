"""Numba, imported on first use only, and the few machine instructions that it does not name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import extending, types

njit: Any = numba.njit
intrinsic: Any = extending.intrinsic
OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""No ``fastmath``: every sum must be the one that the reference forms. ``_nrt`` off: the kernel allocates nothing, and
counting who refers to which array would take nine tenths of its time and of its compilation."""


def cold(function: Callable[..., Any]) -> Any:
    """Compile a function that is called rarely, or is too long to repeat at every call."""
    return njit(function, **OPTIONS)


def hot(function: Callable[..., Any]) -> Any:
    """Compile a function into each of its callers."""
    return njit(function, forceinline=True, **OPTIONS)


@intrinsic  # type: ignore[untyped-decorator]
def lowest_bit(context: Any, word: Any) -> Any:
    """Place of the lowest bit set in an int64 that is not 0."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.int64(types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def known(context: Any, row: Any) -> Any:
    """The number itself, with a promise to the compiler that it is not negative.

    Without it every access to an array first asks whether the index counts from the end, as Python's may.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zero = context.get_constant(types.int64, 0)
        builder.assume(builder.icmp_signed(">=", arguments[0], zero))
        return arguments[0]

    return types.int64(types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def bits_of(context: Any, number: Any) -> Any:
    """The bits of a float64 as an int64."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.int64))

    return types.int64(types.float64), build
