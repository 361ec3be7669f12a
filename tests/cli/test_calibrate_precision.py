"""``plan calibrate precision``: what it prints, writes, refuses, resumes, and how it ends."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simulator
from simulator.calibration.int8 import Linear, Network, Relu
from simulator.calibration.int8.npz import Stored, save_network
from simulator.cli.main import run

ROOT = Path(simulator.__file__).parent.parent
TABLE = """layer,precision,accuracy,weights
attention,fp32,0.95,1000
attention,int8,0.949,1000
attention,int4,0.93,1000
head,int8,0.948,500
head,int4,0.944,500
"""
TIMES = """layer,precision,batch,seconds
attention,fp32,1,0.002
attention,int8,1,0.003
attention,int4,1,0.001
head,fp32,1,0.001
head,int8,1,0.0008
head,int4,1,0.0005
attention,fp32,64,0.2
attention,int8,64,0.06
attention,int4,64,0.1
head,fp32,64,0.1
head,int8,64,0.05
head,int4,64,0.09
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "losses.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def times(tmp_path: Path) -> Path:
    path = tmp_path / "times.csv"
    path.write_text(TIMES)
    return path


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Three layers that sort points by the largest of four noisy coordinates."""
    draws = np.random.default_rng(0)
    weights = [np.eye(4) + draws.normal(0, 0.15, (4, 4)) for _ in range(3)]
    layers = (Linear("one", weights[0]), Relu(), Linear("two", weights[1]), Relu(), Linear("three", weights[2]))
    samples = draws.uniform(0, 1, (400, 4)).astype(np.float32)
    model = Network(layers, (4,))
    label = model.forward(samples, ["fp32"] * 3).argmax(axis=1).astype(np.int64)
    halves = samples[:200], label[:200], samples[200:], label[200:]
    path = tmp_path / "network.npz"
    save_network(path, Stored(model, samples[:50], *halves))
    return path


def test_a_table_for_people(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["calibrate", "precision", str(table), "--cost", "bits"]) == 0
    said = capsys.readouterr()
    for text in ("predicted accuracy", "attention       int8  was fp32", "passes", "note: accuracies are predictions"):
        assert text in said.out
    assert said.err == ""
    assert max(map(len, said.out.splitlines())) <= 80


def test_the_best_precision_changes_with_the_batch(
    table: Path, times: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = {}
    for batch in ("1", "64"):
        arguments = [str(table), "--times", str(times), "--batch", batch, "--loss", "2.2%", "--json"]
        assert run(["calibrate", "precision", *arguments]) == 0
        figures = json.loads(capsys.readouterr().out)
        assert figures["unit"] == "s"
        chosen[batch] = figures["chosen"]["precision"]
        if batch == "1":
            assert figures["left_out"] == [["attention", "int8"]]
    assert chosen == {"1": {"attention": "int4", "head": "fp32"}, "64": {"attention": "int8", "head": "int8"}}


def test_a_network_is_measured(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--cost", "bits", "--loss", "10%", "--precisions", "int8,int4", "--strategy", "exhaustive"]
    assert run(["calibrate", "precision", str(network), *options, "--budget", "none", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["configurations"] == figures["evaluations_used"] == 27
    assert figures["reference"]["accuracy"] == figures["held_out"]["reference"] == 1.0
    assert figures["chosen"]["accuracy"] >= 0.9
    assert not figures["predicted"]
    costs = [one["cost"] for one in figures["evaluations"] if one["accuracy"] >= 0.9]
    assert figures["chosen"]["cost"] == min(costs)
    assert run(["calibrate", "precision", str(network), "--loss", "10%"]) == 0
    out = capsys.readouterr().out
    assert "on test samples" in out
    assert "costs are weights x bits, not times" in " ".join(out.split())


def test_files_are_those_figures(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ruamel.yaml import YAML

    folder = table.parent / "new" / "out"
    assert run(["calibrate", "precision", str(table), "--cost", "bits", "--json", "-o", str(folder)]) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out)
    assert figures == json.loads((folder / "report.json").read_text())
    assert YAML(typ="safe").load((folder / "precision.yaml").read_text()) == {
        "precision": figures["chosen"]["precision"]
    }
    with (folder / "evaluations.csv").open() as stream:
        assert [float(row["cost"]) for row in csv.DictReader(stream)] == [one["cost"] for one in figures["evaluations"]]
    assert said.err.count("wrote ") == 3
    assert {path.name for path in folder.iterdir()} == {
        "precision.yaml",
        "evaluations.csv",
        "report.json",
        "ledger.jsonl",
    }


def test_an_impossible_floor_shows_the_best_and_exits_3(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = table.parent / "out"
    assert run(["calibrate", "precision", str(table), "--floor", "99%", "-o", str(folder)]) == 3
    said = capsys.readouterr()
    assert "NOTHING PASSES" in said.out.replace("\n ", "")
    assert "95.00 %" in said.out
    assert "no configuration passes: none of" in said.err
    assert "DOES NOT PASS" in (folder / "precision.yaml").read_text()


def test_resumes_from_the_ledger(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = network.parent / "mine.jsonl"
    command = ["calibrate", "precision", str(network), "--cost", "bits", "--ledger", str(ledger), "--json"]
    assert run([*command, "--budget", "3"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert run([*command, "--budget", "8"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert run([*command[:-3], "--json", "--budget", "8"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert second["evaluations"] == alone["evaluations"]
    assert second["evaluations_of_ledger"] == first["evaluations_used"]
    assert run([*command, "--precisions", "int8"]) == 2
    assert "belongs to another problem (candidates, costs differ)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--loss", "2"], "--loss: must be a share"),
        (["--loss", "100%"], "--loss: must be below 100%"),
        (["--floor", "x"], "--floor: must be an accuracy"),
        (["--floor", "nan"], "--floor: must be an accuracy"),
        (["--floor", "0.9", "--loss", "1%"], "--floor: and --loss contradict"),
        (["--budget", "0"], "--budget: must be a whole number"),
        (["--budget", "many"], "--budget: must be a whole number"),
        (["--time-limit", "5"], "--time-limit:"),
        (["--strategy", "nope"], "unknown strategy 'nope'; there is additive"),
        (["--strategy", "exhaustive", "--budget", "2"], "exhaustive needs 9 evaluations"),
        (["--precisions", "int8,,"], "--precisions: must be names"),
        (["--precisions", "int7"], "has no accuracy at 'int7'"),
        (["--reference", "fp16"], "the accuracy at fp16 is not known"),
        (["--reference-accuracy", "x"], "--reference-accuracy: must be an accuracy"),
        (["--cost", "money"], "--cost: must be bits"),
        (["--device", "a100"], "--device: goes with --times"),
        (["--times", "missing.csv"], "missing.csv: no such file"),
        (["--ledger", "."], "is a folder"),
        (["--batch", "0"], "--batch"),
    ],
)
def test_options_that_cannot_be_met(
    table: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["calibrate", "precision", str(table), *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert "Traceback" not in said.err


def test_cost_and_times_contradict(table: Path, times: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["calibrate", "precision", str(table), "--times", str(times), "--cost", "bits"]) == 2
    assert "contradict each other" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["missing", "text", "labels", "weights", "precision", "folder"])
def test_sources_that_cannot_be_used(network: Path, table: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, options = network, ["--cost", "bits"]
    if kind == "missing":
        source = network.parent / "none.npz"
    if kind == "text":
        network.write_text("hello")
    if kind == "labels":
        with np.load(network) as stored:
            given = {name: array for name, array in stored.items() if not name.startswith("validation")}
        np.savez(network, **given)
    if kind == "weights":
        source = table
        table.write_text(TABLE.replace(",weights", "").replace(",1000", "").replace(",500", ""))
    if kind == "precision":
        options = ["--precisions", "int9"]
    if kind == "folder":
        source = network.parent
    out = network.parent / "out"
    assert run(["calibrate", "precision", str(source), *options, "-o", str(out)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "internal" not in said.err
    assert not out.exists()


def test_inputs_are_never_overwritten(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = table.read_text()
    assert run(["calibrate", "precision", str(table), "--cost", "bits", "--ledger", str(table)]) == 2
    assert "is a file that is read" in capsys.readouterr().err
    other = table.rename(table.with_name("evaluations.csv"))
    assert run(["calibrate", "precision", str(other), "--cost", "bits", "-o", str(other.parent)]) == 2
    assert other.read_text() == before
    assert run(["calibrate", "precision", str(other), "-o", str(other)]) == 2
    assert "-o names a folder" in capsys.readouterr().err


def test_equal_bytes_in_two_processes_with_different_hash_seeds(network: Path) -> None:
    said = set()
    for seed in ("1", "2"):
        command = [
            sys.executable,
            "-m",
            "simulator",
            "calibrate",
            "precision",
            str(network),
            "--cost",
            "bits",
            "--json",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        said.add(subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=True).stdout)
    assert len(said) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_an_interrupt_keeps_what_was_learned(network: Path) -> None:
    """Ctrl-C while the fourth configuration is measured: three are kept and shown; resuming asks none again."""
    program = (
        "import sys, time\n"
        "import simulator.calibration.precision.network as network\n"
        "real = network.NetworkAccuracy.__call__\n"
        "asked = []\n"
        "def slow(self, config):\n"
        "    asked.append(config)\n"
        "    if len(asked) == 4:\n"
        "        print('fourth', file=sys.stderr, flush=True)\n"
        "        time.sleep(60)\n"
        "    return real(self, config)\n"
        "network.NetworkAccuracy.__call__ = slow\n"
        "from simulator.cli.main import main; main()"
    )
    folder = network.parent / "out"
    command = ["calibrate", "precision", str(network), "--cost", "bits", "--json", "-o", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "fourth\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    figures = json.loads(out)
    assert figures["interrupted"]
    assert len(figures["evaluations"]) == 3
    assert len((folder / "ledger.jsonl").read_text().splitlines()) == 4
    done = subprocess.run([sys.executable, "-m", "simulator", *command], capture_output=True, cwd=ROOT, check=True)
    resumed = json.loads(done.stdout)
    assert resumed["evaluations_of_ledger"] == 3
    assert resumed["evaluations"][:3] == figures["evaluations"]


def test_three_strategies_are_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    from simulator.calibration.precision import BUDGET, STRATEGIES

    assert run(["calibrate", "precision", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in STRATEGIES)
    assert f"[default: {BUDGET}]" in " ".join(out.split())
