"""``plan compare``: formats, what it reads, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from simulator.cli.main import run
from tests.planner.sweep.case import node

Said = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, replicas in (("a", 2), ("b", 3)):
        text = node(replications=3)
        text["services"]["s"]["deployment"]["portions"][0]["replicas"] = replicas
        (tmp_path / f"{name}.json").write_text(json.dumps(text))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def compare(*words: str) -> int:
    return run(["compare", *words, "--workers", "1"])


def test_table(folder: Path, capsys: Said) -> None:
    assert compare("a.json", "b.json") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert all(len(line) <= 80 for line in said.out.splitlines())
    assert "s, B against A, paired over 3 replications" in said.out
    assert "+1.000 ± 0 *  +50.0 %" in said.out


def test_json_and_csv(folder: Path, capsys: Said) -> None:
    assert compare("a.json", "b.json", "a.json", "--json", "-n", "4") == 0
    tree = json.loads(capsys.readouterr().out)
    assert [pair["b"] for pair in tree["comparisons"]] == ["b.json", "a.json"]
    assert tree["comparisons"][0]["replications"] == [4, 4]
    same = tree["comparisons"][1]["services"]["s"]
    assert {one["difference"] for one in same.values()} <= {0, None}
    assert compare("a.json", "b.json", "--format", "csv", "-n", "4") == 0
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert float(rows["p99"]["lo"]) == tree["comparisons"][0]["services"]["s"]["p99"]["ci95"][0]


def test_output(folder: Path, capsys: Said) -> None:
    assert compare("a.json", "b.json", "-o", "c.json") == 0
    assert capsys.readouterr().out == ""
    assert json.loads((folder / "c.json").read_text())["sides"][0]["name"] == "a.json"


def test_saved_results(folder: Path, capsys: Said) -> None:
    assert run(["simulate", "a.json", "--json"]) == 0
    (folder / "saved.json").write_text(capsys.readouterr().out)
    assert run(["simulate", "b.json", "-o", "tables", "-q"]) == 0
    capsys.readouterr()
    assert compare("saved.json", "tables") == 0
    said = capsys.readouterr().out
    assert "s, B against A, not paired" in said
    assert "as if they were independent" in " ".join(said.split())


def test_one_figure(folder: Path, capsys: Said) -> None:
    assert compare("a.json", "b.json", "--metric", "p999") == 0
    said = capsys.readouterr().out
    assert "p999" in said
    assert "goodput" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.json"], "name two or more"),
        (["a.json", "c.json"], "c.json: no such file"),
        (["a.json", "b.json", "-o", "a.json"], "is a file that is read"),
        (["a.json", "b.json", "--metric", "p98"], "did you mean 'p99'?"),
        (["a.json", "b.json", "--set", "services.s.workload.rte=1/s"], "did you mean 'rate'?"),
        (["a.json", ""], "the name is empty"),
    ],
)
def test_what_is_refused(folder: Path, capsys: Said, words: list[str], said: str) -> None:
    assert compare(*words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in " ".join(told.err.split())
