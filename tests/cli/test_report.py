"""`plan report`: where it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.cli.main import run

SCENARIOS = Path(__file__).resolve().parent.parent.parent / "scenarios"
STREAM = str(SCENARIOS / "stream-training-l2l.yaml")


def test_it_writes_into_reports_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["report", STREAM]) == 0
    assert (tmp_path / "reports" / "stream-training-l2l.html").read_text().startswith("<!DOCTYPE html>")
    said = capsys.readouterr()
    assert said.out == ""
    assert "wrote reports/stream-training-l2l.html" in said.err.replace("\\", "/")
    assert run(["report", STREAM, "--format", "md", "-q"]) == 0
    assert (tmp_path / "reports" / "stream-training-l2l.md").read_text().startswith("# Capacity report")
    assert capsys.readouterr().err == ""


def test_json_alone_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["report", STREAM, "--json", "-q"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_page_says_the_command_that_makes_it(tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    words = ["report", STREAM, "--variant", "constant", "--set", "streams.l2l.group=32", "--seed", "9"]
    assert run([*words, "-o", str(file), "-q"]) == 0
    page = file.read_text()
    assert f"plan report {STREAM} --set streams.l2l.group=32 --variant constant --seed 9" in page
    assert 'data-at="/reproduce/seed">9<' in page
    other = tmp_path / "other.html"
    assert run([*words, "-o", str(other), "-q"]) == 0
    assert other.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "report.pdf"], "must end in .html or .md"),
        (["-o", "report.md", "--format", "html"], "no name for the format html"),
        (["--draws", "9"], "--draws"),
        (["--plan", "nowhere.yaml"], "nowhere.yaml"),
        (["--set", "streams.l2l.pool=other"], "other"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["report", STREAM, *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_it_does_not_overwrite_what_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = tmp_path / "scenario.md"
    scenario.write_text((SCENARIOS / "stream-training-l2l.yaml").read_text())
    assert run(["report", str(scenario), "-o", str(scenario)]) == 2
    assert scenario.read_text().startswith("# yaml-language-server")
    assert capsys.readouterr().err


def test_a_service_that_waits_for_its_plan_is_told_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["report", str(SCENARIOS / "plan-fixed-cluster.yaml"), "-o", str(tmp_path / "r.html")]
    assert run(words) == 2
    assert "plan optimize" in capsys.readouterr().err
