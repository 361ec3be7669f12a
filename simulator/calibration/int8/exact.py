"""Products of unsigned and signed codes with 32-bit accumulators, exact or saturating like older x86 processors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError

LARGEST_INPUT = 255
_INT32 = 2**31 - 1
_EXACT_FLOAT32, _EXACT_FLOAT64 = 2**24, 2**53


@dataclass(frozen=True, eq=False, slots=True)
class Product:
    """Accumulators (..., M, N) as int32, how many pairs saturated on the way, and of how many pairs."""

    values: NDArray[np.int32]
    saturated: int = 0
    pairs: int = 0


def longest(largest_weight: int = 127) -> int:
    """Most terms K that no 32-bit accumulator can overflow on: ``K * 255 * |w| <= 2^31 - 1``.

    >>> longest(), longest(63), longest(255)
    (66311, 133674, 33025)
    """
    return _INT32 // (LARGEST_INPUT * largest_weight)


def check_length(length: int, largest_weight: int = 127) -> None:
    """Refuse sums of so many products that a 32-bit accumulator could overflow."""
    most = longest(largest_weight)
    if length > most:
        raise ScenarioError(
            Problem(
                f"sums of {length} products can overflow 32 bits: at most {most} are safe with weights up to "
                f"{largest_weight}; split the layer, or take fewer bits"
            )
        )


def product(
    codes: NDArray[np.uint8], weights: NDArray[np.int8], *, largest: int = 127, saturate: bool = False
) -> Product:
    """``acc[m, n] = sum_k codes[m, k] * weights[k, n]`` for codes (..., M, K) and weights (..., K, N).

    ``largest`` is the largest |weight| that can occur; it bounds K (:func:`longest`). With ``saturate``, terms
    2i and 2i + 1 are added in 16 bits and cut to -32768..32767 before they reach the accumulator, as VPMADDUBSW does
    where there is no VNNI (Intel, Intrinsics Guide); ``saturated`` counts the pairs that were cut.

    >>> pair = np.array([[255, 255]], np.uint8), np.array([[127], [127]], np.int8)
    >>> product(*pair).values.item(), product(*pair, saturate=True).values.item()
    (64770, 32767)
    """
    length = codes.shape[-1]
    largest = max(largest, 128) if weights.size and weights.min() == -128 else largest
    check_length(length, largest)
    if saturate:
        return _saturating(codes, weights)
    # numpy multiplies whole numbers without BLAS, 50 times slower. Floats are exact as long as no sum, partial or
    # not, passes 2^24 (float32) or 2^53 (float64), in any order of summation; check_length keeps it below 2^31.
    bound = length * LARGEST_INPUT * largest
    kind = np.float32 if bound <= _EXACT_FLOAT32 else np.float64
    assert bound <= _EXACT_FLOAT64
    return Product(np.matmul(codes.astype(kind), weights.astype(kind)).astype(np.int32))


def _saturating(codes: NDArray[np.uint8], weights: NDArray[np.int8]) -> Product:
    length = codes.shape[-1]
    left, right = codes.astype(np.int32), weights.astype(np.int32)
    shape = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    values = np.zeros((*shape, left.shape[-2], right.shape[-1]), dtype=np.int32)
    saturated = 0
    for k in range(0, length, 2):
        pair = np.matmul(left[..., k : k + 2], right[..., k : k + 2, :])
        cut = np.clip(pair, -(2**15), 2**15 - 1)
        saturated += int(np.count_nonzero(pair != cut))
        values += cut
    return Product(values, saturated, values.size * ((length + 1) // 2))
