"""Networks from files: what was written is read, and what is wrong is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.calibration.int8 import Stored, load_network, save_network
from simulator.calibration.int8.npz import check_network
from simulator.errors import ScenarioError
from tests.calibration.int8.test_network import samples, small


@pytest.fixture
def arrays() -> dict[str, Any]:
    return {
        "layers": np.array(["linear:a", "relu", "linear:b"]),
        "input_shape": np.array([4]),
        "weight:a": np.ones((4, 3), np.float32),
        "bias:a": np.zeros(3),
        "weight:b": np.ones((3, 2)),
        "calibration": np.eye(4),
        "validation": np.eye(4),
        "validation_label": np.array([0, 1, 0, 1]),
    }


def test_what_was_written_is_read(tmp_path: Path) -> None:
    network, x = small().calibrated(samples()), samples(5, seed=3)
    labels = np.array([0, 1, 2, 0, 1])
    file = tmp_path / "net.npz"
    save_network(file, Stored(network, samples(), x, labels))
    found = load_network(file)
    assert found.network.layer_names == network.layer_names
    assert found.test is None
    assert found.validation is not None
    for name in ("fp32", "int8", "int4"):
        assert np.array_equal(found.network.forward(found.validation, [name] * 4), network.forward(x, [name] * 4))
    assert found.validation_label is not None
    assert found.validation_label.tolist() == labels.tolist()
    assert found.name == str(file)
    assert len(found.sha256) == 64
    smooth = load_network(file, smoothing=0.5).network.inputs
    assert smooth is not None
    assert smooth[0].per_channel


def test_least_of_all(arrays: dict[str, Any]) -> None:
    for name in ("bias:a", "calibration", "validation", "validation_label"):
        del arrays[name]
    found = check_network(arrays)
    assert found.network.forward([[1, 2, 3, 4]], ["fp32", "int4"]).shape == (1, 2)
    with pytest.raises(ScenarioError, match="needs input ranges"):
        found.network.forward([[1, 2, 3, 4]], ["int8", "int8"])


BAD: list[tuple[str, Any, str]] = [
    ("layers", None, r"f\.npz: has no array layers \(found: input_shape"),
    ("layers", np.array([1, 2]), r"layers: must be 1 to 1000 words, got int64 of shape \(2,\)"),
    ("layers", np.array(["linear:a", "tanh", "linear:b"]), "layers: 'tanh' is no layer"),
    ("layers", np.array(["linear:a", "linear:", "linear:b"]), "layers: 'linear:' is no layer"),
    ("layers", np.array(["linear:a", "linear:b", "linear:b"]), "two layers are called 'b'"),
    ("layers", np.array(["linear:b", "linear:a"]), "b: weights"),
    ("input_shape", None, "has no array input_shape"),
    ("input_shape", np.array([4.0]), "input_shape: must be whole numbers from 1"),
    ("input_shape", np.array([2, 2]), r"input_shape: must be \(inputs,\) or"),
    ("input_shape", np.array([-4]), "input_shape: must be whole numbers from 1"),
    ("input_shape", np.array([5]), "a: weights"),
    ("weight:a", None, "has no array weight:a"),
    ("weight:a", np.ones(3), "weight:a: must be numbers on 2 axes, got float64 of shape"),
    ("weight:a", np.full((4, 3), np.nan), "weight:a: 12 of 12 values are not finite"),
    ("weight:a", np.array([["x"]]), "weight:a: must be numbers on 2 axes"),
    ("bias:a", np.zeros(2), r"f\.npz: a: the bias has shape"),
    ("wieght:a", np.zeros(2), "wieght:a: is no array that is known, did you mean weight:a?"),
    ("stride:a", np.array([1, 1]), "stride:a: is no array that is known"),
    ("calibration", np.zeros((3, 5)), r"calibration: must be numbers \(rows, \*\(4,\)\)"),
    ("calibration", np.full((3, 4), 1e300), "calibration: holds values beyond"),
    ("validation_label", None, "validation and validation_label go together"),
    ("validation_label", np.array([0, 1]), "validation_label: must be 4 whole numbers"),
    ("validation_label", np.array([0, 1, 2, 0]), "validation_label: classes are 0 to 1 here, got 0 to 2"),
    ("test_label", np.array([0, 1]), "test and test_label go together"),
]


@pytest.mark.parametrize(("name", "value", "words"), BAD, ids=[f"{name}-{k}" for k, (name, _, _) in enumerate(BAD)])
def test_bad_arrays_give_one_clear_problem(arrays: dict[str, Any], name: str, value: Any, words: str) -> None:
    arrays[name] = value
    given = {key: array for key, array in arrays.items() if array is not None}
    with pytest.raises(ScenarioError, match=words) as error:
        check_network(given, "f.npz")
    assert len(error.value.problems) == 1
    assert error.value.problems[0].file == "f.npz"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("stride:c", np.array([0, 1]), "stride:c: must be 2 whole numbers from 1"),
        ("padding:c", np.array([1, 1]), "padding:c: must be 4 whole numbers from 0"),
        ("groups:c", np.array([3]), r"do not fit 2 input channels in 3 groups"),
        ("groups:c", np.array([2**40]), "groups:c: must be 1 whole numbers from 1"),
        ("dilation:c", np.array([9, 9]), "too small"),
    ],
)
def test_bad_convolutions(key: str, value: Any, words: str) -> None:
    given = {
        "layers": np.array(["conv:c"]),
        "input_shape": np.array([2, 4, 4]),
        "weight:c": np.ones((2, 2, 3, 3)),
        key: value,
    }
    with pytest.raises(ScenarioError, match=words):
        check_network(given, "f.npz")


def test_bad_files(tmp_path: Path) -> None:
    text = tmp_path / "text.npz"
    text.write_text("no zip")
    objects = tmp_path / "objects.npz"
    np.savez(objects, layers=np.array([{}], dtype=object))
    for file, words in [
        (tmp_path / "never.npz", "no such file"),
        (tmp_path, "is a folder"),
        (text, "is not an npz file"),
        (objects, "layers: holds Python objects"),
    ]:
        with pytest.raises(ScenarioError, match=words):
            load_network(file)
    with pytest.raises(ScenarioError, match="is a folder"):
        save_network(tmp_path, Stored(small()))
