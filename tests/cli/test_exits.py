"""``plan exits``: its formats, its options, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from simulator.cli.main import run

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
E3, MIXED, QUICK = (
    str(SCENARIOS / f"{name}.yaml") for name in ("early-exit-e3", "early-exit-mixed-gpus", "quickstart")
)
SHORT = ["--set", "run.duration=300ms", "--set", "run.warmup=50ms", "--set", "run.replications=2"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exits", E3, *SHORT, "--json"]) == 0
    said = capsys.readouterr()
    tree = json.loads(said.out)
    assert said.err == ""
    assert {"modes", "recommended", "reason"} <= set(tree)
    modes = [(mode["exit_mode"], mode["execution"]) for mode in tree["modes"]]
    serial = ("at_cut", "serial")
    assert modes == [
        ("none", "parallel"),
        ("compact", "parallel"),
        ("at_cut", "parallel"),
        serial,
        ("answer_early", "parallel"),
    ]
    split = tree["recommended"]
    assert (split["exit_mode"], split["cuts"], split["replicas"]) == ("at_cut", [2, 4, 6], [8, 3, 2, 3])
    assert tree["devices"] == {"v100": 16}


def test_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert run(["exits", E3, *SHORT]) == 0
    wide = capsys.readouterr().out
    assert "* at_cut parallel" in wide
    assert "splitting wins at batch sizes 2 to 64 or more" in wide
    assert "compact with every ramp" in wide
    monkeypatch.setenv("COLUMNS", "40")
    assert run(["exits", MIXED, *SHORT]) == 0
    narrow = capsys.readouterr().out
    assert "4 a100" in narrow
    assert "0.487" in narrow


def test_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exits", E3, *SHORT, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["recommended"] for row in rows] == ["0", "0", "1", "0", "0"]
    assert rows[2]["cuts"] == "2 4 6"


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--service", "sentiment", "--batch", "1", "--devices", "v100=12", "--seed", "3", "--engine", "compiled"]
    assert run(["exits", E3, *SHORT, *chosen, "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["devices"] == {"v100": 12}
    assert all(mode["batch"] == 1 for mode in tree["modes"])
    assert run(["exits", E3, *SHORT, "--devices", "12", "--json"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([E3, "--batch", "0"], "Invalid value for '--batch'"),
        ([E3, "--devices", "0"], "must be a whole number from 1 on"),
        ([E3, "--devices", "v100=x"], "must be a whole number from 1 on"),
        ([E3, "--devices", "4", "--devices", "v100=4"], "say the pool of every number"),
        ([E3, "--devices", "a100=4"], "unknown pool"),
        ([MIXED, "--devices", "4"], "several pools"),
        ([E3, "--service", "sentimnt"], "did you mean 'sentiment'"),
        ([QUICK], "has no `ramps`"),
        ([E3, "--json", "--format", "csv"], "contradict"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exits", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in " ".join(said.err.split())
    assert "Traceback" not in said.err
