"""Published and recomputed figures of measured exit tables, within half a unit of the last printed digit."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from simulator.costs.early_exit import (
    ExitTable,
    agreement,
    correct,
    fires,
    first_exit,
    load_table,
    score,
    survival,
)

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "early_exit"
SST2 = "sst2_bert_base_12exit.csv"
CIFAR10 = "cifar10_mobilenet_2exit_cpu.csv"
IMDB = "imdb_elasticbert_8exit_preds.csv"
VIT = "caltech256_vit_12exit_bs128.csv"
MINILM = "own_sst2_minilm_6exit.csv"
IMDB_LAYERS = np.array([1, 2, 3, 4, 5, 7, 9, 12])

Rule = dict[str, float | int]


@cache
def table(name: str, split: str | None = None) -> ExitTable:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the measured table {name} is not beside this checkout")
    return load_table(path, split=split)


def near(value: float, digits: int) -> object:
    """Half a unit of the last printed digit."""
    return pytest.approx(value, abs=0.5 * 10.0**-digits * (1 + 1e-9), rel=0)


def scores(one: ExitTable, rule: Rule) -> tuple[float, float]:
    """Accuracy and mean number of exits passed."""
    left = first_exit(fires(one, rule))
    return float(correct(one, left).mean()), float((left + 1).mean())


def test_sst2_accuracy_by_exit() -> None:
    wanted = [0.5092, 0.7913, 0.8177, 0.8567, 0.8704, 0.8727, 0.8796, 0.8865, 0.8911, 0.8979, 0.9060, 0.9025]
    assert list(correct(table(SST2)).mean(axis=0)) == near_all(wanted, 4)


def near_all(values: list[float], digits: int) -> object:
    return pytest.approx(values, abs=0.5 * 10.0**-digits * (1 + 1e-9), rel=0)


@pytest.mark.parametrize(
    ("rule", "accuracy", "layers"),
    [
        ({"confidence": 0.70}, 0.8670, 3.31),
        ({"confidence": 0.80}, 0.8796, 4.70),
        ({"confidence": 0.90}, 0.8945, 7.01),
        ({"confidence": 0.95}, 0.8991, 9.00),
        ({"confidence": 0.98}, 0.9025, 10.56),
        ({"entropy": 0.2}, 0.8979, 8.97),
        ({"entropy": 0.3}, 0.8956, 7.36),
        ({"entropy": 0.4}, 0.8911, 6.01),
        ({"entropy": 0.5}, 0.8784, 4.71),
        ({"patience": 2}, 0.8337, 3.69),
        ({"patience": 3}, 0.8727, 4.93),
        ({"patience": 4}, 0.8899, 6.07),
        ({"patience": 6}, 0.8945, 8.16),
    ],
)
def test_sst2_rules(rule: Rule, accuracy: float, layers: float) -> None:
    assert scores(table(SST2), rule) == (near(accuracy, 4), near(layers, 2))


@pytest.mark.parametrize(
    ("threshold", "running"),
    [
        (0.70, [1, 0.416, 0.272, 0.148, 0.109, 0.096, 0.072, 0.061, 0.050, 0.046, 0.036]),
        (0.80, [1, 0.628, 0.452, 0.333, 0.253, 0.237, 0.195, 0.169, 0.156, 0.148, 0.132]),
        (0.90, [1, 0.845, 0.704, 0.538, 0.476, 0.469, 0.432, 0.413, 0.399, 0.378, 0.358]),
        (0.95, [1, 0.932, 0.820, 0.689, 0.677, 0.677, 0.665, 0.657, 0.651, 0.617, 0.615]),
        (0.98, [1, 0.984, 0.920, 0.831]),
    ],
)
def test_sst2_survival(threshold: float, running: list[float]) -> None:
    one = table(SST2)
    remaining = survival(first_exit(fires(one, {"confidence": threshold})), one.exits)
    assert list(remaining[: len(running)]) == near_all(running, 3)


def test_sst2_carries_two_points_of_accuracy() -> None:
    one = score(table(SST2), {"confidence": 0.8})
    assert one.accuracy is not None
    assert one.accuracy.half_width == pytest.approx(0.0216, abs=0.0015)
    assert one.basis.startswith("872 rows: accuracy 88.0% within +-2.")


def test_scores_of_tables_are_those_of_the_note() -> None:
    conf = score(table(SST2), {"confidence": 0.9})
    assert conf.accuracy is not None
    assert (conf.accuracy.value, conf.mean_layers.value) == (near(0.8945, 4), near(7.01, 2))
    imdb = score(table(IMDB), {"patience": 2}, at=IMDB_LAYERS.tolist())
    assert imdb.accuracy is not None
    assert (imdb.accuracy.value, imdb.mean_layers.value) == (near(0.8149, 4), near(4.70, 2))
    vit = score(table(VIT), {"confidence": 0.95})
    assert vit.accuracy is None
    assert vit.agreement is not None
    assert (vit.agreement.value, vit.mean_layers.value) == (near(0.900, 3), near(7.72, 2))
    assert vit.basis.startswith("7557 rows: agreement 90.0%")


def test_sst2_with_ramps_at_cuts_only() -> None:
    """Leaving out ramps changes who survives: the cuts 2-4-7 at 0.8 give .8842, all ramps .8796."""
    one = table(SST2)
    left = first_exit(fires(one, {"confidence": 0.8}), active=[1, 3, 6])
    assert float(correct(one, left).mean()) == near(0.8842, 4)


def test_confidence_is_not_monotone_in_depth() -> None:
    alone = ~fires(table(SST2), {"confidence": 0.8})
    assert float(alone[:, 4].mean()) == near(0.318, 3)
    assert float(alone[:, 5].mean()) == near(0.362, 3)


@pytest.mark.parametrize(
    ("threshold", "exits", "accuracy", "faster"),
    [
        (0.6, 0.736, 0.8215, 1.44),
        (0.7, 0.635, 0.8250, 1.36),
        (0.8, 0.530, 0.8286, 1.28),
        (0.9, 0.391, 0.8289, 1.20),
    ],
)
def test_cifar10(threshold: float, exits: float, accuracy: float, faster: float) -> None:
    one = table(CIFAR10)
    left = first_exit(fires(one, {"confidence": threshold}))
    assert float((left == 0).mean()) == near(exits, 3)
    assert float(correct(one, left).mean()) == near(accuracy, 4)
    first, second = milliseconds()
    spent = first.mean() + (second * (left == 1)).mean()
    assert float((first.mean() + second.mean()) / spent) == near(faster, 2)


def milliseconds() -> tuple[np.ndarray, np.ndarray]:
    with (DATA / CIFAR10).open(newline="") as file:
        rows = [(float(row["layer_ms_1"]), float(row["layer_ms_2"])) for row in csv.DictReader(file)]
    times = np.array(rows)
    return times[:, 0], times[:, 1]


def test_cifar10_whole_model() -> None:
    assert float(correct(table(CIFAR10))[:, -1].mean()) == near(0.8291, 4)


def test_imdb_by_exit() -> None:
    right = correct(table(IMDB))
    wanted = [0.5657, 0.5000, 0.8035, 0.8069, 0.8051, 0.8060, 0.8266, 0.8300]
    assert list(right.mean(axis=0)) == near_all(wanted, 4)
    assert float(right.all(axis=1).mean()) == near(0.262, 3)
    assert float((~right.any(axis=1)).mean()) == near(0.033, 3)
    assert float(((right[:, -1] == 0) & right[:, :-1].any(axis=1)).mean()) == near(0.137, 3)
    assert float(right.any(axis=1).mean()) == near(0.967, 3)
    oracle = np.where(right.any(axis=1), right.argmax(axis=1), 7)
    assert float(IMDB_LAYERS[oracle].mean()) == near(2.08, 2)


@pytest.mark.parametrize(("agreements", "accuracy", "layers"), [(2, 0.8149, 4.70), (3, 0.8247, 6.49)])
def test_imdb_patience(agreements: int, accuracy: float, layers: float) -> None:
    one = table(IMDB)
    left = first_exit(fires(one, {"patience": agreements}))
    assert float(correct(one, left).mean()) == near(accuracy, 4)
    assert float(IMDB_LAYERS[left].mean()) == near(layers, 2)


@pytest.mark.parametrize(
    ("threshold", "agrees", "layers"), [(0.9, 0.814, 6.88), (0.95, 0.900, 7.72), (0.99, 0.971, 8.84)]
)
def test_vit_agrees_with_its_last_exit(threshold: float, agrees: float, layers: float) -> None:
    one = table(VIT)
    left = first_exit(fires(one, {"confidence": threshold}))
    assert float(agreement(one, left).mean()) == near(agrees, 3)
    assert float((left + 1).mean()) == near(layers, 2)
    assert np.isnan(correct(one, left)).all()


def test_minilm_gains_accuracy_by_exiting() -> None:
    one = table(MINILM, "heldout")
    by_exit = correct(one).mean(axis=0)
    assert near(0.839, 3) == float(by_exit.min())
    assert near(0.843, 3) == float(by_exit.max())
    assert scores(one, {"confidence": 0.8}) == (near(0.8644, 4), near(1.71, 2))
    assert (one.rows, table(MINILM, "dev").rows) == (5000, 872)


@pytest.mark.parametrize(
    ("name", "at_090", "at_099"),
    [
        ("joint", (0.9908, 1.71), (0.9912, 2.64)),
        ("two_stage", (0.9798, 1.91), (0.9872, 3.06)),
        ("seq_ramps", (0.9796, 1.83), (0.9842, 2.92)),
        ("seq_full", (0.9756, 2.09), (0.9638, 3.57)),
    ],
)
def test_mnist1d_trainings(name: str, at_090: tuple[float, float], at_099: tuple[float, float]) -> None:
    """The tables hold four decimals: a threshold of 0.99 lets more samples exit than before rounding."""
    one = table(f"own_mnist1d_6exit_{name}.csv")
    for threshold, (accuracy, exits) in ((0.9, at_090), (0.99, at_099)):
        slack = 0.01 if threshold == 0.99 else 0.005
        found, passed = scores(one, {"confidence": threshold})
        assert found == near(accuracy, 4)
        assert passed == pytest.approx(exits, abs=slack)
