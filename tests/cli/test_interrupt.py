"""Ctrl-C during a long run, or while its tables are written: it ends at once and leaves nothing half done."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.cluster import loads, simulate
from tests.support import Node, layer, poisson, portion, scenario

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys
import simulator
from simulator.cli.main import main
real = simulator.simulate
def tell(share):
    if share > 0 and not said:
        said.append(share)
        print("running", file=sys.stderr, flush=True)
def simulate(scenario, progress=None, **named):
    return real(scenario, progress=tell, **named)
said = []
simulator.simulate = simulate
main()
"""
"""``plan``, which says when it has begun: a terminal would show a bar."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")


def busy(requests: float) -> Node:
    service = {"workload": poisson(10_000.0), "deployment": {"portions": [portion("1", 8)]}}
    return scenario(service, [layer(0.0005)], duration_s=requests / 10_000.0)


def started(folder: Path, requests: float, *arguments: str) -> subprocess.Popen[str]:
    """``plan simulate``, as soon as it simulates; the code that it runs has been compiled before."""
    simulate(loads(json.dumps(busy(1000.0))), engine="compiled")
    (folder / "busy.json").write_text(json.dumps(busy(requests)), encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, "simulate", "busy.json", "--engine", "compiled", *arguments]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "running\n", process.stderr.read()
    return process


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code and output after Ctrl-C, which ends it within two seconds of its own time, however busy the machine."""
    assert process.poll() is None
    spent, others = processor_s(process.pid), children_s()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert children_s() - others - spent < 2.0
    return process.returncode, out, err


def processor_s(pid: int) -> float:
    """Processor time that a process has taken so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_s() -> float:
    """Processor time of all children that have ended [s]."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize(
    ("requests", "options"),
    [
        (1e9, []),
        (3e7, ["-o", "out"]),
        (3e7, ["--timeline", "timeline.json"]),
        (3e7, ["-o", "out", "--table-format", "parquet", "--timeline", "timeline.json"]),
    ],
    ids=["figures", "tables", "timeline", "both"],
)
def test_during_a_long_run(tmp_path: Path, requests: float, options: list[str]) -> None:
    process = started(tmp_path, requests, *options)
    time.sleep(0.3)
    assert interrupted(process) == (130, "", "interrupted\n")
    assert [path.name for path in tmp_path.rglob("*")] == ["busy.json"]


@pytest.mark.parametrize(
    ("options", "begun"),
    [
        (["-o", "."], lambda folder: any(folder.glob(".draft-*"))),
        (["-o", "."], lambda folder: (folder / "requests.csv").exists() and any(folder.glob(".draft-*"))),
        (["--timeline", "timeline.json"], lambda folder: any(folder.glob(".draft-*"))),
    ],
    ids=["first table", "second table", "timeline"],
)
def test_while_files_are_written(tmp_path: Path, options: list[str], begun: Callable[[Path], bool]) -> None:
    """What was written before is whole, the rest is not there; the figures are shown all the same."""
    requests = 4e5
    process = started(tmp_path, requests, *options)
    end = time.monotonic() + 50
    while not begun(tmp_path) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    code, out, err = interrupted(process)
    assert (code, err.splitlines()[-1]) == (130, "interrupted")
    assert "throughput" in out
    names = {path.name for path in tmp_path.iterdir()}
    assert names <= {"busy.json", "requests.csv"}
    if "requests.csv" in names:
        with (tmp_path / "requests.csv").open(encoding="utf-8") as stream:
            rows = sum(1 for _ in stream)
        assert rows == 1 + len(simulate(loads(json.dumps(busy(requests)))).records[0].requests.arrival_s)
