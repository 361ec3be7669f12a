"""``plan forecast``: its formats, its files, and what it refuses."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from simulator.cli.main import run
from simulator.reporting.forecastplot import fan
from simulator.workload.forecast import forecast, regular_series
from simulator.workload.forecast.reading import read_series


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten-minute counts of six days, with an outage of two hours."""
    bins = np.arange(6 * 144)
    rng = np.random.default_rng(0)
    counts = rng.poisson(1000 * (1.5 + np.cos(2 * np.pi * (bins - 90) / 144)))
    counts[400:412] = 0
    file = tmp_path_factory.mktemp("load") / "load.csv"
    file.write_text("t_s,requests\n" + "".join(f"{600 * k},{count}\n" for k, count in zip(bins, counts)))
    return str(file)


def test_table(series: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["forecast", series, "--column", "requests", "--interval", "10min", "--to", "1h"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "requests per 1h from 6d 00:00 on, from 6.00 days of history"
    assert lines[2].split() == ["t", "q0.1", "q0.5", "q0.9", "q0.95", "q0.99"]
    assert lines[3].split()[:2] == ["6d", "00:00"]
    assert "models: " in said.out
    assert "taken for outages: 2d 19:00" in said.out


def test_csv_and_json_are_those_of_the_library(series: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--horizon", "6h", "--quantiles", ".5,.95", "--at", "5d"]
    found = forecast(series, horizon="6h", quantiles=(0.5, 0.95), at="5d")
    assert run(["forecast", series, *options, "--format", "csv"]) == 0
    text = capsys.readouterr().out
    assert text == found.to_csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["t_s", "q0.5", "q0.95"]
    assert [float(row["t_s"]) for row in rows] == [432000.0 + 3600 * k for k in range(6)]
    assert run(["forecast", series, *options, "--json"]) == 0
    tree = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert tree["values"]["q0.95"] == found.values[:, 1].tolist()
    assert tree["masked_s"] == [67 * 3600.0]
    assert sum(tree["weights"].values()) == pytest.approx(1.0)


def test_files(series: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.csv"
    assert run(["forecast", series, "-o", str(target)]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"wrote {target}\n")
    assert target.read_text() == forecast(series).to_csv()
    assert run(["forecast", series, "-o", str(tmp_path / "out.json"), "--quiet"]) == 0
    assert json.loads((tmp_path / "out.json").read_text())["step_s"] == 3600.0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_plot(ending: str, series: str, tmp_path: Path) -> None:
    pictures = []
    for name in ("a", "b"):
        target = tmp_path / f"{name}.{ending}"
        assert run(["forecast", series, "--at", "5d", "--plot", str(target), "--quiet", "--format", "csv"]) == 0
        pictures.append(target.read_bytes())
    assert len(pictures[0]) > 1000
    assert pictures[0] == pictures[1]


def test_what_is_drawn(series: str) -> None:
    found = forecast(series, at="5d")
    drawn = fan(found, regular_series(read_series(series)))
    assert drawn.past[0].size == drawn.past[1].size + 1 == 121
    assert drawn.past[0][-1] == drawn.edges[0] == 5.0
    assert not np.isnan(drawn.later).any()
    assert [strip[:2] for strip in drawn.strips] == [(0.1, 0.5), (0.5, 0.9), (0.9, 0.95), (0.95, 0.99)]
    np.testing.assert_array_equal(drawn.strips[0][3], drawn.median)
    assert drawn.outages == ((67 / 24, 68 / 24),)
    alone = fan(forecast(series, quantiles=(0.95,)))
    assert [strip[:2] for strip in alone.strips] == [(0.5, 0.95)]
    assert np.isnan(alone.later).all()


def test_backtest(series: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forecast", series, "--backtest", "--from", "4d"]) == 0
    text = capsys.readouterr().out
    assert "2 origins from 4d 00:00 to 5d 00:00, 48 bins scored, 0 left out" in text
    assert "loss over the better seasonal naive's: " in text
    assert "time per forecast" in text
    assert run(["forecast", series, "--backtest", "--every", "2d", "--from", "3d", "--format", "json"]) == 0
    tree = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert tree["origins_s"] == [3 * 86400.0, 5 * 86400.0]
    assert set(tree["models"]) == {"forecast", "snaive-day", "snaive-week"}
    assert tree["models"]["snaive-week"]["weighted_loss"] is None
    assert run(["forecast", series, "--backtest", "--from", "5d", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["metric"] for row in rows if row["model"] == "forecast"} >= {
        "scaled_loss",
        "covered_q0.95",
        "time_max_s",
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--quantiles", "high"], "numbers between commas"),
        (["--quantiles", "0_5"], "numbers between commas"),
        (["--quantiles", "1.5"], "levels lie between"),
        (["--plot", "x.pdf"], "must end in .svg or .png"),
        (["--backtest", "--plot", "x.png"], "do not go together"),
        (["--backtest", "--at", "5d"], "do not go together"),
        (["--from", "5d"], "is for --backtest"),
        (["--at", "7d"], "lies outside the series"),
        (["--at", "86400"], "at: '86400'"),
        (["--interval", "600"], "interval: '600'"),
        (["--column", "request"], "did you mean 'requests'?"),
        (["--format", "csv", "--json"], "contradict"),
    ],
)
def test_refused(series: str, options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forecast", series, *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert says in " ".join(said.err.replace("│", " ").split())


def test_the_history_is_not_overwritten(series: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(series).read_bytes()
    assert run(["forecast", series, "-o", series]) == 2
    assert "is a file that is read" in capsys.readouterr().err
    assert Path(series).read_bytes() == before


def test_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forecast", str(tmp_path / "none.csv")]) == 2
    assert "no such file" in capsys.readouterr().err
