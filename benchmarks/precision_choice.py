"""What calibration is worth, as a Markdown table: ``python -m benchmarks.precision_choice``.

Reads the measured tables of products in ``../shared/data/kernels`` (n and k from 256 to 16384, m up to 8192, the range
of the published fits) and the data sheets beside them.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from simulator.calibration.gemm_choice import FOLDS, Case, ValueOfCalibration, value_of_calibration
from simulator.calibration.gemm_laws import Products
from simulator.costs.quantized import GemmDatasheet, datasheet

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "kernels"
SCHEME = {
    "bfloat16": "bf16",
    "sq": "int8",
    "int8_wo": "int8-weights",
    "int4_wo": "int4",
    "fp8": "fp8",
    "fp8_block": "fp8",
    "nvfp4": "nvfp4",
}
"""What the number formats of the tables are called here."""
CASES = (
    ("A100 int8 SmoothQuant", "gemm_a100.csv.gz", "a100_sxm", "trtllm", "sq"),
    ("A100 int8 weight-only", "gemm_a100.csv.gz", "a100_sxm", "trtllm", "int8_wo"),
    ("A100 int4 weight-only", "gemm_a100.csv.gz", "a100_sxm", "trtllm", "int4_wo"),
    ("H100 fp8 dynamic", "gemm_h100.csv.gz", "h100_sxm", "trtllm", "fp8"),
    ("H100 fp8 block", "gemm_h100.csv.gz", "h100_sxm", "trtllm", "fp8_block"),
    ("B200 nvfp4", "gemm_b200_sub.csv.gz", "b200_sxm", "trtllm", "nvfp4"),
)
"""Name, table, device, stack and number format of every case; the alternative is bfloat16 of the same stack."""


@lru_cache
def _table(name: str) -> Mapping[tuple[str, str], Products]:
    rows: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    with gzip.open(DATA / name, "rt", newline="") as file:
        for row in csv.DictReader(file):
            m, n, k = (float(row[side]) for side in "mnk")
            if min(n, k) >= 256 and max(n, k) <= 16384 and m <= 8192:
                key = (row["stack"].split("-")[0], row["dtype"])
                rows.setdefault(key, []).append((n, k, m, float(row["latency_us"]) * 1e-6))
    return {key: _products(found) for key, found in rows.items()}


def _products(rows: Sequence[tuple[float, float, float, float]]) -> Products:
    n, k, m, t = np.array(sorted(rows)).T
    return Products(m, n, k, t)


def products(name: str, stack: str, dtype: str) -> Products:
    """Measured rows of one table, stack and number format [s], in the order of n, k, m."""
    return _table(name)[stack, dtype]


def sheet(device: str, dtype: str) -> GemmDatasheet:
    """The data-sheet law of a device at a number format of the tables."""
    with (DATA / "gpu_specs.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["gpu"] == device)
    columns = {"bf16": "bf16_tflops", "int8": "int8_tops", "fp8": "fp8_tflops", "nvfp4": "fp4_tflops"}
    peaks = {name: float(row[column]) * 1e12 for name, column in columns.items() if row[column]}
    return datasheet(peaks, float(row["mem_bw_gbs"]) * 1e9, SCHEME[dtype])


def case(name: str, table: str, device: str, stack: str, dtype: str) -> Case:
    """One case of the table."""
    return Case(
        name,
        products(table, stack, "bfloat16"),
        products(table, stack, dtype),
        sheet(device, "bfloat16"),
        sheet(device, dtype),
    )


def markdown(rows: Sequence[ValueOfCalibration]) -> str:
    """The table for people."""
    lines = [
        "| case | quantized is faster | right: data sheet | right: calibrated | extra time: data sheet "
        "| extra time: calibrated | error, bf16 / quantized |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.case} | {row.quantized_faster:.0%} | {row.sheet.right:.0%} | {row.fitted.right:.1%} "
        f"| {row.sheet.regret:.1%} | {row.fitted.regret:.2%} | {row.plain_mape:.1%} / {row.quantized_mape:.1%} |"
        for row in rows
    ]
    return "\n".join(lines)


def main(held_out: int = FOLDS) -> None:
    """Print the table."""
    print(markdown(value_of_calibration([case(*one) for one in CASES], held_out=held_out)))


if __name__ == "__main__":
    main()
