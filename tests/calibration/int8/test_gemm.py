"""GEMM over codes: exact sums, overflow refused, saturation counted, real outputs and codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.calibration.int8 import Affine, from_range, gemm, longest, product, quantize_weights
from simulator.errors import ScenarioError

SEEDS = st.integers(0, 2**32)


@settings(max_examples=150)
@given(
    SEEDS, st.integers(1, 9), st.integers(1, 700), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(2, 8)
)
def test_corrected_sums_are_exact(
    seed: int, m: int, k: int, n: int, per_channel: bool, symmetric: bool, bits: int
) -> None:
    draws = np.random.default_rng(seed)
    shape = (k,) if per_channel else ()
    inputs = Affine(np.asarray(draws.uniform(0.01, 2, shape)), np.asarray(draws.integers(0, 256, shape)))
    kernel = gemm(draws.normal(size=(k, n)), inputs, draws.normal(size=n), bits=bits, symmetric=symmetric)
    codes = draws.integers(0, 256, (m, k), dtype=np.uint8)
    centred = codes.astype(np.int64) - inputs.zero
    weights = kernel.weights.values.astype(np.int64) - kernel.weights.zero
    found = kernel.corrected(codes)
    assert found.dtype == np.int32
    assert np.array_equal(found, centred @ weights)  # whole numbers in 64 bits, no BLAS
    assert np.array_equal(kernel.accumulate(codes).values, codes.astype(np.int64) @ kernel.weights.values)
    taken = inputs.scale if per_channel else np.ones(())
    x = inputs.dequantize(codes)
    assert kernel.bias is not None
    expected = (x / taken) @ kernel.weights.real() + kernel.bias
    room = (np.abs(x / taken) @ np.abs(kernel.weights.real())).max() + 10
    assert kernel.real(x) == pytest.approx(expected, abs=1e-12 * room)


def test_row_and_column_offsets_are_the_known_formula() -> None:
    """``sx * sw * (acc - zx S - zw R + K zx zw) + b``, written out."""
    draws = np.random.default_rng(3)
    weight, bias = draws.normal(0.3, 1, (40, 6)), draws.normal(size=6)
    inputs = Affine(np.array(0.05), np.array(91))
    kernel = gemm(weight, inputs, bias, symmetric=False)
    codes = draws.integers(0, 256, (5, 40), dtype=np.uint8)
    wq, zw, wide = kernel.weights.values.astype(int), kernel.weights.zero, codes.astype(int)
    acc, rows = wide @ wq, wide.sum(axis=1)[:, None]
    whole = acc - 91 * wq.sum(axis=0) - zw * rows + 40 * 91 * zw
    assert zw.any()
    assert kernel.real(inputs.dequantize(codes)) == pytest.approx(0.05 * kernel.weights.scale * whole + bias)


@pytest.mark.parametrize("length", [518, 519, 66_311])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_are_exact(length: int, sign: int) -> None:
    codes = np.full((1, length), 255, dtype=np.uint8)
    weights = np.full((length, 1), sign * 127, dtype=np.int8)
    codes[0, 0], weights[1, 0] = 254, sign * 126  # an odd sum: a lost last bit would show
    assert product(codes, weights).values.item() == sign * (length * 255 * 127 - 127 - 255)


def test_longer_sums_are_refused() -> None:
    assert longest() == 66_311
    with pytest.raises(ScenarioError, match=r"sums of 66312 products can overflow 32 bits: at most 66311 are safe"):
        product(np.zeros((1, 66_312), np.uint8), np.zeros((66_312, 1), np.int8))
    with pytest.raises(ScenarioError, match="at most 66311"):
        gemm(np.ones((66_312, 1)), Affine(np.array(1.0), np.array(0)))
    with pytest.raises(ScenarioError, match="at most 33025"):
        gemm(np.ones((33_026, 1)), Affine(np.array(1.0), np.array(0)), symmetric=False)
    with pytest.raises(ScenarioError, match="at most 65793 are safe with weights up to 128"):
        product(np.zeros((1, 65_794), np.uint8), np.full((65_794, 1), -128, np.int8))
    seven = gemm(np.ones((66_312, 1)), Affine(np.array(1.0), np.array(0)), bits=7)  # fewer bits, longer sums
    assert seven.corrected(np.full((1, 66_312), 255, np.uint8)).item() == 66_312 * 255 * 63


@settings(max_examples=60)
@given(SEEDS, st.integers(1, 5), st.integers(1, 21), st.integers(1, 5))
def test_saturating_pairs(seed: int, m: int, k: int, n: int) -> None:
    draws = np.random.default_rng(seed)
    codes = draws.integers(128, 256, (m, k), dtype=np.uint8)
    weights = draws.integers(-128, 128, (k, n), dtype=np.int8)
    expected, cut = np.zeros((m, n), dtype=np.int64), 0
    for i in range(m):
        for j in range(n):
            for first in range(0, k, 2):
                pair = sum(int(codes[i, t]) * int(weights[t, j]) for t in range(first, min(first + 2, k)))
                cut += not -32768 <= pair <= 32767
                expected[i, j] += min(max(pair, -32768), 32767)
    found = product(codes, weights, saturate=True)
    assert np.array_equal(found.values, expected)
    assert (found.saturated, found.pairs) == (cut, m * n * -(-k // 2))


def _share_of_pairs(low: int, high: int) -> float:
    """Probability that a pair of uniform codes and weights in [low, high] leaves 16 bits, by enumeration."""
    products = np.multiply.outer(np.arange(256), np.arange(low, high + 1)).ravel()
    values, counts = np.unique(products, return_counts=True)
    below = np.concatenate([[0], counts.cumsum()])
    above = below[-1] - below[np.searchsorted(values, 32767 - values, "right")]
    under = below[np.searchsorted(values, -32768 - values, "left")]
    return float((counts * (above + under)).sum() / below[-1] ** 2)


def test_share_of_saturated_pairs_at_eight_and_seven_bits() -> None:
    draws = np.random.default_rng(8)
    codes = draws.integers(0, 256, (200, 128), dtype=np.uint8)
    for low, high in [(-127, 127), (-128, 127)]:
        weights = draws.integers(low, high + 1, (128, 200), dtype=np.int8)
        found = product(codes, weights, saturate=True)
        chance = _share_of_pairs(low, high)
        assert 0.02 < chance < 0.04
        # Pairs share codes and weights, so the share scatters like one over the 128 / 2 x 200 pairs of one matrix
        assert found.saturated / found.pairs == pytest.approx(chance, abs=4 * np.sqrt(chance / (64 * 200)))
        assert not np.array_equal(found.values, product(codes, weights).values)
    for low, high in [(-63, 63), (-64, 63)]:
        assert _share_of_pairs(low, high) == 0
        weights = draws.integers(low, high + 1, (128, 200), dtype=np.int8)
        found = product(codes, weights, saturate=True)
        assert found.saturated == 0
        assert np.array_equal(found.values, product(codes, weights).values)


def test_seven_bit_weights_need_no_vnni() -> None:
    draws = np.random.default_rng(1)
    weight, codes = draws.normal(size=(64, 32)), np.full((4, 64), 255, np.uint8)
    inputs = from_range(0.0, 1.0)
    assert gemm(weight, inputs, bits=8, saturate=True).accumulate(codes).saturated > 0
    assert gemm(weight, inputs, bits=7, saturate=True).accumulate(codes).saturated == 0


@given(SEEDS, st.integers(2, 8), st.booleans(), st.booleans(), st.sampled_from([0, 1]))
def test_weights_are_within_half_a_step(seed: int, bits: int, symmetric: bool, per_channel: bool, axis: int) -> None:
    weight = np.random.default_rng(seed).normal(0.2, 1, (5, 7)) * 10.0 ** np.random.default_rng(seed).integers(-8, 8)
    codes = quantize_weights(weight, axis, bits, symmetric=symmetric, per_channel=per_channel)
    step = codes.scale.reshape((-1, 1) if axis == 0 else (1, -1))
    assert (np.abs(codes.real() - weight) <= step / 2 * (1 + 1e-9)).all()
    assert np.abs(codes.centred()).max() <= codes.largest
    assert codes.symmetric or not symmetric
    if not per_channel:
        assert len(set(codes.scale.tolist())) == 1
    if symmetric:
        assert codes.values.min() >= -(2 ** (bits - 1) - 1)


def test_channels_without_weights_keep_their_bias() -> None:
    kernel = gemm([[0.0, 2.0], [0.0, -1.0]], from_range(-1.0, 1.0), [0.3, 0.1])
    assert np.isfinite(kernel.multiplier).all()
    assert kernel.real([[0.5, 0.5]])[0, 0] == 0.3
    output = from_range(-2.0, 2.0)
    found = output.dequantize(kernel.codes(kernel.inputs.quantize([[0.5, 0.5]]), output))
    assert found[0, 0] == pytest.approx(0.3, abs=output.scale.item() * 0.6)
    assert not gemm(np.zeros((2, 2)), from_range(0, 1)).real([[1.0, 1.0]]).any()


def test_bad_weights_are_refused() -> None:
    inputs = from_range(0.0, 1.0)
    for weight, bits, words in [
        ([[np.nan]], 8, "finite"),
        ([[1.0]], 9, "2 to 8 bits"),
        ([[1.0]], 1, "2 to 8 bits"),
        (np.ones((0, 3)), 8, "no weights"),
        ([1.0], 8, r"\(inputs, outputs\)"),
    ]:
        with pytest.raises(ScenarioError, match=words):
            gemm(weight, inputs, bits=bits)
