"""Every law of batch time: values by hand, scaling, round trips, the registry."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.base import (
    LAWS,
    Affine,
    Blend,
    Constant,
    Corrected,
    Distance,
    FloorAffine,
    GemmRoofline,
    GemmRows,
    GemmSmooth,
    PowerLaw,
    RooflineLaw,
    SmoothFloor,
    Stairs,
    Table,
    law_from_parameters,
)
from simulator.errors import ScenarioError

BATCH = np.array([1.0, 2.0, 3.0, 7.0, 8.0, 9.0, 64.0, 300.0])
ROOF = RooflineLaw(o=1e-4, flops=2e9, peak=1e13, weight_bytes=2e8, item_bytes=1e6, bandwidth=1e12)
TREND = GemmSmooth(3e-6, 8e14, 16.0, 12.0, 9.0, 1e-12, 2e-12, 3e-12, 2.5)
EXAMPLES: dict[str, Any] = {
    "constant": Constant(0.02),
    "affine": Affine(0.004, 0.0005),
    "floor-affine": FloorAffine(0.01, -0.002, 0.001),
    "roofline": ROOF,
    "power": PowerLaw(0.001, 0.002, 0.7),
    "stairs": Stairs(0.001, 0.0001, 0.002, 8.0),
    "smooth-floor": SmoothFloor(0.01, 0.001, 0.0007, 3.3),
    "table": Table((1, 2, 4, 8), (0.01, 0.009, 0.02, 0.03), ROOF),
    "corrected": Corrected(Affine(0.004, 0.0005), (1, 4, 16), (0.1, -0.05, 0.02)),
    "blend": Blend((Affine(0.004, 0.0005), Table((1, 8), (0.005, 0.01))), (0.7, 0.3)),
    "gemm-roofline": GemmRoofline(2e-6, 1e14, 1e-12),
    "gemm-smooth": TREND,
    "gemm-rows": GemmRows(
        TREND,
        Distance(units=132.0),
        (1, 64, 64, 4096),
        (64, 512, 768, 4096),
        (64, 64, 4096, 512),
        (0.1, -0.2, 0.05, 0.0),
        ("NN", "NT", "NN", "TN"),
    ),
}
SHAPES = (np.array([1.0, 33.0, 8192.0]), np.array([64.0, 512.0, 4096.0]), np.array([64.0, 80.0, 4096.0]))


def times(law: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(law.seconds(*SHAPES) if law.name.startswith("gemm") else law.seconds(BATCH))


def test_every_law_has_an_example() -> None:
    assert set(EXAMPLES) == set(LAWS)
    assert all(law.name == name for name, law in EXAMPLES.items())


@pytest.mark.parametrize("name", LAWS)
def test_parameters_round_trip_through_json(name: str) -> None:
    law = EXAMPLES[name]
    again = law_from_parameters(name, json.loads(json.dumps(law.parameters(), allow_nan=False)))
    assert again == law
    assert (times(again) == times(law)).all()


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("factor", [0.5, 4.0])
def test_scaling_scales_every_time_exactly(name: str, factor: float) -> None:
    law = EXAMPLES[name]
    # A blend goes through logarithms, so a power of two is exact only up to rounding there.
    assert times(law.scaled(factor)) == pytest.approx(factor * times(law), rel=1e-13 if name == "blend" else 0)


@pytest.mark.parametrize("name", LAWS)
def test_times_are_positive_and_keep_the_shape(name: str) -> None:
    law = EXAMPLES[name]
    assert (times(law) > 0).all()
    if not name.startswith("gemm"):
        assert law.seconds(np.ones((2, 3))).shape == (2, 3)
        assert law.extrapolates(np.ones((2, 3))).shape == (2, 3)
        assert law.seconds(4).shape == ()
    else:
        assert law.seconds(np.ones((2, 3)), 64, 64).shape == (2, 3)


def test_formulas_by_hand() -> None:
    assert Affine(0.004, 0.0005).seconds(8) == pytest.approx(0.008)
    assert FloorAffine(0.01, 0.002, 0.001).seconds([1, 8, 9]) == pytest.approx([0.01, 0.01, 0.011])
    assert ROOF.seconds([1, 1000]) == pytest.approx([1e-4 + 2.01e-4, 1e-4 + 0.2])
    assert Stairs(1.0, 0.0, 2.0, 4.0).seconds([1, 4, 5]) == pytest.approx([3.0, 3.0, 5.0])
    assert SmoothFloor(3.0, 0.0, 1.0, 2.0).seconds([4]) == pytest.approx([5.0])
    assert GemmRoofline(1.0, 2.0, 0.0).seconds(2, 3, 4) == pytest.approx(25.0)


def test_table_follows_its_rows_even_downwards() -> None:
    table = Table((1, 2, 4), (0.010, 0.008, 0.020))
    assert table.seconds([1, 2, 3, 4]) == pytest.approx([0.010, 0.008, 0.014, 0.020])


def test_table_outside_its_rows() -> None:
    table = Table((2, 4, 8), (0.010, 0.012, 0.020))
    assert table.seconds([0, 1, 2]) == pytest.approx([0.0, 0.010, 0.010])
    assert table.seconds([10]) == pytest.approx([0.024])
    assert table.extrapolates([1, 8, 8.5, 9]).tolist() == [False, False, True, True]
    falling = Table((1, 2), (0.02, 0.01))
    assert falling.seconds([2, 100]) == pytest.approx([0.01, 0.01])
    single = Table((4,), (0.01,))
    assert single.seconds([1, 4, 400]) == pytest.approx([0.01, 0.01, 0.01])


def test_table_beyond_its_rows_is_at_least_the_roofline() -> None:
    roof = RooflineLaw(0.0, 1.0, 1.0, 0.0, 0.0, 1.0)
    table = Table((1, 2), (5.0, 5.5), roof)
    assert table.seconds([2, 3, 20]) == pytest.approx([5.5, 6.0, 20.0])


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=8))
def test_table_gives_back_its_rows(values: list[float]) -> None:
    batches = tuple(float(2**i) for i in range(len(values)))
    assert Table(batches, tuple(values)).seconds(batches).tolist() == values


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1e-3, 1), st.floats(1, 60))
def test_a_round_corner_lies_above_the_sharp_one(a: float, c: float, f: float, q: float) -> None:
    b = np.array([1.0, 4.0, 32.0])
    sharp = FloorAffine(f, a, c).seconds(b)
    smooth = SmoothFloor(f, a, c, q).seconds(b)
    assert (smooth >= sharp * (1 - 1e-12)).all()
    assert (smooth <= sharp * 2 ** (1 / q) * (1 + 1e-12)).all()


def test_rows_law_gives_back_its_rows_and_falls_back_to_the_trend() -> None:
    m, n, k = (np.array([64.0, 512.0, 4096.0]),) * 3
    residual = np.array([0.3, -0.2, 0.1])
    law = GemmRows(TREND, Distance(noise=0.0, wave=0.0), tuple(m), tuple(n), tuple(k), tuple(residual))
    assert law.seconds(m, n, k) == pytest.approx(TREND.seconds(m, n, k) * np.exp(residual), rel=1e-12)
    far = GemmRows(TREND, Distance(m=9.0, wave=0.0), (1.0,), (1.0,), (1.0,), (1.0,))
    assert far.seconds(8192, 64, 64) == pytest.approx(TREND.seconds(8192, 64, 64), rel=1e-9)


def test_rows_law_knows_layouts() -> None:
    law = GemmRows(
        TREND,
        Distance(noise=0.0, layout=50.0),
        (64.0,) * 3,
        (64.0,) * 3,
        (64.0, 64.0, 65.0),
        (0.5, 0.0, 0.5),
        ("NN", "NT", "NN"),
    )
    base = TREND.seconds(64, 64, 64)
    assert law.seconds(64, 64, 64, layout="NT") == pytest.approx(base, rel=1e-6)
    assert law.seconds(64, 64, 64, layout="NN") == pytest.approx(base * math.exp(0.5), rel=1e-6)
    assert law.seconds(64, 64, 64) == law.seconds(64, 64, 64, layout="NN")


@pytest.mark.parametrize(
    ("name", "parameters", "fragment"),
    [
        ("afine", {}, "did you mean affine?"),
        ("affine", {"a": 1.0}, "must be a, c"),
        ("affine", {"a": math.nan, "c": 1.0}, "must be finite"),
        ("affine", {"a": "x", "c": 1.0}, "must be a, c"),
        ("constant", {"time_s": -1.0}, "at least 0"),
        ("stairs", {"a": 0, "c": 0, "d": 1, "step": 0}, "at least 1"),
        ("roofline", {"o": 0, "flops": 1, "peak": 0, "weight_bytes": 0, "item_bytes": 0, "bandwidth": 1}, "peak"),
        ("table", {"batches": [], "times": []}, "at least one"),
        ("table", {"batches": [2, 1], "times": [1, 1]}, "must ascend"),
        ("table", {"batches": [0, 1], "times": [1, 1]}, "must be positive"),
        ("table", {"batches": [1, 2], "times": [1, -1]}, "not negative"),
        ("table", {"batches": [1, 2], "times": [1]}, "as many values"),
        ("corrected", {"trend": {}, "batches": [1], "residuals": [0]}, "parameters of law corrected"),
        ("blend", {"laws": [], "weights": []}, "one positive weight"),
        ("gemm-rows", {"trend": {"law": "gemm-roofline"}}, "parameters"),
    ],
)
def test_wrong_parameters_are_told(name: str, parameters: dict[str, Any], fragment: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        law_from_parameters(name, parameters)
    assert fragment in str(caught.value)
