"""``plan sweep``: formats, files, what it refuses, and what an interruption leaves."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from simulator.cli.main import run
from simulator.cluster import simulate
from tests.planner.sweep.case import BATCH, RATE, REPLICAS, base, node

ROOT = Path(__file__).resolve().parent.parent.parent
GRID = ["--set", f"{RATE}=50/s,600/s", "--set", f"{BATCH}=1,4"]
Said = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "s.json").write_text(json.dumps(node()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def sweep(*words: str) -> int:
    return run(["sweep", "s.json", "--workers", "1", *words])


def test_table(folder: Path, capsys: Said) -> None:
    assert sweep(*GRID) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert all(len(line) <= 80 for line in said.out.splitlines())
    assert said.out.startswith("case · 4 points · seed 3\n")
    assert [path.name for path in folder.iterdir()] == ["s.json"]


def test_json_and_csv(folder: Path, capsys: Said) -> None:
    assert sweep(*GRID, "--json") == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["axes"] == {RATE: ["50/s", "600/s"], BATCH: [1, 4]}
    assert sweep(*GRID, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [float(row["p99"]) for row in rows] == [row["p99"] for row in tree["rows"]]


def test_files(folder: Path, capsys: Said) -> None:
    for name in ("t.csv", "t.json", "t.parquet"):
        assert sweep(*GRID, "-o", name) == 0
        assert f"wrote {name}" in capsys.readouterr().err
        assert (folder / f"{name}.ledger").is_file()
    assert (
        pd.read_parquet(folder / "t.parquet")["p99"].tolist()
        == pd.read_csv(folder / "t.csv", float_precision="round_trip")["p99"].tolist()
    )
    assert sweep(*GRID, "-o", "t.csv", "-q") == 0
    assert capsys.readouterr().err == ""


def test_options_of_the_scenario(folder: Path, capsys: Said) -> None:
    assert sweep("--set", f"{BATCH}=1,4", "--seed", "9", "-n", "3", "--engine", "simpy", "--json") == 0
    tree = json.loads(capsys.readouterr().out)
    assert (tree["seed"], tree["rows"][0]["engine"]) == (9, "simpy")
    assert run(["simulate", "s.json", "--set", f"{BATCH}=1", "--seed", "9", "-n", "3", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["services"]["s"]
    assert tree["rows"][0]["arrived"] == figures["arrived"]
    assert tree["rows"][0]["goodput"] == figures["goodput"]


@pytest.mark.parametrize(
    "words",
    [
        ["--plot", "x=rate", "y=goodput", "hue=batch"],
        ["--plot", "x=rate y=goodput hue=batch"],
        ["--plot", "x=rate", "--plot", "y=goodput"],
    ],
)
def test_a_picture(folder: Path, capsys: Said, words: list[str]) -> None:
    assert sweep(*GRID, *words, "-o", "t.csv") == 0
    assert "wrote t.svg" in capsys.readouterr().err
    assert f"goodput over {RATE} for each batch, 2 lines" in (folder / "t.svg").read_text()
    assert sweep(*GRID, *words, "--figure", "p.png") == 0
    assert (folder / "p.png").read_bytes().startswith(b"\x89PNG")


def test_failed_points_are_told(folder: Path, capsys: Said) -> None:
    assert sweep("--set", f"{BATCH}=0,1", "--json") == 0
    said = capsys.readouterr()
    assert said.err == "failed: 1 of 2 points, see column error\n"
    assert sweep("--set", "models.m.layers.0.weights=100GiB,200GiB") == 2
    said = capsys.readouterr()
    assert said.err.startswith("no point could be simulated: ")
    assert "failed: 2 of 2 points" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "services.s.workload.rte=1/s,2/s"], "unknown key 'rte', did you mean 'rate'?"),
        (["--set", "services.s.workload.rte=1/s"], "unknown key 'rte', did you mean 'rate'?"),
        (["--set", f"{BATCH}=1,2", "--set", f"{BATCH}=3"], "is set twice"),
        (["--set", f"{BATCH}=[1,2"], "bracket is not closed"),
        ([], "name a key and its values"),
        ([*GRID, "-o", "t.xlsx"], "must end in .parquet, .csv or .json"),
        ([*GRID, "-o", "s.json"], "is a file that is read"),
        ([*GRID, "--figure", "t.pdf"], "must end in .svg or .png"),
        ([*GRID, "--plot", "x=slo"], "'slo' is not swept"),
        ([*GRID, "other.yaml"], "one scenario is enough"),
        ([*GRID, "--dask", "127.0.0.1:1"], "the cluster says how many workers"),
    ],
)
def test_what_is_refused(folder: Path, capsys: Said, words: list[str], said: str) -> None:
    assert sweep(*words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in " ".join(told.err.replace("│", " ").split())
    assert [path.name for path in folder.iterdir()] == ["s.json"]


def test_a_scheduler_that_does_not_answer(folder: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def client(address: str, **options: object) -> None:
        raise OSError(f"Timed out trying to connect to {address}")

    monkeypatch.setattr(distributed, "Client", client)
    assert run(["sweep", "s.json", *GRID, "--dask", "127.0.0.1:1"]) == 2
    assert "no Dask scheduler answers" in capsys.readouterr().err


def test_a_restart_says_what_was_done_before(folder: Path, capsys: Said) -> None:
    assert sweep("--set", f"{BATCH}=1,2", "-o", "t.csv") == 0
    capsys.readouterr()
    assert sweep("--set", f"{BATCH}=1,2,3", "-o", "t.csv") == 0
    assert "2 of 3 points were done before" in capsys.readouterr().err
    assert sweep("--set", f"{BATCH}=1,2,3", "-n", "3", "-o", "t.csv") == 0
    assert "another number of replications" in capsys.readouterr().err


# -- processes ---------------------------------------------------------------------------------------------------------

LONG = ["--set", f"{REPLICAS}=1,2,3,4", "--set", f"{BATCH}=1,2,3,4,5,6,7,8,9,10", "--workers", "2"]


def started(folder: Path, *words: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    simulate(base())  # the engine is compiled
    (folder / "s.json").write_text(json.dumps(node(40.0)))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "TERM": "xterm"}
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", "sweep", "s.json", *words],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_ctrl_c_keeps_what_is_finished_and_says_so(folder: Path) -> None:
    process = started(folder, *LONG, "-o", "t.csv")
    book = folder / "t.csv.ledger"
    end = time.monotonic() + 120
    while not (book.exists() and book.read_bytes().count(b"\n") > 10) and time.monotonic() < end:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    kept = book.read_bytes().count(b"\n") - 1
    assert (process.returncode, out) == (130, "")
    assert f"{kept} of 40 points are kept in t.csv.ledger; the same command goes on from there" in err
    assert err.splitlines()[-1] == "interrupted"
    assert not (folder / "t.csv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_a_terminal_sees_how_far_it_is_and_a_pipe_only_the_result(folder: Path) -> None:
    leader, follower = pty.openpty()
    process = started(folder, "--set", f"{BATCH}=1,2,3", "--workers", "1", "--json", stderr=follower)
    os.close(follower)
    out, _ = process.communicate(timeout=120)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        shown += part
        if not part:
            break
    os.close(leader)
    assert process.returncode == 0
    assert json.loads(out)["points"] == 3
    assert all(f"{done}/3".encode() in shown for done in (0, 1, 2, 3))


def test_a_dask_cluster(folder: Path, capsys: Said) -> None:
    distributed = pytest.importorskip("distributed")
    assert sweep(*GRID, "--json") == 0
    alone = capsys.readouterr().out
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=":0",
        protocol="tcp://",
        host="127.0.0.1",
    ) as cluster:
        assert run(["sweep", "s.json", *GRID, "--dask", cluster.scheduler_address, "--json"]) == 0
    assert capsys.readouterr().out == alone
