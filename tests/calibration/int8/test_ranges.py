"""Ranges learnt from batches: 0 has a code, batches do not matter, outliers are cut where that pays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from simulator.calibration.int8 import Entropy, MinMax, Percentile, from_range
from simulator.calibration.int8.histogram import BINS, Histogram
from simulator.calibration.int8.ranges import InputObserver, Observer
from simulator.errors import ScenarioError

REALS = st.floats(-1e30, 1e30)
# Subnormal numbers lose their sign when they are divided by the width of a bin.
ELEMENTS = st.floats(-1e6, 1e6, allow_subnormal=False)
BATCHES = hnp.arrays(np.float64, hnp.array_shapes(max_dims=2, max_side=30), elements=ELEMENTS)


@given(REALS, REALS, st.integers(1, 8))
def test_the_range_and_zero_have_codes(a: float, b: float, bits: int) -> None:
    low, high = min(a, b), max(a, b)
    unit = from_range(low, high, bits)
    step = float(unit.scale)
    assert step > 0
    assert 0 <= unit.zero < 2**bits
    assert unit.dequantize(unit.quantize([[0.0]])) == 0
    x = np.linspace(low, high, 50)[None]
    assert (np.abs(unit.dequantize(unit.quantize(x)) - x) <= step / 2 * (1 + 1e-9) + 1e-300).all()
    assert unit.quantize([[np.inf, -np.inf]]).tolist() == [[2**bits - 1, 0]]


@given(BATCHES)
def test_codes_keep_their_value(x: np.ndarray) -> None:
    unit = from_range(x.min(), x.max())
    codes = unit.quantize(x)
    assert np.array_equal(unit.quantize(unit.dequantize(codes)), codes)


def test_ranges_without_extent_and_bad_ones() -> None:
    assert (from_range(0.0, 0.0).scale, from_range(0.0, 0.0).zero) == (1.0, 0)
    assert from_range(3.0, 3.0).quantize([[3.0, 0.0]]).tolist() == [[255, 0]]
    assert from_range(-3.0, -3.0).quantize([[-3.0, 0.0]]).tolist() == [[0, 255]]
    assert float(from_range(-1e308, 1e308).scale) == pytest.approx(1e308 / 127.5)
    assert float(from_range(0.0, 5e-324).scale) == 1.0
    for low, high in [(np.nan, 1.0), (0.0, np.inf)]:
        with pytest.raises(ScenarioError, match="finite"):
            from_range(low, high)
    with pytest.raises(ScenarioError, match="1 to 8 bits"):
        from_range(0.0, 1.0, 9)


@pytest.mark.parametrize("observer", [MinMax, Percentile, Entropy])
@given(st.lists(BATCHES, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_batches_and_their_order_do_not_matter(observer: type, batches: list[np.ndarray], draws: object) -> None:
    once, parts, shuffled = observer(), observer(), observer()
    once.observe(np.concatenate([batch.ravel() for batch in batches]))
    for batch in batches:
        parts.observe(batch)
    draws.shuffle(batches)  # type: ignore[attr-defined]
    for batch in batches:
        shuffled.observe(batch)
    assert once.range() == parts.range() == shuffled.range()


@given(BATCHES)
def test_a_histogram_counts_what_it_says(x: np.ndarray) -> None:
    seen = Histogram()
    for row in np.atleast_2d(x):
        seen.add(row)
    assert len(seen.counts) <= 2 * BINS + 1
    assert seen.counts.sum() == x.size
    expected = np.histogram(x, np.append(seen.edges[:-1], np.inf))[0]
    assert np.array_equal(seen.counts, expected)
    assert seen.edges[0] <= x.min()
    assert x.max() < seen.edges[-1]
    if largest := float(np.abs(x).max()):
        assert seen.width <= max(largest / (BINS / 2), 2.0**-1000)


@given(st.integers(0, 2**32), st.sampled_from([50.0, 90.0, 99.0, 99.9, 100.0]))
def test_percentiles_are_quantiles(seed: int, percent: float) -> None:
    draws = np.random.default_rng(seed)
    x = draws.normal(draws.uniform(-2, 2), 1, 20_000) * 10.0 ** draws.integers(-5, 6)
    observer = Percentile(percent)
    for batch in np.split(x, 4):
        observer.observe(batch)
    low, high = observer.range()
    # The share of samples outside is the one asked for, but for the samples of one bin at either end
    tail = (1 - percent / 100) / 2
    width = observer.histogram.width
    for share, found, side in ((tail, low, (x < low)), (tail, high, (x > high))):
        near = (np.abs(x - found) <= width).mean() + 1 / len(x)
        assert abs(side.mean() - share) <= near
    assert x.min() <= low <= high <= x.max()


def test_percentiles_do_not_reach_into_gaps() -> None:
    x = np.concatenate([np.zeros(500), np.ones(99_499), [1000.0]])
    observer = Percentile(99.9)
    observer.observe(x)
    low, high = observer.range()
    width = observer.histogram.width
    assert 0 <= low <= width
    assert 1 <= high <= 1 + width
    assert width < 0.2


def _loss(low: float, high: float, x: np.ndarray) -> float:
    unit = from_range(low, high)
    return float(((unit.dequantize(unit.quantize(x)) - x) ** 2).mean())


@pytest.mark.parametrize("sign", ["both", "positive", "negative"])
@pytest.mark.parametrize("seed", range(3))
def test_entropy_cuts_rare_outliers_off(seed: int, sign: str) -> None:
    draws = np.random.default_rng(seed)
    x = draws.normal(size=100_000)
    x = {"both": x, "positive": np.maximum(x, 0), "negative": np.minimum(x, 0)}[sign]
    bulk, x[:5] = np.abs(x).max(), 100.0 if sign != "negative" else -100.0
    observer = Entropy()
    observer.observe(x)
    low, high = (float(bound) for bound in observer.range())
    assert max(-low, high) < 25  # of 100: most codes now serve the bulk
    assert max(-low, high) > 0.5 * bulk
    assert _loss(low, high, x[5:]) < _loss(x.min(), x.max(), x[5:]) / 4
    assert (low == 0) == (sign == "positive")


def test_entropy_keeps_a_range_that_is_all_in_use() -> None:
    for low, high in [(-1.0, 1.0), (0.0, 3.0), (-2.0, 5.0)]:
        observer = Entropy()
        observer.observe(np.random.default_rng(1).uniform(low, high, 200_000))
        assert [float(bound) for bound in observer.range()] == pytest.approx([low, high], abs=0.05 * (high - low))
    few = Entropy()
    few.observe([1.0, 1.0, 1.01])
    assert few.range() == (1.0, 1.01)


def test_what_cannot_be_learnt_from_is_refused() -> None:
    observers: list[Observer] = [MinMax(), Percentile(), Entropy()]
    for observer in observers:
        with pytest.raises(ScenarioError, match="no batch was observed"):
            observer.range()
        for bad, words in [
            ([np.nan], "not finite"),
            ([np.inf], "not finite"),
            ([], "array of numbers"),
            (["a"], "array"),
        ]:
            with pytest.raises(ScenarioError, match=words):
                observer.observe(bad)
    with pytest.raises(ScenarioError, match="percentile lies"):
        Percentile(0)
    with pytest.raises(ScenarioError, match="known: minmax, percentile, entropy, channel"):
        InputObserver("kl")
    with pytest.raises(ScenarioError, match="smoothing goes with minmax"):
        InputObserver("entropy", 0.5)
