"""Requantization: monotone, within half a unit, halves to even, ReLU by clipping, bias in 32 bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.calibration.int8 import Affine, bias_codes, from_range, gemm, requantize, restore
from simulator.errors import ScenarioError

SUMS = st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1, max_size=30)
SCALES = st.floats(1e-9, 1e3)


def _affine(scale: float, zero: int) -> Affine:
    return Affine(np.array(scale), np.array(zero))


@given(SUMS, SCALES, SCALES, st.integers(0, 255), st.booleans())
def test_codes_are_monotone_and_within_half_a_unit(
    sums: list[int], multiplier: float, scale: float, zero: int, relu: bool
) -> None:
    corrected = np.sort(np.array(sums, dtype=np.int32))[:, None]
    output, one = _affine(scale, zero), np.array([multiplier])
    codes = requantize(corrected, one, output, relu=relu).astype(np.int64)
    assert (np.diff(codes, axis=0) >= 0).all()
    real = restore(corrected, one)
    wanted = np.maximum(real, 0) if relu else real
    exact = wanted / scale + zero
    inside = (exact >= 0) & (exact <= 255)
    assert (np.abs(codes - exact)[inside] <= 0.5 + 1e-6).all()  # 32-bit sums times a 53-bit factor
    assert (codes[exact > 255] == 255).all()
    assert (codes[exact < 0] == 0).all()
    assert not relu or (codes >= zero).all()


def test_halves_go_to_even() -> None:
    corrected = np.array([[-3, -1, 1, 3, 5]], dtype=np.int32)
    found = requantize(corrected, np.full(5, 0.5), _affine(1.0, 10))
    assert found.tolist() == [[8, 10, 10, 12, 12]]


@given(st.integers(0, 2**32))
def test_relu_costs_nothing(seed: int) -> None:
    """Clipping at the zero point is ReLU on real values; and requantizing is restoring, then quantizing."""
    draws = np.random.default_rng(seed)
    kernel = gemm(draws.normal(size=(20, 6)), from_range(-1.0, 2.0), draws.normal(size=6))
    codes, output = draws.integers(0, 256, (8, 20), dtype=np.uint8), from_range(-3.0, 4.0)
    real = kernel.real(kernel.inputs.dequantize(codes))
    plain, fused = kernel.codes(codes, output), kernel.codes(codes, output, relu=True)
    assert np.array_equal(fused, np.maximum(plain, output.zero))
    # The bias is rounded to the accumulator's unit, far finer than the output's: at most a code apart
    assert np.abs(plain.astype(int) - output.quantize(real)).max() <= 1
    assert np.abs(fused.astype(int) - output.quantize(np.maximum(real, 0))).max() <= 1


def test_the_bias_is_in_units_of_the_accumulator() -> None:
    assert bias_codes(np.array([1.0, -0.26]), np.array([0.01, 0.1])).tolist() == [100, -3]
    with pytest.raises(ScenarioError, match=r"bias of output 1 \(5\) does not fit 32 bits"):
        bias_codes(np.array([1.0, 5.0]), np.array([1.0, 1e-9]))
    with pytest.raises(ScenarioError, match="accumulator and bias together"):
        requantize(np.array([[2**31 - 1]], np.int32), np.ones(1), _affine(1.0, 0), np.array([1]))
