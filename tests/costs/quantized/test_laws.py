"""Laws of quantized products: values by hand, limits, scaling, round trips, refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.base import GemmRoofline, GemmRows, GemmSmooth, law_from_parameters
from simulator.costs.base.gemm_rows import Distance
from simulator.costs.base.registry import ELSEWHERE
from simulator.costs.quantized import (
    GemmDatasheet,
    GemmTiles,
    GemmUtilization,
    Product,
    ProductLayer,
    QuantizedProduct,
    QuantizeInput,
)
from simulator.errors import ScenarioError

TILES = GemmTiles(3e-6, 8e14, 64.0, 1e-12, 2e-12, 3e-12, 2.5, 0.6, 128.0, 256.0, 132.0)
SIDES = (1.0, 64.0, 4096.0, 300.0)
LIGHT = GemmUtilization(1e-15, 1e-12, 5e-13, 1e-12, SIDES, SIDES[::-1], SIDES, (0.1, 0.5, 0.9, 0.3))
INPUTS = QuantizeInput(7e-6, 4e-13, 1.6e-12, 2e7, 2.0)
PRODUCT = QuantizedProduct(TILES, INPUTS, 1e-6, 1e-12)
EXAMPLES: dict[str, Any] = {
    one.name: one
    for one in (
        GemmDatasheet(1.978e15, 3.35e12, 1, 1, 2),
        TILES,
        LIGHT,
        INPUTS,
        PRODUCT,
        ProductLayer(PRODUCT, (Product(4096, 1024), Product(1024, 4096, rows=128, count=2))),
    )
}
SHAPES = (np.array([1.0, 33.0, 8192.0]), np.array([64.0, 512.0, 4096.0]), np.array([64.0, 80.0, 4096.0]))


def times(law: Any, shapes: Any = SHAPES) -> np.ndarray[Any, np.dtype[np.float64]]:
    m, n, k = shapes
    if law.name == "product-layer":
        return np.asarray(law.seconds(m))
    return np.asarray(law.seconds(m, k) if law.name == "quantize-input" else law.seconds(m, n, k))


def test_every_law_of_this_room_has_an_example() -> None:
    here = {name for name, place in ELSEWHERE.items() if place.startswith("simulator.costs.quantized")}
    assert set(EXAMPLES) == here


@pytest.mark.parametrize("name", EXAMPLES)
def test_parameters_round_trip_through_json(name: str) -> None:
    law = EXAMPLES[name]
    again = law_from_parameters(name, json.loads(json.dumps(law.parameters(), allow_nan=False)))
    assert again == law
    assert (times(again) == times(law)).all()


def test_a_product_and_a_trend_read_their_inner_laws() -> None:
    rows = GemmRows(TILES, Distance(), (64.0,), (64.0,), (64.0,), (0.25,))
    written = json.loads(json.dumps(QuantizedProduct(rows).parameters()))
    again = law_from_parameters("quantized-product", written)
    assert (times(again) == times(rows)).all()


def test_long_rows_come_back_from_one_text() -> None:
    written = LIGHT.parameters() | {key: " ".join(map(repr, getattr(LIGHT, key))) for key in ("m", "n", "k", "share")}
    assert law_from_parameters(LIGHT.name, written) == LIGHT


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("factor", [0.5, 4.0])
def test_scaling_scales_every_time_exactly(name: str, factor: float) -> None:
    law = EXAMPLES[name]
    assert (times(law.scaled(factor)) == factor * times(law)).all()


@given(st.sampled_from(sorted(EXAMPLES)), st.lists(st.integers(1, 10**6), min_size=3, max_size=3))
def test_times_are_positive_and_the_same_one_by_one(name: str, sides: list[int]) -> None:
    law = EXAMPLES[name]
    one = times(law, [np.float64(side) for side in sides])
    many = times(law, [np.array([side, 7.0]) for side in sides])
    assert one.shape == ()
    assert np.isfinite(one)
    assert one > 0
    assert many[0] == pytest.approx(float(one), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("gemm-tiles", "stairs", 1.01),
        ("gemm-tiles", "tile_m", 0.0),
        ("gemm-tiles", "sharpness", 0.5),
        ("gemm-datasheet", "bandwidth", 0.0),
        ("gemm-datasheet", "peak_flops", float("nan")),
        ("gemm-utilization", "share", [0.1, 0.5, 0.0, 0.3]),
        ("gemm-utilization", "m", [1.0]),
        ("quantize-input", "floor_s", -1e-6),
        ("quantized-product", "restore_s", -1.0),
        ("quantized-product", "product", {"law": "no-such-law", "parameters": {}}),
        ("product-layer", "products", []),
        ("product-layer", "products", [{"n": 0.0, "k": 4.0}]),
        ("product-layer", "products", [{"n": 4.0}]),
    ],
)
def test_impossible_parameters_are_refused(name: str, key: str, value: Any) -> None:
    with pytest.raises(ScenarioError):
        law_from_parameters(name, EXAMPLES[name].parameters() | {key: value})


@given(st.integers(1, 3000), st.integers(1, 9000), st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
def test_whole_waves_are_counted(m: int, n: int, tile_m: int, tile_n: int, units: int) -> None:
    """With nothing but compute and full stairs, time is the number of waves times that of one."""
    law = GemmTiles(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, tile_m, tile_n, units)
    tiles = len(range(0, m, tile_m)) * len(range(0, n, tile_n))
    waves = len(range(0, tiles, units))
    assert law.seconds(m, n, 5) == pytest.approx(waves * units * 2 * tile_m * tile_n * 5, rel=1e-12)


@given(st.floats(1, 60), st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 9000))
def test_tiles_of_one_output_without_stairs_are_the_smooth_law(q: float, m: int, n: int, k: int) -> None:
    tiles = GemmTiles(1e-6, 1e14, 8.0, 1e-12, 2e-12, 3e-12, q, 0.0, 1.0, 1.0, 1.0)
    smooth = GemmSmooth(1e-6, 1e14, 0.0, 0.0, 8.0, 1e-12, 2e-12, 3e-12, q)
    assert tiles.seconds(m, n, k) == pytest.approx(float(smooth.seconds(m, n, k)), rel=1e-12)


def test_one_more_row_costs_a_whole_wave_where_waves_are_stairs() -> None:
    law = GemmTiles(0.0, 1e15, 0.0, 0.0, 0.0, 0.0, 4.0, 1.0, 128.0, 128.0, 132.0)
    at, above = law.seconds([128 * 11, 128 * 11 + 1], 128 * 12, 4096)
    assert above == pytest.approx(2 * at)


def test_measured_rows_get_their_own_time_back() -> None:
    exact = GemmRoofline(4e-6, 5e14, 8e-13)
    m, n, k = (axis.ravel() for axis in np.meshgrid([1.0, 64, 4096], [64.0, 4096], [256.0, 8192]))
    unscaled = GemmUtilization(1e-15, 5e-13, 5e-13, 5e-13, (1,), (1,), (1,), (1,))
    t = exact.seconds(m, n, k)
    law = GemmUtilization(1e-15, 5e-13, 5e-13, 5e-13, tuple(m), tuple(n), tuple(k), tuple(unscaled.light(m, n, k) / t))
    assert law.seconds(m, n, k) == pytest.approx(t, rel=1e-12)
    between = law.light(m * 1.5, n, k) / law.seconds(m * 1.5, n, k)
    assert (between >= min(law.share)).all()
    assert (between <= max(law.share)).all()


def test_inputs_have_a_floor_and_two_speeds() -> None:
    assert INPUTS.seconds(1, 64) == pytest.approx(7e-6, rel=1e-3)
    assert INPUTS.seconds(2**20, 2**14) == pytest.approx(1.6e-12 * 2**34, rel=1e-3)
    near = QuantizeInput(0.0, 4e-13, 1.6e-12, 1e12, 2.0)
    assert near.seconds(4096, 4096) == pytest.approx(4e-13 * 2**24, rel=1e-3)
