"""``plan stream``: its formats, its options, and what it refuses."""

import csv
import io
import json
from pathlib import Path

import pytest

from simulator.cli.main import run

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
LAPTOP, SHARED, QUICK = (
    str(SCENARIOS / f"{name}.yaml") for name in ("stream-70b-laptop", "stream-shared-server", "quickstart")
)


def test_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["stream", LAPTOP]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert any(line.startswith("* 4 ") and " 159 " in line and "compute" in line for line in lines)
    assert any(line.startswith("= 1 ") and "transfer" in line for line in lines)
    assert "640 loads instead" in said.out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stream", LAPTOP, "--groups", "1,2,16", "--json"]) == 0
    tree = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert [row["group"] for row in tree["rows"]] == [1, 2, 4, 16]
    assert tree["recommended"] in tree["rows"]
    assert tree["recommended"]["layer_loads"] == 159
    assert len(tree["knees"]) == 2


def test_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stream", LAPTOP, "--max-group", "2", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["group"], row["recommended"]) for row in rows] == [("1", "0"), ("2", "1")]


def test_options_of_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stream", SHARED, "--variant", "beside", "--stream", "trained", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "three-billion"
    assert run(["stream", SHARED, "--set", "streams.fleet.devices=2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bandwidth"] == 2.5e9


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_plot(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / f"groups.{ending}"
    assert run(["stream", LAPTOP, "--plot", str(target)]) == 0
    assert capsys.readouterr().err == f"wrote {target}\n"
    assert target.stat().st_size > 1000
    assert run(["stream", LAPTOP, "--plot", str(target), "--quiet"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([QUICK], "there is no stream"),
        ([LAPTOP, "--stream", "adapter"], "did you mean 'adapters'"),
        ([LAPTOP, "--groups", "1,x"], "no whole number from 1 on"),
        ([LAPTOP, "--groups", "0"], "no whole number from 1 on"),
        ([LAPTOP, "--groups", "9999999"], "must be from 1 to 65536"),
        ([LAPTOP, "--groups", ""], "no whole number from 1 on"),
        ([LAPTOP, "--max-group", "0"], "--max-group"),
        ([LAPTOP, "--plot", "x.gif"], "must end in .svg or .png"),
        ([LAPTOP, "--plot", LAPTOP + "/x.png"], "x.png"),
        ([LAPTOP, "--set", "cluster.pools.laptop.device.memory=1GB"], "the device has 1 GB"),
        ([LAPTOP, "--json", "--format", "csv"], "contradict"),
    ],
)
def test_what_cannot_be_met(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stream", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in " ".join(said.err.replace("│", " ").split())
    assert "Traceback" not in said.err


def test_measured_on_the_spot_and_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --backend and --batch the kind has its own: NumPy, and groups instead of batch sizes."""
    target = tmp_path / "steps.csv"
    measure = ["calibrate", "measure", "--kind", "stream", "net=training:3x32@2", "--variant", "fp32"]
    quick = ["--device", "cpu", "--rounds", "1", "--calls", "1", "-o", str(target)]
    assert run([*measure, *quick]) == 0
    said = capsys.readouterr()
    head, *lines = said.out.splitlines()
    assert head.split() == ["ms", "by", "group", "1", "2", "4", "8", "16"]
    assert lines[0].startswith("  net fp32, with reads")
    assert lines[1].startswith("  net fp32, compute alone")
    assert "net fp32: 4 loads and 0.01638 MB a step from " in " ".join(said.out.split())
    assert "clock wall" in said.out
    with target.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["group"] for row in rows] == [size for size in ("1", "2", "4", "8", "16") for _ in range(2)]
    assert run(["calibrate", "fit", str(target), "--kind", "streaming", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"][0]["rows"] == 10


def test_streams_are_not_measured_by_other_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    arguments = ["--kind", "stream", "training:2x8@1", "--backend", "onnxruntime", "--device", "cpu"]
    assert run(["calibrate", "measure", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "computed by numpy, not by onnxruntime" in said.err
