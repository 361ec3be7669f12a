"""Scales per input channel and smoothing: what they gain on activations with outlier channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.calibration.int8 import (
    Geometry,
    MinMax,
    convolution,
    fold,
    from_range,
    gemm,
    input_peaks,
    smoothed,
    smoothing_factors,
)
from simulator.errors import ScenarioError
from tests.calibration.int8.builders import Case, convolutions, decibels, loops, outliers


def _noise(
    x: np.ndarray, weight: np.ndarray, alpha: float = 0.5, *, symmetric: bool = True
) -> tuple[float, float, float]:
    """Decibels per tensor, per input channel, and smoothed with alpha."""
    seen = MinMax(per_channel=True)
    seen.observe(x)
    low, high = seen.range()
    factor = smoothing_factors(np.maximum(-low, high), input_peaks(weight, 1), alpha)
    ways = from_range(low.min(), high.max()), from_range(low, high), smoothed(low, high, factor)
    found = [decibels(x @ weight, gemm(weight, inputs, symmetric=symmetric).real(x)) for inputs in ways]
    return found[0], found[1], found[2]


SEEDS = range(20)


def test_gains_on_outlier_channels() -> None:
    """Per input channel +6 dB, the mean of networks; smoothed +12 dB for each of them."""
    found = np.array([_noise(*outliers(seed)) for seed in SEEDS])
    channel, smooth = found[:, 1] - found[:, 0], found[:, 2] - found[:, 0]
    # One network scatters by 0.5 dB, as four weights per output set its step: the mean is what can be promised.
    assert channel.mean() - stats.t.ppf(0.9995, len(SEEDS) - 1) * stats.sem(channel) >= 6
    assert smooth.min() >= 12


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_with_a_zero_point_gain_more_per_input_channel(seed: int) -> None:
    """The few rows of outlier channels are seldom as far below 0 as above it: half of the codes went unused."""
    x, weight = outliers(seed)
    symmetric, asymmetric = _noise(x, weight), _noise(x, weight, symmetric=False)
    assert asymmetric[1] >= asymmetric[0] + 6
    assert asymmetric[1] > symmetric[1]


@pytest.mark.parametrize("seed", range(4))
def test_alpha_one_is_a_scale_per_input_channel(seed: int) -> None:
    x, weight = outliers(seed)
    _, channel, all_in_weights = _noise(x, weight, alpha=1.0)
    assert all_in_weights == pytest.approx(channel, abs=0.7)  # zero points apart: one bit of the range at most
    peaks = np.abs(x).max(axis=0)
    factor = smoothing_factors(peaks, input_peaks(weight, 1), 1.0)
    assert factor == pytest.approx(peaks)
    assert smoothing_factors(peaks, input_peaks(weight, 1), 0.0) == pytest.approx(1 / np.abs(weight).max(axis=1))


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_splitting_changes_no_product(seed: int, alpha: float) -> None:
    draws = np.random.default_rng(seed)
    x, weight = draws.normal(size=(4, 9)) * 10.0 ** draws.integers(-20, 20, 9), draws.normal(size=(9, 3))
    x[:, 0], weight[1] = 0, 0
    factor = smoothing_factors(np.abs(x).max(axis=0), input_peaks(weight, 1), alpha)
    assert (factor > 0).all()
    assert factor[0] == factor[1] == 1
    room = np.abs(x) @ np.abs(weight)
    assert (np.abs((x / factor) @ fold(weight, factor, 1) - x @ weight) <= 1e-12 * room).all()


@given(convolutions(per_channel=True))
def test_folding_into_convolutions_with_groups(case: Case) -> None:
    x, factor = case.inputs.dequantize(case.codes), case.inputs.scale
    groups = case.geometry.groups
    folded = fold(case.weight, factor, 0, groups)
    apart = loops(x / factor[:, None, None], folded, case.geometry)
    whole = loops(x, case.weight, case.geometry)
    assert apart == pytest.approx(whole, abs=1e-12 * (loops(np.abs(x), np.abs(case.weight), case.geometry).max() + 1))
    peaks = input_peaks(case.weight, 0, groups)
    for k in range(len(factor)):
        mask = np.zeros_like(factor)
        mask[k] = 1
        assert np.abs(fold(case.weight, mask, 0, groups)).max() == pytest.approx(peaks[k])


def test_convolutions_gain_as_well() -> None:
    draws = np.random.default_rng(2)
    x = draws.normal(size=(4, 16, 10, 10))
    x[:, [3, 9]] *= 60
    weight, geometry = draws.normal(size=(16, 16, 3, 3)), Geometry(padding=(1, 1, 1, 1))
    seen = MinMax(per_channel=True)
    seen.observe(x)
    low, high = seen.range()
    factor = smoothing_factors(np.maximum(-low, high), input_peaks(weight, 0))
    truth = loops(x, weight, geometry)
    tensor, channel, smooth = (
        decibels(truth, convolution(weight, inputs, (10, 10), None, geometry).real(x))
        for inputs in (from_range(low.min(), high.max()), from_range(low, high), smoothed(low, high, factor))
    )
    assert tensor < channel < smooth


def test_bad_factors_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"one scale per input channel \(2\)"):
        fold(np.ones((2, 3)), [1.0, 2.0, 3.0], axis=1)
    with pytest.raises(ScenarioError, match="alpha lies between 0"):
        smoothing_factors([1.0], [1.0], 1.5)
