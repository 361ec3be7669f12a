"""A processor's profile, measured elsewhere, is predicted where it was not looked at: 5 % for batch sizes, 8 % for
shapes. Both errors are means over held-out rows."""

from pathlib import Path

import pytest

from simulator.calibration import fit
from simulator.calibration.rows import read_rows
from tests.calibration.test_measured import fitted

ROWS = Path(__file__).resolve().parents[4] / "shared" / "data" / "kernels" / "cpu_zen4_int8.csv"
pytestmark = pytest.mark.skipif(not ROWS.exists(), reason="measured data kernels/cpu_zen4_int8.csv is not here")


def products(folder: Path, stack: str) -> Path:
    """The matrix products of one library, as rows of kind gemm."""
    rows = read_rows(ROWS)
    lines = ["stack,variant,m,n,k,cpu_us_min"]
    columns = (rows.columns[name] for name in ("stack", "model", "variant", "batch", "cpu_us_min"))
    for library, model, variant, batch, time in zip(*columns):
        if library.startswith(stack) and model.startswith("gemm_"):
            k, n = model.removeprefix("gemm_").split("x")
            lines.append(f"{library},{variant},{batch},{n},{k},{time}")
    path = folder / "products.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_batch_sizes_left_out() -> None:
    found = fitted("kernels/cpu_zen4_int8.csv", "cpu_us_min")  # seconds of work, shared with the tests of the fit
    assert found.kind == "batch"
    assert found.mape is not None
    assert found.mape <= 0.05


@pytest.mark.parametrize("stack", ["onnxruntime", "torch"])
def test_shapes_left_out(stack: str, tmp_path: Path) -> None:
    found = fit(products(tmp_path, stack), kind="gemm")
    assert found.mape is not None
    assert found.mape <= 0.08


def test_layers_left_out(tmp_path: Path) -> None:
    """Whole layers that were never measured, at any batch size."""
    found = fit(products(tmp_path, "onnxruntime"), kind="gemm", hold_out="layers")
    assert found.mape is not None
    assert found.mape <= 0.08
