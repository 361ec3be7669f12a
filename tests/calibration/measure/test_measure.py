"""Measured here: rows that the fit reads as they are, and what becomes of devices, limits and interruptions."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.calibration import fit
from simulator.calibration.measure import Effort, Measurement, measure
from simulator.calibration.measure.backends import base, cuda
from simulator.calibration.measure.backends.arrays import Numpy
from simulator.calibration.measure.probe import ThreadClock
from simulator.calibration.measure.rounds import MOST_TIMES
from simulator.costs.base import read_costs
from simulator.costs.base.file import find_costs
from simulator.errors import ScenarioError
from tests.calibration.measure.fakes import Torch

QUICK = Effort(2, 3, 60.0)
BATCHES = (1, 2, 4, 8)


def measured(kind: str, *shapes: str, **asked: Any) -> Measurement:
    usual: dict[str, Any] = {"backend": "numpy", "batches": BATCHES, "effort": QUICK, "device": "cpu"}
    return measure(kind, shapes, **usual | asked)


def table(found: Measurement) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(found.to_csv())))


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurement, Path]:
    found = measured("gemm", "16x16", "16x32", "32x16")
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    found.write(path)
    return found, path


def test_rows(products: tuple[Measurement, Path]) -> None:
    rows = table(products[0])
    shapes = {(row["k"], row["n"], row["dtype"], row["m"]) for row in rows}
    assert len(shapes) == len(rows) == 3 * 2 * 4
    for row in rows:
        assert float(row["latency_us"]) > 0
        assert float(row["median_to_least"]) >= 1
        assert float(row["cv_rounds"]) >= 0
        assert 2 <= int(row["rounds"]) <= 2 * MOST_TIMES
        assert int(row["calls"]) >= 6
        assert (row["backend"], row["threads"], row["clock"]) == ("numpy", "1", "thread-cpu")
        assert row["version"]
        assert row["processor"]
        assert row["isa"]


def test_products_are_fitted_unchanged(products: tuple[Measurement, Path]) -> None:
    found, path = products
    by_shape = fit(path)
    assert by_shape.kind == "gemm"
    assert (by_shape.time_column, by_shape.unit) == ("latency_us", "us")
    assert [group.rows for group in by_shape.groups] == [12, 12]
    by_batch = fit(path, kind="batch")
    assert [group.rows for group in by_batch.groups] == [4] * 6
    for group in by_batch.groups:
        assert group.span == (1.0, 8.0)
    assert len(found.rows) == by_shape.rows == by_batch.rows


@pytest.mark.parametrize(("kind", "shape"), [("mlp", "block=16-32-8"), ("conv", "block=3-4-8s2@8")])
def test_networks_are_costs_that_a_scenario_names(kind: str, shape: str, tmp_path: Path) -> None:
    measured(kind, shape).write(tmp_path / "rows.csv")
    found = fit(tmp_path / "rows.csv")
    assert found.kind == "batch"
    assert [group.rows for group in found.groups] == [4, 4]
    found.write(tmp_path / "costs.yaml")
    group = find_costs(read_costs(tmp_path / "costs.yaml"), layer="block", device="any", precision="fp32")
    assert group.span == (1.0, 8.0)


def test_json_is_strict_and_holds_the_rows(products: tuple[Measurement, Path]) -> None:
    said = json.loads(json.dumps(products[0].to_json(), allow_nan=False))
    assert len(said["rows"]) == 24
    assert said["interrupted"] is False
    assert said["notes"] == list(products[0].notes)


def test_one_round_has_no_noise(tmp_path: Path) -> None:
    found = measured("gemm", "8x8", effort=Effort(1, 2, 60.0))
    assert {row["cv_rounds"] for row in table(found)} == {""}
    found.write(tmp_path / "rows.csv")
    assert fit(tmp_path / "rows.csv").rows == len(found.rows)


def test_variants_and_batches_as_asked() -> None:
    found = measured("gemm", "8x8", variants=["fp16"], batches=[3, 3, 1])
    assert [(row.labels["dtype"], row.labels["m"]) for row in found.rows] == [("fp16", 3), ("fp16", 1)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"batches": []}, "names no batch size"),
        ({"batches": [0]}, "from 1 to"),
        ({"device": "tpu"}, "must be auto, cpu, cuda"),
        ({"variants": ["fp8"]}, "unknown variant 'fp8'"),
        ({"effort": Effort(1, 1, 1e-9)}, "nothing was measured: the time limit"),
    ],
)
def test_refusals(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        measured("gemm", "8x8", **asked)


def test_an_interruption_returns_what_is_finished(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Tired(ThreadClock):
        def lap(self, call: Any) -> Any:
            laps.append(call)
            if len(set(map(id, laps))) > 2:
                raise KeyboardInterrupt
            return super().lap(call)

    laps: list[Any] = []
    monkeypatch.setattr(Numpy, "provenance", lambda self: {"backend": "numpy"})
    monkeypatch.setattr(base, "ThreadClock", Tired)
    found = measured("gemm", "8x8")
    assert found.interrupted
    assert [row.labels["m"] for row in found.rows] == [1, 2]
    found.write(tmp_path / "rows.csv")
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 3


def test_nothing_finished_is_not_written(tmp_path: Path) -> None:
    empty = Measurement("gemm", (), (), True, None, 0.0, True)
    with pytest.raises(ScenarioError, match="nothing was measured"):
        empty.write(tmp_path / "rows.csv")
    assert list(tmp_path.iterdir()) == []


class TestDevices:
    """With a library that says that there is a device."""

    @pytest.fixture(autouse=True)
    def torch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", Torch())

    def test_a_device_is_measured_beside_the_processor(self) -> None:
        found = measured("gemm", "32x16", "16x32", device="auto", batches=(1, 2, 32))
        assert {row.labels["clock"] for row in found.rows} == {"thread-cpu", "cuda-event"}
        times = [row.latency_us for row in found.rows if row.labels["backend"] == "torch-cuda"]
        assert times == pytest.approx([250.0] * len(times))
        assert any("at least 17" in note for note in found.notes)
        assert all(None not in row.values() for row in table(found))

    def test_only_the_device(self) -> None:
        found = measured("gemm", "32x16", device="cuda", batches=(32,))
        assert [row.labels["dtype"] for row in found.rows] == ["bf16", "fp16", "fp8", "int8"]

    def test_a_variant_goes_where_it_exists(self) -> None:
        found = measured("gemm", "32x16", device="auto", batches=(32,), variants=["fp32", "fp8"])
        assert [row.labels["backend"] for row in found.rows] == ["numpy", "torch-cuda"]

    def test_networks_are_refused_there(self) -> None:
        with pytest.raises(ScenarioError, match="on a CUDA device only gemm, stream can be measured, not mlp"):
            measured("mlp", "8-8", device="cuda")
        assert {row.labels["backend"] for row in measured("mlp", "8-8", device="auto").rows} == {"numpy"}


def test_without_a_device_one_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "absent", lambda: "torch sees none")
    found = measured("gemm", "8x8", device="auto")
    assert found.notes[0] == "no CUDA device here (torch sees none): measured on the processor only"
    assert sum("CUDA" in note for note in found.notes) == 1
    with pytest.raises(ScenarioError, match="no CUDA device here: torch sees none"):
        measured("gemm", "8x8", device="cuda")
