"""The demonstration: a real network, its states as a file, and a comparison that can be repeated."""

from pathlib import Path

import numpy as np
import pytest

from simulator.calibration.ramps import check_features, load_features, train_ramps
from simulator.calibration.ramps.digits import Arrays, digits, main, repeated

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def small() -> Arrays:
    return digits(seed=0, copies=2, layers=(24, 24, 24))


def test_states_are_those_of_a_network_that_learned(small: Arrays) -> None:
    features = check_features(small)
    assert len(features.states) == 3
    assert features.classes == 10
    assert features.rows == 898 * 2 + 360 + 539
    assert features.output is not None
    test = features.part == 2
    assert (features.output[test].argmax(axis=1) == features.label[test]).mean() > 0.75
    assert all(np.abs(state).max() <= 1 for state in features.states)  # tanh


def test_the_same_seed_gives_the_same_states(small: Arrays) -> None:
    again = digits(seed=0, copies=2, layers=(24, 24, 24))
    assert all(np.array_equal(array, again[name]) for name, array in small.items())


def test_depth_pays(small: Arrays) -> None:
    found = train_ramps(check_features(small), twin=False, variants=["independent"], l2=1e-3).figures
    accuracy = found["variants"]["independent"]["accuracy"]
    assert accuracy[0] + 0.05 < accuracy[-1]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(digits, "__defaults__", (0, 1, (24, 24)))
    assert main([str(tmp_path / "digits.npz"), "--seed", "1"]) == 0
    assert len(load_features(tmp_path / "digits.npz").states) == 2
    assert main([str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    for wrong in ([], ["x.npz", "--repeat", "3"], ["--repeat", "1"], ["x.npz", "--seed", "-1"]):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    assert main(["never.npz"]) == 2
    assert "pip install 'exitplan[calibrate]'" in capsys.readouterr().err


def test_repeating_compares_every_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "__defaults__", (0, 1, (24, 24)))
    found = repeated(2)
    assert found["independent"]["gain at equal layers"] == (0.0, 0.0)
    assert set(found) == {"independent", "adaptive-hard", "adaptive-soft", "adaptive-class"}
    assert 0 < found["adaptive-hard"]["exit 1"][0] < 1
