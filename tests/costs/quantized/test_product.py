"""Products by precision, layers of products, and their bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.base import GemmSmooth
from simulator.costs.base.law import BatchLaw
from simulator.costs.base.precision import PRECISIONS
from simulator.costs.quantized import (
    SCHEMES,
    Efficiency,
    Product,
    ProductLayer,
    QuantizedProduct,
    QuantizeInput,
    activation_bytes,
    datasheet,
    layer_memory,
    overlap_classes,
    peak_of,
    quantized_product,
    scheme,
    table_bytes,
    weight_bytes,
)
from simulator.errors import ScenarioError

PEAKS = {"fp32": 6.7e13, "tf32": 4.9e14, "bf16": 9.89e14, "fp8": 1.978e15, "int8": 1.978e15, "nvfp4": 4e15}
BANDWIDTH = 3.35e12
SIDE = st.integers(1, 20000)


def test_every_precision_of_scenarios_is_a_scheme_with_its_bytes_and_peak() -> None:
    for name, known in PRECISIONS.items():
        assert (scheme(name).weight_bytes, scheme(name).compute) == (known.weight_bytes, known.compute)


def test_sixteen_bit_formats_stand_for_each_other_and_others_do_not() -> None:
    assert peak_of(PEAKS, "fp16") == peak_of(PEAKS, "int4") == peak_of(PEAKS, "int8-weights") == PEAKS["bf16"]
    with pytest.raises(ScenarioError, match="no int8 peak"):
        peak_of({"bf16": 1e15}, "int8")
    with pytest.raises(ScenarioError, match="int8-weights"):
        scheme("int8-weight")


@given(SIDE, SIDE, SIDE)
def test_the_data_sheet_never_says_that_fewer_bits_are_slower(m: int, n: int, k: int) -> None:
    laws = {name: datasheet(PEAKS, BANDWIDTH, name).seconds(m, n, k) for name in ("bf16", "fp8", "nvfp4", "int4")}
    assert laws["nvfp4"] <= laws["fp8"] <= laws["bf16"]
    assert laws["int4"] <= laws["bf16"]


def test_limits_of_the_data_sheet() -> None:
    """One row reads weights; a large product computes."""
    one = datasheet(PEAKS, BANDWIDTH, "bf16").seconds(1, 8192, 8192) / datasheet(PEAKS, BANDWIDTH, "int4").seconds(
        1, 8192, 8192
    )
    assert one == pytest.approx(4, rel=1e-2)
    large = [datasheet(PEAKS, BANDWIDTH, name).seconds(16384, 16384, 16384) for name in ("bf16", "int4", "fp8")]
    assert large == pytest.approx([2 * 16384**3 / PEAKS[peak] for peak in ("bf16", "bf16", "fp8")])


@given(st.sampled_from(sorted(SCHEMES)), st.booleans(), SIDE, SIDE, SIDE)
def test_a_product_is_the_sum_of_its_parts(name: str, fused: bool, m: int, n: int, k: int) -> None:
    reached = Efficiency(3e-6, compute=0.7, memory=0.8)
    law = quantized_product(PEAKS, BANDWIDTH, name, reached, fused=fused)
    parts = law.product.seconds(m, n, k) + law.restore_launch_s + law.restore_s * m * n
    parts += law.quantize.seconds(m, k) if law.quantize else 0.0
    assert law.seconds(m, n, k) == pytest.approx(float(parts), rel=1e-12)
    assert (law.quantize is not None) == SCHEMES[name].quantizes_input
    light = datasheet(PEAKS, BANDWIDTH, name).seconds(m, n, k)
    assert law.seconds(m, n, k) > light
    static = quantized_product(PEAKS, BANDWIDTH, name, reached, static=True, fused=fused)
    assert static.seconds(m, n, k) <= law.seconds(m, n, k)
    assert quantized_product(PEAKS, BANDWIDTH, name, reached).seconds(m, n, k) <= law.seconds(m, n, k)


def test_quantization_of_inputs_makes_small_products_slower_and_large_ones_faster() -> None:
    reached = Efficiency(3e-6, compute=0.7, memory=0.8)
    plain, eight = (quantized_product(PEAKS, BANDWIDTH, name, reached) for name in ("bf16", "fp8"))
    assert eight.seconds(1, 1024, 1024) > plain.seconds(1, 1024, 1024)
    assert eight.seconds(8192, 8192, 8192) < 0.7 * plain.seconds(8192, 8192, 8192)


def test_a_layer_is_the_sum_of_its_products() -> None:
    law = QuantizedProduct(GemmSmooth(2e-6, 1e15, 0, 0, 0, 1e-12, 1e-12, 1e-12, 2), QuantizeInput(7e-6, 0, 0, 1, 2))
    layer = ProductLayer(law, (Product(6144, 4096, rows=128), Product(4096, 4096, rows=128, count=2)))
    assert isinstance(layer, BatchLaw)
    batch = np.array([1.0, 4.0, 32.0])
    wanted = law.seconds(128 * batch, 6144, 4096) + 2 * law.seconds(128 * batch, 4096, 4096)
    assert layer.seconds(batch) == pytest.approx(wanted)
    assert not layer.extrapolates(batch).any()


@pytest.mark.parametrize(
    ("size", "kernel", "how", "classes"),
    [
        (56, 3, {"padding": 1}, 3),
        (28, 5, {"padding": 2}, 5),
        (224, 7, {"stride": 2, "padding": 3}, 4),
        (14, 3, {"stride": 2, "padding": 1}, 2),
        (56, 1, {}, 1),
    ],
)
def test_published_class_counts(size: int, kernel: int, how: dict[str, int], classes: int) -> None:
    assert overlap_classes(size, kernel, **how) == classes


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 3), st.integers(0, 6), st.integers(1, 3))
def test_classes_are_the_different_sums_of_a_kernel_of_powers(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    """Correlating ones with 1, 2, 4, ... gives every set of taps a sum of its own."""
    padded = np.pad(np.ones(size), padding)
    reach = dilation * (kernel - 1) + 1
    sums = [
        padded[i : i + reach : dilation] @ 2.0 ** np.arange(kernel) for i in range(0, len(padded) - reach + 1, stride)
    ]
    found = overlap_classes(size, kernel, stride=stride, padding=padding, dilation=dilation)
    assert found == len(set(sums))
    assert found <= kernel * (kernel + 1) // 2 + 1  # contiguous runs of taps, or none at all


def test_bytes_by_precision() -> None:
    assert weight_bytes(4096, 1024, "bf16") == 2 * 4096 * 1024
    assert weight_bytes(4096, 1024, "int8") == 4096 * 1024 + 4 * 4096
    assert weight_bytes(4096, 1024, "nvfp4") == 9 / 16 * 4096 * 1024 + 4 * 4096
    assert table_bytes(64, (4, 4)) == 4 * 4 * 64 * 4
    assert activation_bytes(8, 4096, 1024, "bf16") == 2 * 8 * (4096 + 1024)
    memory = layer_memory(8, 64, 147, "int8", classes=(4, 4))
    assert (memory.table, memory.total) == (4096, memory.weights + 4096 + memory.activations)
    assert layer_memory(8, 64, 147, "fp8", classes=(4, 4)).table == 0
