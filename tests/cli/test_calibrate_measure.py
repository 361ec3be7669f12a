"""``plan calibrate measure``: what it prints, writes, refuses, and how it ends."""

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.calibration.measure import BACKENDS, KINDS
from simulator.calibration.measure.backends import base, cuda
from simulator.calibration.measure.probe import ThreadClock
from simulator.cli.main import run

ROOT = Path(simulator.__file__).parent.parent
QUICK = ["--backend", "numpy", "--rounds", "2", "--calls", "2", "--batch", "1,2,4", "--device", "cpu"]


def measure(*arguments: object) -> int:
    return run(["calibrate", "measure", *map(str, arguments)])


def test_prints_times_by_batch(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure("8x16", *QUICK) == 0
    said = capsys.readouterr()
    head, first, second = said.out.splitlines()[:3]
    assert head.split() == ["µs", "by", "batch", "1", "2", "4"]
    assert first.split()[:2] == ["8x16", "fp32"]
    assert second.split()[:2] == ["8x16", "fp64"]
    assert all(float(cell) > 0 for cell in first.split()[2:])
    assert "noise between rounds" in said.out
    assert "clock thread-cpu" in said.out
    assert all("one round only" in line for line in said.err.splitlines())


@pytest.mark.parametrize(("kind", "shape"), [("mlp", "block=8-4"), ("conv", "block=3-4@6")])
def test_networks(kind: str, shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure("--kind", kind, shape, *QUICK) == 0
    assert "block fp32" in capsys.readouterr().out


def test_json_and_file_hold_the_same_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "rows.csv"
    assert measure("8x16", *QUICK, "--json", "-o", target) == 0
    said = capsys.readouterr()
    found = json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    with target.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["latency_us"]) for row in rows] == [row["latency_us"] for row in found["rows"]]
    assert said.err.splitlines()[-1] == f"wrote {target}"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    assert run(["calibrate", "fit", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "gemm"


def test_no_device_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cuda, "absent", lambda: "torch is not installed")
    assert measure("8x16", *QUICK, "--device", "auto") == 0
    said = capsys.readouterr()
    assert said.err.startswith("no CUDA device here (torch is not installed): measured on the processor only\n")
    assert said.err.count("CUDA") == 1
    assert measure("8x16", *QUICK, "--device", "auto", "--quiet") == 0
    assert capsys.readouterr().err == ""
    assert measure("8x16", *QUICK, "--device", "cuda") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "--device cuda: no CUDA device here: torch is not installed\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "gem"], "did you mean 'gemm'"),
        (["--backend", "nunpy"], "did you mean 'numpy'"),
        (["--variant", "fp23"], "did you mean 'fp32'"),
        (["--batch", "1,x"], "whole numbers"),
        (["--batch", "0"], "from 1 to"),
        (["--time-limit", "3"], "needs its unit"),
        (["--time-limit", "0"], "greater than 0"),
        (["--time-limit", "1us"], "nothing was measured"),
        (["--rounds", "0"], "--rounds"),
        (["--device", "tpu"], "--device"),
        (["8by8"], "must be KxN"),
        (["-o", "."], "is a folder"),
    ],
)
def test_what_cannot_be_met(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(*QUICK, "8x8", *options) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in " ".join(said.err.split())
    assert "Traceback" not in said.err


def test_a_backend_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert measure(*QUICK, "--backend", "onnxruntime") == 2
    said = capsys.readouterr().err
    assert "pip install 'exitplan[measure]'" in said
    assert len(said.splitlines()) == 1


class Interrupted(ThreadClock):
    """Somebody presses Ctrl-C when the third probe has its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["seen"] = set()

    def lap(self, call: Any) -> Any:
        seen: set[int] = self.__dict__["seen"]
        seen.add(id(call))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return super().lap(call)


def test_an_interrupt_keeps_finished_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(base, "ThreadClock", Interrupted)
    target = tmp_path / "rows.csv"
    assert measure("8x16", *QUICK, "-o", target) == 130
    said = capsys.readouterr()
    assert said.err == f"wrote {target}\ninterrupted\n"
    assert "8x16 fp32" in said.out
    assert [line.split(",")[0] for line in target.read_text().splitlines()] == ["m", "1", "2"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_a_real_interrupt(tmp_path: Path) -> None:
    program = (
        "import sys; from simulator.calibration.measure import rounds; real = rounds._Work._turn\n"
        "def told(work, i):\n"
        "    real(work, i)\n"
        "    print('turn', file=sys.stderr, flush=True)\n"
        "rounds._Work._turn = told\n"
        "from simulator.cli.main import main; main()"
    )
    command = [sys.executable, "-c", program, "calibrate", "measure", "64x64", *QUICK, "--calls", "1000"]
    process = subprocess.Popen(
        [*command, "--rounds", "9999", "-o", str(tmp_path / "rows.csv")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "turn\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith(f"wrote {tmp_path / 'rows.csv'}\ninterrupted\n")
    assert "64x64 fp32" in out
    assert len((tmp_path / "rows.csv").read_text().splitlines()) >= 2
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_help_names_every_kind_and_backend(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure("--help") == 0
    words = set(re.findall(r"\w+", capsys.readouterr().out))
    assert words >= {*KINDS, *BACKENDS}
