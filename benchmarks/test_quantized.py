"""How many times of quantized products are estimated per second: every law, vectorised, rows laws on full tables."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from benchmarks.precision_choice import DATA, products
from simulator.calibration.gemm_laws import Products, fit_roofline, fit_rows, fit_smooth
from simulator.calibration.gemm_tiles import fit_tiles, fit_utilization
from simulator.costs.base import Distance
from simulator.costs.quantized import (
    GemmDatasheet,
    Product,
    ProductLayer,
    QuantizedProduct,
    QuantizeInput,
    fastest,
)

COUNT = 20_000
ASKED_PER_S = 10_000.0


@lru_cache
def rows() -> Products:
    if not (DATA / "gemm_h100.csv.gz").exists():
        pytest.skip("the measured table gemm_h100.csv.gz is not here")
    return products("gemm_h100.csv.gz", "trtllm", "fp8")


@lru_cache
def law(name: str) -> Any:
    tiles = fit_tiles(rows())
    waves = Distance(norm=1.0, units=tiles.units)
    made: dict[str, Any] = {
        "gemm-datasheet": lambda: GemmDatasheet(1.978e15, 3.35e12, 1, 1, 2),
        "gemm-roofline": lambda: fit_roofline(rows()),
        "gemm-smooth": lambda: fit_smooth(rows()),
        "gemm-tiles": lambda: tiles,
        "gemm-utilization": lambda: fit_utilization(rows()),
        "gemm-rows, norm 1": lambda: fit_rows(rows(), tiles, waves),
        "gemm-rows, norm 2": lambda: fit_rows(rows(), tiles, Distance(units=tiles.units)),
        "quantized-product": lambda: QuantizedProduct(
            tiles, QuantizeInput(7e-6, 4e-13, 1.6e-12, 2e7, 2.0), 1e-6, 1e-12
        ),
    }
    return made[name]()


LAWS = (
    "gemm-datasheet",
    "gemm-roofline",
    "gemm-smooth",
    "gemm-tiles",
    "gemm-utilization",
    "gemm-rows, norm 1",
    "gemm-rows, norm 2",
    "quantized-product",
)


def shapes() -> tuple[Any, Any, Any]:
    """Shapes that lie on no grid."""
    rng = np.random.default_rng(1)
    m, n, k = (np.rint(2 ** rng.uniform(low, 14, COUNT)) for low in (0, 8, 8))
    return m, n, k


def timed(benchmark: Any, what: str, run: Any, estimates: int) -> float:
    """Estimates per second, also in the benchmark's report."""
    benchmark.extra_info["what"] = what
    benchmark.pedantic(run, rounds=3, iterations=1, warmup_rounds=1)
    rate = estimates / benchmark.stats.stats.min if benchmark.stats else float("inf")
    benchmark.extra_info["estimates per second"] = round(rate)
    return rate


@pytest.mark.parametrize("name", LAWS)
def test_estimates(benchmark: Any, name: str) -> None:
    found, asked = law(name), shapes()
    assert timed(benchmark, name, lambda: found.seconds(*asked), COUNT) >= ASKED_PER_S


def test_choices(benchmark: Any) -> None:
    laws, asked = {"bf16": law("gemm-rows, norm 1"), "fp8": law("gemm-rows, norm 2")}, shapes()
    assert timed(benchmark, "two precisions compared", lambda: fastest(laws, *asked), 2 * COUNT) >= ASKED_PER_S


def test_layers(benchmark: Any) -> None:
    layer = ProductLayer(
        law("gemm-rows, norm 1"), tuple(Product(n, 5120.0) for n in (10240.0, 51200.0, 5120.0, 25600.0))
    )
    batch = np.rint(2 ** np.random.default_rng(2).uniform(0, 13, COUNT // 4))
    assert timed(benchmark, "layers of four products", lambda: layer.seconds(batch), COUNT) >= ASKED_PER_S
