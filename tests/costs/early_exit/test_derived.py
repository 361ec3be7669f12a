"""Steady-state throughputs of BERT-base on SST-2 and 16 V100, computed before and apart from this code."""

from __future__ import annotations

import csv
from functools import cache

import pytest

from simulator.costs.base import Table
from simulator.costs.early_exit import (
    Capacity,
    Costs,
    capacity,
    correct,
    fires,
    first_exit,
    law_times,
    reach,
    relative_ramps,
    transfer_times,
    winning_runs,
)
from tests.costs.early_exit.test_reference import DATA, SST2, table

REFERENCE = "derived_split_replicate_reference.csv"
CURVE = "nvidia_bert_latency_by_batch.csv"
DEVICES = 16
ROWS = [
    (precision, threshold, batch)
    for precision, batches in (("fp32", 6), ("fp16", 7))
    for threshold in (0.8, 0.95)
    for batch in (2**power for power in range(batches))
]
Row = dict[str, str]


@cache
def rows(name: str) -> list[Row]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the measured rows {name} are not beside this checkout")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def costs(precision: str, batch: int) -> Costs:
    """A twelfth of the measured model per layer; ramps of 0.19 of a layer; a sender that always pays the latency."""
    curve = [
        (int(row["batch"]), int(row["batch"]) / float(row["throughput_sent_s"]))
        for row in rows(CURVE)
        if (row["gpu"], row["model"], row["seq_len"], row["precision"])
        == ("NVIDIA DGX-1 (1x V100 16GB)", "bert_base", "128", precision)
    ]
    law = Table(tuple(float(size) for size, _ in curve), tuple(seconds / 12 for _, seconds in curve))
    layers = law_times([law] * 12, batch)
    item = 128 * 768 * (2 if precision == "fp16" else 4)
    return Costs(
        layers, relative_ramps(layers, 0.19), transfer=transfer_times(batch, item, 12e9, 5e-5, empty_free=False)
    )


def survival(threshold: float, cuts: list[int] | None = None) -> tuple[list[float], float]:
    """Survival by layer and accuracy, with a ramp after every layer or at the cuts only."""
    one = table(SST2)
    active = None if cuts is None else [cut - 1 for cut in cuts]
    left = first_exit(fires(one, {"confidence": threshold}), active)
    return reach(left + 1, 12).tolist(), float(correct(one, left).mean())


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split("-")]


def split(precision: str, threshold: float, batch: int, cuts: list[int], replicas: list[int]) -> Capacity:
    share, _ = survival(threshold, cuts)
    return capacity(costs(precision, batch), share, replicas, exit_mode="at_cut", cuts=cuts)


def fractional(precision: str, threshold: float, batch: int, cuts: list[int]) -> float:
    """Devices in fractions: each portion has the share of the devices that its work asks for."""
    one = split(precision, threshold, batch, cuts, [1] * (len(cuts) + 1))
    return DEVICES / sum(1 / portion.rate for portion in one.portions)


def compact(precision: str, threshold: float, batch: int, devices: int = DEVICES) -> float:
    share, _ = survival(threshold)
    return capacity(costs(precision, batch), share, [devices], exit_mode="compact").rate


def vanilla(precision: str, batch: int, devices: int = DEVICES) -> float:
    return capacity(costs(precision, batch), [1.0] * 12, [devices], exit_mode="none").rate


@pytest.mark.parametrize(("precision", "threshold", "batch"), ROWS)
def test_reference_row(precision: str, threshold: float, batch: int) -> None:
    (row,) = [
        row
        for row in rows(REFERENCE)
        if (row["precision"], float(row["threshold"]), int(row["batch"])) == (precision, threshold, batch)
    ]
    cuts, replicas = numbers(row["cuts_int16"]), numbers(row["replicas_int16"])
    whole = split(precision, threshold, batch, cuts, replicas)
    found = {
        "vanilla_per_s": vanilla(precision, batch),
        "naive_per_s": compact(precision, threshold, batch),
        "split_int16_per_s": whole.rate,
        "split_fractional_per_s": fractional(precision, threshold, batch, numbers(row["cuts_fractional"])),
        "service_ms": whole.service_s * 1e3,
    }
    assert found == {name: pytest.approx(float(row[name]), rel=1e-3) for name in found}
    accuracies = {"acc_naive": survival(threshold)[1], "acc_split": survival(threshold, cuts)[1]}
    assert accuracies == {name: pytest.approx(float(row[name]), abs=0.5e-4) for name in accuracies}


def test_every_row_is_tested() -> None:
    listed = {(row["precision"], float(row["threshold"]), int(row["batch"])) for row in rows(REFERENCE)}
    assert listed == set(ROWS)


def test_gains_at_batch_8() -> None:
    whole = split("fp16", 0.8, 8, [2, 4, 7], [6, 4, 3, 3]).rate
    assert whole / vanilla("fp16", 8) == pytest.approx(1.89, abs=0.005)
    assert whole / compact("fp16", 0.8, 8) == pytest.approx(1.43, abs=0.005)


@pytest.mark.parametrize(("precision", "batches", "wins"), [("fp16", 7, (2, 64)), ("fp32", 6, (2, 16))])
def test_splitting_wins_on_an_interval_of_batch_sizes(precision: str, batches: int, wins: tuple[int, int]) -> None:
    sizes = [2**power for power in range(batches)]
    one = [split(precision, 0.8, size, [2, 4, 7], [6, 4, 3, 3]).rate for size in sizes]
    (run,) = winning_runs(one, [compact(precision, 0.8, size) for size in sizes], sizes)
    assert (run.first, run.last) == wins


def test_devices_for_20000_per_second() -> None:
    """Whole-model and shrinking devices are counted, the split plan of 12 devices is given."""
    assert next(n for n in range(1, 40) if vanilla("fp16", 8, n) >= 20_000) == 21
    assert next(n for n in range(1, 40) if compact("fp16", 0.8, 8, n) >= 20_000) == 16
    assert split("fp16", 0.8, 8, [3, 5], [6, 2, 4]).rate >= 20_000
