"""Convolutions over codes equal a reference bit for bit, wherever the border is; the table is what makes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.calibration.int8 import (
    Affine,
    Geometry,
    accumulation_table,
    border_classes,
    both_axes,
    compensation,
    convolution,
    table_bytes,
)
from simulator.calibration.int8.geometry import convolve
from simulator.errors import ScenarioError
from tests.calibration.int8.builders import NOTE_SHAPES, Case, convolutions, loops


@settings(max_examples=150)
@given(convolutions(), st.booleans(), st.sampled_from([8, 7, 4]))
def test_corrected_sums_are_those_of_a_dequantized_input(case: Case, symmetric: bool, bits: int) -> None:
    kernel = convolution(case.weight, case.inputs, case.size, None, case.geometry, bits=bits, symmetric=symmetric)
    zero = np.broadcast_to(case.inputs.zero, case.codes.shape[1])
    centred = case.codes.astype(np.int64) - zero[:, None, None]
    weights = kernel.weights.values.astype(np.int64) - kernel.weights.zero[:, None, None, None]
    found = kernel.corrected(case.codes)
    assert found.dtype == np.int32
    assert np.array_equal(found, loops(centred, weights, case.geometry))  # real zero is 0 once centred
    real = loops(case.inputs.dequantize(case.codes), case.weight, case.geometry)
    assert found.shape == real.shape


@settings(max_examples=60)
@given(convolutions(), st.booleans())
def test_restored_outputs_are_the_dequantized_convolution(case: Case, symmetric: bool) -> None:
    bias = np.arange(len(case.weight)) - 1.5
    kernel = convolution(case.weight, case.inputs, case.size, bias, case.geometry, symmetric=symmetric)
    x = case.inputs.dequantize(case.codes)
    weight = kernel.weights.real()  # of weights that took the input's scale per channel, if it has one
    taken = case.inputs.scale if case.inputs.per_channel else np.ones(())
    expected = loops(x / np.reshape(taken, (-1, 1, 1)), weight, case.geometry) + bias[:, None, None]
    size = loops(np.abs(x / np.reshape(taken, (-1, 1, 1))), np.abs(weight), case.geometry).max() + 2
    assert kernel.real(x) == pytest.approx(expected, abs=1e-12 * size)


@settings(max_examples=100)
@given(convolutions())
def test_table_and_padding_with_the_zero_point_agree(case: Case) -> None:
    """Ways (i) and (ii): a padded copy with one constant per output, and no copy with the table."""
    kernel = convolution(case.weight, case.inputs, case.size, None, case.geometry)
    weights = kernel.weights.values.astype(np.int64)
    zero = np.broadcast_to(case.inputs.zero, case.codes.shape[1])
    by_group = zero.reshape(case.geometry.groups, -1)
    group = np.arange(len(weights)) // (len(weights) // case.geometry.groups)
    constant = (weights.sum(axis=(2, 3)) * by_group[group]).sum(axis=1)
    padded = loops(case.codes.astype(np.int64), weights, case.geometry, zero) - constant[:, None, None]
    assert np.array_equal(kernel.corrected(case.codes), padded)


@pytest.mark.parametrize("shape", NOTE_SHAPES)
def test_a_constant_instead_of_the_table_is_wrong_at_the_border(shape: str) -> None:
    size, side, geometry = NOTE_SHAPES[shape]
    draws = np.random.default_rng(5)
    weight = draws.normal(size=(8, 4, side, side))
    inputs = Affine(np.array(0.02), np.array(117))
    kernel = convolution(weight, inputs, size, None, geometry)
    codes = draws.integers(0, 256, (2, 4, *size), dtype=np.uint8)
    naive = (
        kernel.accumulate(codes).values - 117 * kernel.weights.values.sum(axis=(1, 2, 3), dtype=np.int64)[:, None, None]
    )
    exact = kernel.corrected(codes)
    wrong = float((naive != exact).mean())
    if side == 1:
        assert wrong == 0
        return
    rows, columns = both_axes(size, (side, side), geometry)
    inner = np.bincount(rows.of).max() * np.bincount(columns.of).max() / (len(rows.of) * len(columns.of))
    assert 0.20 <= wrong <= 0.46
    assert wrong + inner <= 1 + 1e-12  # only positions whose window meets padding
    assert np.abs((naive - exact) / exact.std()).max() > 1  # not a rounding error


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "classes"),
    [(56, 3, 1, 1, 3), (14, 5, 1, 2, 5), (224, 7, 2, 3, 4), (14, 3, 2, 1, 2), (56, 1, 1, 0, 1), (56, 1, 2, 0, 1)],
)
def test_counts_of_classes(size: int, kernel: int, stride: int, padding: int, classes: int) -> None:
    geometry = Geometry((stride, stride), (padding,) * 4)
    rows, columns = both_axes((size, size), (kernel, kernel), geometry)
    assert (rows.count, columns.count) == (classes, classes)
    assert table_bytes((size, size), (64, 3, kernel, kernel), geometry) == classes**2 * 64 * 4


@given(
    st.integers(1, 20), st.integers(1, 7), st.integers(1, 4), st.integers(0, 9), st.integers(0, 9), st.integers(1, 4)
)
def test_classes_are_the_distinct_sets_of_taps(
    size: int, kernel: int, stride: int, begin: int, end: int, dilation: int
) -> None:
    positions = (size + begin + end - dilation * (kernel - 1) - 1) // stride + 1
    if positions < 1:
        return
    taps = [tuple(i for i in range(kernel) if 0 <= p * stride - begin + i * dilation < size) for p in range(positions)]
    found = border_classes(size, kernel, stride, begin, end, dilation)
    assert [tuple(range(found.first[c], found.last[c])) for c in found.of] == taps
    assert found.count == len(set(taps)) <= kernel * (kernel + 1) // 2 + 1
    assert sorted(set(found.of.tolist())) == list(range(found.count))


@given(convolutions())
def test_the_table_sums_weights_by_class(case: Case) -> None:
    weights = np.rint(case.weight * 20).astype(np.int64)
    kernel = weights.shape[2], weights.shape[3]
    rows, columns = both_axes(case.size, kernel, case.geometry)
    table = accumulation_table(weights, rows, columns)
    ones = np.ones((1, weights.shape[1] * case.geometry.groups, *case.size), dtype=np.int64)
    one_point = compensation(table, np.array(1), case.geometry.groups)
    assert np.array_equal(one_point[rows.of][:, columns.of].transpose(2, 0, 1), loops(ones, weights, case.geometry)[0])
    for r in range(rows.count):
        for c in range(columns.count):
            i, j = slice(rows.first[r], rows.last[r]), slice(columns.first[c], columns.last[c])
            assert np.array_equal(table[r, c], weights[:, :, i, j].sum(axis=(2, 3)))


def test_large_batches_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(0)
    x, weight = draws.normal(size=(7, 2, 6, 5)), draws.normal(size=(3, 2, 3, 3))
    geometry = Geometry((1, 2), (1, 0, 2, 1))
    whole = convolve(x, weight, geometry)
    monkeypatch.setattr("simulator.calibration.int8.geometry._MOST_ELEMENTS", 500)
    assert np.allclose(convolve(x, weight, geometry), whole, rtol=0, atol=1e-12)
    assert convolve(x[:0], weight, geometry).shape == (0, *whole.shape[1:])


def test_what_does_not_fit_is_refused() -> None:
    inputs = Affine(np.array(1.0), np.array(0))
    kernel = convolution(np.ones((2, 1, 3, 3)), inputs, (5, 5), None, Geometry(groups=2))
    codes = np.zeros((1, 2, 5, 5), dtype=np.uint8)
    assert kernel.corrected(codes).shape == (1, 2, 3, 3)
    for wrong, words in [
        (lambda: kernel.corrected(codes[:, :, :4]), "prepared for inputs of"),
        (lambda: kernel.corrected(codes[:, :1]), "with 2 channels"),
        (lambda: kernel.corrected(codes.astype(np.int64)), "uint8"),
        (lambda: convolution(np.ones((2, 1, 9, 3)), inputs, (5, 5)), "too small"),
        (lambda: convolution(np.ones((3, 1, 3, 3)), inputs, (5, 5), None, Geometry(groups=2)), "do not fit"),
        (lambda: convolution(np.ones((3, 1, 3)), inputs, (5, 5)), "rows, columns"),
        (lambda: convolution(np.ones((3, 1, 3, 3)), inputs, (5, 5), [1.0]), "one finite number per output"),
        (lambda: Geometry(stride=(0, 1)), "at least 1"),
    ]:
        with pytest.raises(ScenarioError, match=words):
            wrong()
