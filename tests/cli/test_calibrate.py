"""``plan calibrate fit`` from rows to a fit."""

import json
from pathlib import Path

import pytest

from simulator.cli.main import run

ROWS = "batch,time_ms\n" + "".join(f"{batch},{2 + 0.5 * batch}\n" for batch in (1, 2, 4, 8, 16, 32, 64))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    return file


def test_fits_rows(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["calibrate", "fit", str(rows), "--kind", "batch", "--time", "time_ms", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["groups"][0]["mape"] < 0.05
    assert run(["calibrate", "fit", str(rows), "--batch", "batch"]) == 0
    assert capsys.readouterr().out.strip()


def test_writes_costs(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = rows.parent / "costs.yaml"
    assert run(["calibrate", "fit", str(rows), "-o", str(target)]) == 0
    assert target.exists()


@pytest.mark.parametrize(
    "arguments", [["--time", "nope"], ["--group", "nope"], ["--kind", "gemm"], ["--batch", "nope"], ["--unit", "h"]]
)
def test_what_is_not_in_the_rows(rows: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["calibrate", "fit", str(rows), *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err


def test_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["calibrate", "fit", "no-such-file.csv"]) == 2
    assert "no-such-file.csv" in capsys.readouterr().err
