"""``plan calibrate ramps``: what it prints, writes, refuses, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simulator
from simulator.cli.main import run
from tests.calibration.ramps.builders import arrays, saved

ROOT = Path(simulator.__file__).parent.parent
QUICK = ["--l2", "0.01", "--no-twin"]


@pytest.fixture
def features(tmp_path: Path) -> Path:
    return saved(tmp_path)


def test_prints_a_comparison(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["calibrate", "ramps", str(features), "--l2", "0.01"]) == 0
    said = capsys.readouterr()
    for text in (
        "adaptive-soft",
        "accuracy of every exit",
        "no difference shown",
        "twin, fed by the query",
        "router for",
    ):
        assert text in said.out
    assert said.err == ""
    assert max(map(len, said.out.splitlines())) <= 80 + len(str(features))


def test_json_is_what_is_written(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = features.parent / "new" / "out"
    assert run(["calibrate", "ramps", str(features), *QUICK, "--json", "-o", str(folder), "--seed", "5"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == json.loads((folder / "report.json").read_text())
    assert json.loads(said.out)["seed"] == 5
    assert said.err.count("wrote ") == len(list(folder.iterdir()))
    assert not list(folder.glob(".draft*"))


def test_one_variant_and_the_settings(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--variant", "adaptive-class", "--gamma", "3", "--sharpen", "0.2", "--threshold", "0.7", "--mix", "0.5"]
    options += ["--floor", "0.3", "--no-removal", "--no-resample"]
    assert run(["calibrate", "ramps", str(features), *QUICK, *options, "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["variants"]) == ["independent", "adaptive-class"]
    assert found["settings"] == {
        "gamma": 3.0,
        "sharpen": 0.2,
        "threshold": 0.7,
        "mix": 0.5,
        "floor": 0.3,
        "removal": False,
        "resample": False,
        "l2": [0.01] * 3,
        "accuracy_budget": 0.01,
    }
    assert found["router"]["threshold"] == 0.7


@pytest.mark.parametrize(
    "options",
    [
        ["--variant", "nope"],
        ["--gamma", "-1"],
        ["--threshold", "2"],
        ["--floor", "nan"],
        ["--l2", "0"],
        ["--seed", "-1"],
    ],
)
def test_options_that_cannot_be_met(features: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = features.parent / "out"
    assert run(["calibrate", "ramps", str(features), *QUICK, *options, "-o", str(out)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert options[0].removeprefix("--") in said.err
    assert not out.exists()


@pytest.mark.parametrize("kind", ["nan", "objects", "text", "missing", "none"])
def test_input_that_cannot_be_used(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = arrays()
    if kind == "nan":
        given["state_1"][3, 1] = np.nan
    if kind == "objects":
        given["label"] = given["label"].astype(object)
    if kind == "missing":
        del given["state_2"]
    file = saved(tmp_path, given)
    if kind == "text":
        file.write_text("hello")
    if kind == "none":
        file.unlink()
    assert run(["calibrate", "ramps", str(file), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith(f"{file}: ")
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_written(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = features.parent / "router.npz"
    features.rename(other)
    assert run(["calibrate", "ramps", str(other), "-o", str(other.parent)]) == 2
    assert "is a file that is read" in capsys.readouterr().err
    assert run(["calibrate", "ramps", str(other), "-o", str(other)]) == 2
    assert "-o names a folder" in capsys.readouterr().err
    assert run(["calibrate", "ramps", str(other), "-o", str(other / "below")]) == 2
    assert "is no folder" in capsys.readouterr().err
    assert [path.name for path in other.parent.iterdir()] == ["router.npz"]


def test_equal_bytes_in_two_processes_with_different_hash_seeds(features: Path) -> None:
    said = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "simulator", "calibrate", "ramps", str(features), *QUICK, "--json"]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        said.add(subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=True).stdout)
    assert len(said) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    file = saved(tmp_path, arrays(rows=4000, classes=20, exits=6))
    program = (
        "import sys; import simulator.calibration.ramps.study as study; real = study.train_variant\n"
        "def told(*a, **n):\n"
        "    print('started', file=sys.stderr, flush=True)\n"
        "    return [real(*a, **n) for _ in range(99)][0]\n"
        "study.train_variant = told\n"
        "from simulator.cli.main import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "calibrate", "ramps", str(file), *QUICK, "-o", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["features.npz"]
