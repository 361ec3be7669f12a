"""Every figure of the catalogue has a source, is sane, and equals the rows that it was taken from."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from simulator import catalogue
from simulator.catalogue.load import DATA, devices, models
from simulator.errors import ScenarioError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FIGURES = (
    "memory_bytes",
    "memory_bandwidth",
    "overhead_s",
    "memory_efficiency",
    "compute_efficiency",
    "link_bandwidth",
    "price_per_hour",
)
SPEC_ROWS = {
    "a100_pcie": "a100-pcie-80gb",
    "a100_sxm": "a100-80gb",
    "a30": "a30",
    "b200_sxm": "b200-sxm",
    "b300_sxm": "b300-sxm",
    "b60": "arc-pro-b60",
    "gb200": "gb200",
    "gb300": "gb300",
    "h100_pcie": "h100-pcie",
    "h100_sxm": "h100-sxm",
    "h200_sxm": "h200-sxm",
    "l4": "l4",
    "l40s": "l40s",
    "rtx_pro_6000_server": "rtx-pro-6000-server",
}
BERT_GPUS = {
    "NVIDIA DGX-1 (1x V100 16GB)": "v100-16gb",
    "NVIDIA DGX-1 (1x V100 32GB)": "v100-32gb",
    "NVIDIA DGX A100 (1x A100 40GB)": "a100-40gb",
}
RESNET_GPUS = {"NVIDIA DGX-1 (1x V100 16GB)": "v100-16gb", "NVIDIA T4": "t4"}


def shared_rows(name: str) -> list[dict[str, str]]:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the source file {name} is not beside this checkout")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", catalogue.device_names())
def test_every_figure_of_a_device_is_positive_and_has_a_source(name: str) -> None:
    one = catalogue.device(name)
    assert one.name == name == name.lower()
    assert one.kind in ("gpu", "cpu")
    for figure in FIGURES:
        assert getattr(one, figure) > 0
        assert one.sources[figure].strip()
    assert set(one.peak) <= set(catalogue.PRECISIONS)
    assert "fp32" in one.peak
    for precision, peak in one.peak.items():
        assert peak > 0
        assert one.sources[f"peak.{precision}"].strip()
    assert one.memory_efficiency <= 1
    assert one.compute_efficiency <= 1
    assert "assumption" in one.sources["price_per_hour"]
    assert re.search(r"20\d\d-\d\d", one.sources["price_per_hour"]), "a price says of which month it is"


@pytest.mark.parametrize("name", catalogue.device_names())
def test_figures_of_a_device_have_their_order_of_magnitude(name: str) -> None:
    """A slip of a unit (GB for GiB apart) would leave these bands."""
    one = catalogue.device(name)
    assert 8 * 2**30 <= one.memory_bytes <= 400 * 2**30
    assert 40e9 <= one.memory_bandwidth <= 8e12
    assert 0.1e12 <= one.peak["fp32"] <= 130e12
    assert 1e-6 <= one.overhead_s <= 20e-6
    assert 10e9 <= one.link_bandwidth <= 128e9
    assert 0.1 <= one.price_per_hour <= 20
    if one.kind == "gpu":
        assert one.peak["fp16"] >= 3.9 * one.peak["fp32"]


def test_the_names_that_scenarios_rely_on_exist() -> None:
    wanted = "v100-16gb v100-32gb a100-40gb a100-80gb a100-pcie-80gb t4 h100-sxm h100-pcie h200-sxm l4 l40s"
    more = "b200-sxm a30 xeon-8480 epyc-zen4"
    assert {*wanted.split(), *more.split()} <= set(catalogue.device_names())
    assert set(catalogue.model_names()) == {
        "bert-base",
        "bert-large",
        "resnet-50",
        "bert-base-384",
        "bert-large-384",
    }


def test_devices_equal_the_rows_of_their_source() -> None:
    rows = {row["gpu"]: row for row in shared_rows("kernels/gpu_specs.csv")}
    assert set(rows) == set(SPEC_ROWS)
    for key, name in SPEC_ROWS.items():
        row, one = rows[key], catalogue.device(name)
        assert one.memory_bytes == pytest.approx(float(row["mem_gib"]) * 2**30, rel=1e-12)
        assert one.memory_bandwidth == pytest.approx(float(row["mem_bw_gbs"]) * 1e9, rel=1e-12)
        assert one.link_bandwidth == pytest.approx(float(row["pcie_gbs"]) * 1e9, rel=1e-12)
        for precision, column in (("bf16", "bf16_tflops"), ("fp8", "fp8_tflops"), ("int8", "int8_tops")):
            if row[column]:
                assert one.peak[precision] == pytest.approx(float(row[column]) * 1e12, rel=1e-12)
            else:
                assert precision not in one.peak
        assert one.peak["fp16"] == one.peak["bf16"]


@pytest.mark.parametrize("name", ["b300-sxm", "gb300"])
def test_the_odd_integer_peaks_are_marked(name: str) -> None:
    one = catalogue.device(name)
    assert one.peak["int8"] < 0.1 * one.peak["fp8"]
    assert "looks like a slip" in one.sources["peak.int8"]


@pytest.mark.parametrize("name", catalogue.model_names())
def test_a_model_is_complete_and_sourced(name: str) -> None:
    one = catalogue.model(name)
    assert len(one.output_bytes) == one.layers
    assert one.weight_bytes_per_layer * one.layers == pytest.approx(2 * one.parameters, rel=1e-12)
    assert min(one.output_bytes) > 0
    assert one.output_bytes_per_layer == pytest.approx(sum(one.output_bytes) / one.layers)
    assert one.flops_per_layer * one.layers == pytest.approx(one.flops_per_item)
    for figure in (
        "layers",
        "parameters",
        "weight_bytes_per_layer",
        "output_bytes",
        "flops_per_item",
        "description",
    ):
        assert one.sources[figure].strip()
    assert "assumption" in one.sources["layers"]


@pytest.mark.parametrize(("name", "layers", "width"), [("bert-base", 12, 768), ("bert-large", 24, 1024)])
@pytest.mark.parametrize("sequence", [128, 384])
def test_bert_figures_follow_from_its_shape(name: str, layers: int, width: int, sequence: int) -> None:
    one = catalogue.model(name if sequence == 128 else f"{name}-{sequence}")
    assert (one.layers, one.sequence) == (layers, sequence)
    assert set(one.output_bytes) == {sequence * width * 2}
    gemms = layers * 2 * sequence * 12 * width * width
    attention = layers * 2 * 2 * sequence * sequence * width
    assert one.flops_per_item == gemms + attention
    encoder = layers * (12 * width * width + 13 * width)
    embeddings = (30522 + 512 + 2) * width + 2 * width
    assert one.parameters == encoder + embeddings + width * width + width


def test_curves_ascend_and_are_positive() -> None:
    for model in models().values():
        assert model.curves
        pairs = [(curve.device, curve.precision) for curve in model.curves]
        assert len(set(pairs)) == len(pairs)
        for curve in model.curves:
            assert curve.device in devices()
            assert curve.precision in catalogue.device(curve.device).peak
            assert curve.sequence == model.sequence
            assert list(curve.batches) == sorted(set(curve.batches))
            assert len(curve.batches) == len(curve.seconds)
            assert min(curve.batches) >= 1
            assert 1e-3 < min(curve.seconds) <= max(curve.seconds) < 1
            assert "NVIDIA/DeepLearningExamples" in curve.source


def test_no_measured_point_beats_the_peak() -> None:
    for model in models().values():
        for curve in model.curves:
            peak = catalogue.device(curve.device).peak[curve.precision]
            for batch, seconds in zip(curve.batches, curve.seconds):
                assert batch * model.flops_per_item / seconds < peak


def test_bert_curves_equal_the_rows_of_their_source() -> None:
    wanted: dict[tuple[str, str, str], list[tuple[int, float]]] = defaultdict(list)
    for row in shared_rows("early_exit/nvidia_bert_latency_by_batch.csv"):
        if row["gpu"] in BERT_GPUS:
            name = row["model"].replace("_", "-") + ("" if row["seq_len"] == "128" else f"-{row['seq_len']}")
            wanted[name, BERT_GPUS[row["gpu"]], row["precision"]].append(
                (int(row["batch"]), float(row["batch_time_ms"] + "e-3"))
            )
    assert_curves(wanted, [name for name in catalogue.model_names() if name.startswith("bert")])


def test_resnet_curves_equal_the_rows_of_their_source() -> None:
    wanted: dict[tuple[str, str, str], list[tuple[int, float]]] = defaultdict(list)
    for row in shared_rows("early_exit/nvidia_resnet50_latency_by_batch.csv"):
        assert (row["framework"], row["xla"]) == ("PyTorch", "False")
        precision = {"mixed": "fp16"}.get(row["precision"], row["precision"])
        wanted["resnet-50", RESNET_GPUS[row["gpu"]], precision].append(
            (int(row["batch"]), float(row["batch_time_ms"] + "e-3"))
        )
    assert_curves(wanted, ["resnet-50"])


def assert_curves(wanted: dict[tuple[str, str, str], list[tuple[int, float]]], names: list[str]) -> None:
    shipped = {
        (name, curve.device, curve.precision): list(zip(curve.batches, curve.seconds))
        for name in names
        for curve in catalogue.model(name).curves
    }
    assert shipped == {key: sorted(points) for key, points in wanted.items()}


def test_curve_lookup() -> None:
    found = catalogue.curve("bert-base", "v100-16gb", "fp16")
    assert found.batches == (1, 2, 4, 8)
    assert found.seconds == (0.004835, 0.005309, 0.006299, 0.008309)
    assert catalogue.find_curve("bert-base", "t4", "fp16") is None
    with pytest.raises(ScenarioError) as caught:
        catalogue.curve("bert-base", "t4", "fp16")
    assert "bert-base is not measured on t4 at fp16" in str(caught.value)
    assert "v100-16gb (fp16, fp32)" in str(caught.value)


@pytest.mark.parametrize(
    ("lookup", "name", "near"),
    [
        (catalogue.device, "v100-16g", "v100-16gb"),
        (catalogue.device, "H100-SXM", "h100-sxm"),
        (catalogue.model, "bert_base", "bert-base"),
    ],
)
def test_unknown_names_name_the_nearest(lookup: object, name: str, near: str) -> None:
    assert callable(lookup)
    with pytest.raises(ScenarioError, match=f"did you mean {near}"):
        lookup(name)


def test_records_cannot_be_changed() -> None:
    one = catalogue.device("t4")
    with pytest.raises(TypeError):
        one.peak["fp32"] = 1.0  # type: ignore[index]


def test_data_files_are_used_completely() -> None:
    """A source key without rows, or a row without its key, is a slip."""
    used = {row["source"] for name in ("devices", "models", "curves") for row in read(f"{name}.csv")}
    assert used == {row["key"] for row in read("sources.csv")}
    for name in ("devices", "models"):
        assert all(None not in row and None not in row.values() for row in read(f"{name}.csv"))


def read(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_loading_is_quick_and_light() -> None:
    for cached in (devices, models):
        cached.cache_clear()
    start = time.process_time()
    assert devices()
    assert models()
    assert time.process_time() - start < 0.03
    heavy = "[n for n in ('numpy', 'pandas', 'pydantic', 'ruamel.yaml') if n in sys.modules]"
    code = f"import sys, simulator.catalogue as c; c.device('t4'); c.model('bert-base'); print({heavy})"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"
