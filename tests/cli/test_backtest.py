"""``plan backtest`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.cli.main import run
from tests.planner.backtest.test_days import wave
from tests.planner.backtest.test_run import SMALL


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "s.yaml").write_text(SMALL)
    lines = [f"{600 * number},{count:.0f}" for number, count in enumerate(wave())]
    (tmp_path / "load.csv").write_text("t_s,requests\n" + "\n".join(lines) + "\n")
    return str(tmp_path / "s.yaml"), str(tmp_path / "load.csv")


def test_table_json_and_picture(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario, series = files
    out, plot = tmp_path / "b.json", tmp_path / "b.svg"
    asked = ["--days", "1", "--scale", "8", "--strategy", "planned", "--strategy", "static"]
    assert run(["backtest", scenario, "--series", series, *asked, "-o", str(out), "--plot", str(plot)]) == 0
    figures = json.loads(out.read_text())
    assert list(figures["strategies"]) == ["planned", "static"]
    assert "device-hours" in plot.read_text().lower()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--days", "99"], "do not fit into the series"),
        (["--column", "request"], "requests"),
        (["--strategy", "best"], "strategy"),
        (["--plot", "x.pdf"], "must end in .svg or .png"),
    ],
)
def test_bad_input_is_one_message(
    files: tuple[str, str], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario, series = files
    assert run(["backtest", scenario, "--series", series, *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
