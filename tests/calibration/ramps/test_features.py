"""Feature files that cannot be used: one clear message each."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.calibration.ramps.features import check_features, load_features
from simulator.calibration.ramps.npz import read_arrays
from simulator.calibration.ramps.split import split
from simulator.errors import ScenarioError
from tests.calibration.ramps.builders import Arrays, arrays, saved


def changed(name: str, value: Any) -> Arrays:
    return arrays() | {name: np.asarray(value)}


def poked(name: str, value: float) -> Arrays:
    found = arrays()
    found[name] = found[name].astype(float)
    found[name].flat[17] = value
    return found


def without(name: str) -> Arrays:
    return {key: array for key, array in arrays().items() if key != name}


WRONG: dict[str, tuple[Arrays, str]] = {
    "nan": (
        poked("state_2", np.nan),
        r"state_2: 1 of 1200 values are not finite numbers, the first at row 4, column 1",
    ),
    "infinite": (poked("query", np.inf), "query: 1 of 900 values are not finite"),
    "no label": (without("label"), "has no array label"),
    "no states": ({"label": arrays()["label"]}, "has no array state_1"),
    "gap in states": (without("state_2"), "has no array state_2"),
    "one state": ({key: arrays()[key] for key in ("label", "state_1")}, "has one state"),
    "rows differ": (changed("state_3", np.zeros((7, 4))), "state_3: has 7 rows, but label has 300"),
    "flat state": (changed("state_1", np.zeros(300)), r"state_1: must be \(rows, width\), got shape \(300,\)"),
    "images": (changed("state_1", np.zeros((300, 8, 8))), "state_1: .*pool or flatten"),
    "no width": (changed("state_1", np.zeros((300, 0))), r"state_1: .*got shape \(300, 0\)"),
    "text": (changed("state_1", np.full((300, 4), "a")), "state_1: must be real numbers, got <U1"),
    "complex": (changed("state_1", np.ones((300, 4), complex)), "state_1: must be real numbers, got complex128"),
    "label shape": (changed("label", np.zeros((300, 1))), "label: must be one number per row"),
    "half a class": (poked("label", 0.5), r"label: must be whole numbers, got 0\.5 at row 17"),
    "no number": (poked("label", np.nan), "label: must be whole numbers, got nan at row 17"),
    "below zero": (poked("label", -1), "label: classes count from 0, found -1 at row 17"),
    "one class": (changed("label", np.full(300, 2)), r"label: has one class only \(2\)"),
    "many classes": (poked("label", 123456), "label: classes up to 123456"),
    "words": (changed("label", np.full(300, "cat")), "label: must be whole numbers, got <U3"),
    "few rows": ({key: array[:9] for key, array in arrays().items()}, "label: has 9 rows"),
    "no rows": ({key: array[:0] for key, array in arrays().items()}, "label: has 0 rows"),
    "typo": (changed("spilt", np.zeros(300)), "spilt: is no array that is known, did you mean split?"),
    "stranger": (changed("zzz", np.zeros(300)), "zzz: is no array that is known"),
    "output sums": (changed("output", np.ones((300, 3))), "output: must be probabilities .* row 0 does not"),
    "negative": (changed("output", [[1.5, -0.5, 0.0]] * 300), "output: must be probabilities"),
    "out of range": (changed("output", [[0.5, 0.5]] * 300), "label: class 2 at row .*, but output has classes 0 to 1"),
    "layers": (changed("layer", [1, 3, 2]), "layer: must be 3 ascending layers"),
    "layer count": (changed("layer", [1, 2]), "layer: must be 3 ascending layers"),
    "layer zero": (changed("layer", [0, 1, 2]), "layer: must be 3 ascending layers from 1"),
    "split words": (changed("split", ["train"] * 299 + ["dev"]), "split: must be train, .*'dev' at row 299"),
    "enormous output": (changed("output", [[1e308, 1e308, 1e308]] * 300), "output: must be probabilities"),
    "half floats": (changed("label", np.full(300, 0.5, np.float16)), "label: must be whole numbers, got 0.5 at row 0"),
    "split bytes": (changed("split", np.full(300, b"train")), "split: must be train, .*got .S5"),
    "split records": (changed("split", np.zeros(300, [("a", "i4")])), "split: must be train, "),
    "split shape": (changed("split", [0, 1, 2]), "split: must be one word per row"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays(case: str, tmp_path: Path) -> None:
    given, message = WRONG[case]
    file = saved(tmp_path, given)
    with pytest.raises(ScenarioError, match=message) as caught:
        load_features(file)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(f"{file}: ")


def test_all_problems_at_once() -> None:
    given = poked("state_2", np.nan) | {"query": np.zeros(3), "layer": np.zeros(3)}
    with pytest.raises(ScenarioError) as caught:
        check_features(given)
    assert [problem.path for problem in caught.value.problems] == ["state_2", "query", "layer"]


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("pwned",)


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


HEADER = npy(np.zeros((2, 3)))
FILES = {
    "empty": (b"", "is not an npz file"),
    "text": (b"a,b\n1,2\n", "is not an npz file"),
    "one array": (npy(np.zeros(3)), "is not an npz file"),
    "a pickle": (pickle.dumps([1, 2]), "is not an npz file"),
    "cut off": (zipped({"label.npy": HEADER})[:-30], "is not an npz file"),
    "an empty zip": (zipped({}), "holds no arrays"),
    "another zip": (zipped({"readme.txt": b"hello"}), "holds 'readme.txt', which is no array"),
    "no npy": (zipped({"label.npy": b"hello world, this is text"}), "label: is not an array"),
    "cut array": (zipped({"label.npy": HEADER[:-8]}), r"label: is damaged: its header says \(2, 3\) of float64"),
    "promises": (zipped({"label.npy": HEADER.replace(b"(2, 3)", b"(9**9)")}), "label: is not an array"),
    "far too long": (zipped({"label.npy": HEADER.replace(b"(2, 3), }", b"(2,999999999999), }")}), "label: is"),
    "objects": (
        zipped({"label.npy": npy(np.array([Evil()], dtype=object))}),
        r"label: holds Python objects \(a pickle\)",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_wrong_files(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, message = FILES[case]
    file = tmp_path / "features.npz"
    file.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError, match=message) as caught:
        load_features(file)
    assert len(caught.value.problems) == 1
    assert not (tmp_path / "pwned").exists()


def test_a_damaged_member_and_one_with_a_wrong_sum(tmp_path: Path) -> None:
    file = tmp_path / "features.npz"
    np.savez_compressed(file, label=np.arange(5000))
    content = bytearray(file.read_bytes())
    content[200:260] = bytes(60)
    file.write_bytes(content)
    with pytest.raises(ScenarioError, match=r"cannot be unpacked|is not an npz file|is damaged"):
        load_features(file)


def test_places_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("", "is a folder"), ("pipe", "is not a regular file"), ("nope", "no such file")):
        with pytest.raises(ScenarioError, match=message):
            load_features(tmp_path / name)


def test_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "features.npz"
    np.savez_compressed(file, label=np.zeros(10_000_000))
    assert file.stat().st_size < 100_000
    with pytest.raises(ScenarioError, match="holds more than 1 MiB"):
        read_arrays(file, largest=1 << 20)


def test_a_name_twice(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("label.npy", HEADER)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("label.npy", HEADER)
    (tmp_path / "features.npz").write_bytes(out.getvalue())
    with pytest.raises(ScenarioError, match="holds 'label' twice"):
        load_features(tmp_path / "features.npz")


@pytest.mark.parametrize("kind", ["float16", "uint8", "int64", "float32", "longdouble"])
def test_classes_of_any_kind_of_number(kind: str) -> None:
    given = arrays()
    features = check_features(given | {"label": given["label"].astype(kind)})
    assert features.label.dtype == np.int64
    assert np.array_equal(features.label, given["label"])


class TestSplit:
    def test_is_drawn_from_the_seed(self) -> None:
        features = check_features(arrays())
        one, again, other = split(features, 1), split(features, 1), split(features, 2)
        assert np.array_equal(one.train, again.train)
        assert not np.array_equal(one.train, other.train)
        together = np.concatenate([one.train, one.validation, one.test])
        assert sorted(together) == list(range(300))
        assert (len(one.train), len(one.validation), len(one.test)) == (180, 60, 60)

    @pytest.mark.parametrize("words", [True, False])
    def test_is_taken_from_the_file(self, words: bool) -> None:
        part = np.arange(300) % 3
        given = np.array(["train", "validation", "test"])[part] if words else part
        found = split(check_features(arrays(split=given)), 1)
        assert found.test.tolist() == list(range(2, 300, 3))

    def test_needs_every_part(self) -> None:
        with pytest.raises(ScenarioError, match="split: no row is marked validation"):
            split(check_features(arrays(split=np.where(np.arange(300) < 200, 0, 2))), 0)

    def test_needs_two_classes_to_train_on(self) -> None:
        label = np.r_[np.zeros(200, int), np.ones(100, int)]
        part = np.r_[np.zeros(200, int), np.ones(50, int), np.full(50, 2)]
        with pytest.raises(ScenarioError, match="the rows to train on have one class only"):
            split(check_features(arrays(label=label, split=part)), 0)

    def test_ten_rows_are_enough(self) -> None:
        found = split(check_features({key: array[:10] for key, array in arrays().items()}), 0)
        assert min(len(found.train), len(found.validation), len(found.test)) >= 1
