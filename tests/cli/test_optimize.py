"""``plan optimize``: what it prints and writes, how it ends, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from simulator import load, simulate
from simulator.cli.main import run
from simulator.scenario.planfile import read_plan
from simulator.scenario.schema import plan_schema
from simulator.scenario.yamltext import read_tree

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = """\
version: 1
name: small
seed: 3
run: {duration: 40s}
cluster:
  pools:
    gpu: {device: v100-16gb, count: 12, price_per_hour: 2, start_up: 1s}
    cpu: {device: xeon-8480, count: 4, price_per_hour: 5}
models:
  m: {layers: [{name: l, repeat: 2, time: {overhead: 4ms, per_item: 1ms}, weights: 10MB}]}
services:
  s:
    model: m
    slo: {latency: 100ms, attainment: 95%}
    workload: {process: poisson, rate: 300/s, shape: {kind: diurnal, period: 40s, amplitude: 80%, peak: 10s}}
planner:
  window: 20s
  search: {batch: [1, 4], max_cuts: 0}
  verification: {replications: 3}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    return tmp_path / "s.yaml"


def changed(file: Path, old: str, new: str) -> Path:
    assert old in SCENARIO
    file.write_text(SCENARIO.replace(old, new))
    return file


def called(file: Path, *options: str) -> int:
    return run(["optimize", str(file), "--workers", "1", *options])


def test_the_plan_is_written_and_runs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = file.with_name("plan.yaml")
    assert called(file, "-o", str(target), "--json") == 0
    said = capsys.readouterr()
    tree = json.loads(said.out)
    assert said.err == f"wrote {target}\n"
    read = read_plan(target)
    assert [(one.start, one.end) for one in read.plan.windows] == [(0.0, 20.0), (20.0, 40.0)]
    assert read.plan.scenario.sha256 == tree["scenario_hash"]
    assert read.plan.windows[0].rate["s"] > read.plan.windows[1].rate["s"] > 0
    first, second = (one.services["s"] for one in read.plan.windows)
    assert (first.portions[0].replicas or 0) > (second.portions[0].replicas or 0) >= 1
    root = read_tree(target.read_text()).root
    assert root is not None
    assert not list(Draft7Validator(plan_schema()).iter_errors(root.plain()))
    planned = load(file, plan=target)
    assert planned.source.notes == ()
    result = simulate(planned, replications=2)
    assert not result.misses()
    assert run(["simulate", str(file), "--plan", str(target), "--check", "--quiet", "--json"]) == 0


def test_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(file, "--json", "--quiet") == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["holds"] is True
    proof = tree["certificate"]
    assert proof["proven"] is True
    assert 0 < proof["bounds"]["any_plan"] <= proof["bounds"]["search"] <= proof["value"] * (1 + 1e-9)
    assert proof["value"] == pytest.approx(tree["cost"]["total"])
    assert proof["headroom"]["factor"] >= 1.0
    assert proof["binding"]
    assert {row["service"] for row in proof["rejected"]} == {"s"}
    checked = tree["verification"]
    assert checked["replications"] == 3
    assert checked["services"]["s"]["bound"] >= 0.95
    (row,) = tree["windows"][0]["services"].values()
    assert row["resources"][0]["pool"] == "gpu"
    assert row["cost_per_hour"] == 2 * row["resources"][0]["replicas"]


def test_tables(file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert called(file) == 0
    wide = capsys.readouterr().out
    assert "0-20 s" in wide
    assert "proved: the cheapest of what was searched" in wide
    assert re.search(r"rejected for s:\n  none, 1-2: \d+ x cpu", wide)
    monkeypatch.setenv("COLUMNS", "40")
    assert called(file) == 0
    narrow = capsys.readouterr().out
    assert max(map(len, narrow.splitlines())) <= 60
    assert called(file, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["start"] for row in rows] == ["0.0", "20.0"]


def test_equal_neighbours_are_one_row(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(file, ", shape: {kind: diurnal, period: 40s, amplitude: 80%, peak: 10s}", "")
    assert called(file) == 0
    table = capsys.readouterr().out.split("\n\n")[1]
    assert [line.split()[0] for line in table.splitlines()] == ["window", "0-40"]


def test_same_plan_for_any_number_of_workers(file: Path) -> None:
    one, two = file.with_name("one.yaml"), file.with_name("two.yaml")
    assert run(["optimize", str(file), "--quiet", "--workers", "1", "-o", str(one)]) == 0
    assert run(["optimize", str(file), "--quiet", "--workers", "2", "-o", str(two)]) == 0
    timeless = [re.sub(r"seconds: .*", "", path.read_text()) for path in (one, two)]
    assert timeless[0] == timeless[1]


def test_ledger(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = file.with_name("tried.jsonl")
    answers: list[dict[str, Any]] = []
    for _ in range(2):
        assert called(file, "--json", "--quiet", "--ledger", str(ledger)) == 0
        answers.append(json.loads(capsys.readouterr().out))
    first, again = (answer["certificate"] for answer in answers)
    assert first["evaluations"] > again["evaluations"] == 0
    assert first["value"] == again["value"]
    assert len(ledger.read_text().splitlines()) == first["evaluations"] + 1


def test_the_plan_is_drawn(file: Path) -> None:
    picture = file.with_name("plan.svg")
    assert called(file, "--quiet", "--plot", str(picture)) == 0
    assert "replicas from" in picture.read_text(encoding="utf-8")


def test_pareto(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = file.with_name("front.png")
    assert called(file, "--json", "--quiet", "--pareto", "--plot", str(picture)) == 0
    rows = json.loads(capsys.readouterr().out)["pareto"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sum(row["chosen"] for row in rows) == 1
    free = [(row["cost_per_hour"], row["p99"]) for row in rows if not row["chosen"]]
    assert len(free) >= 2
    for cost, p99 in free:
        assert not any(c <= cost and p <= p99 and (c, p) != (cost, p99) for c, p in free)
    assert called(file, "--pareto") == 0
    assert "at the highest rate" in capsys.readouterr().out


def test_nothing_passes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More than the devices can carry."""
    changed(file, "rate: 300/s", "rate: 3000/s")
    target = file.with_name("plan.yaml")
    assert called(file, "-o", str(target)) == 3
    said = capsys.readouterr()
    assert "no plan" in said.out
    assert re.search(r"missed: service s, window 0 .*no pool has the devices that a steady load needs \(", said.err)
    assert not target.exists()


def test_what_cannot_be_verified_is_written_only_by_force(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Devices that fail every 40 s: nothing of it shows in a window alone, much of it over the horizon."""
    text = SCENARIO.replace("start_up: 1s}", "start_up: 1s, faults: {mtbf: 40s, mttr: 30s}}")
    file.write_text(text.replace("count: 12", "count: 4").replace("max_cuts: 0}", "max_cuts: 0, pools: [gpu]}"))
    target = file.with_name("plan.yaml")
    assert called(file, "-o", str(target)) == 3
    said = capsys.readouterr()
    assert "4 gpu" in said.out  # the best that was found
    assert "no plan passes: the best plan found does not pass its verification: s: " in said.out.replace("\n  ", " ")
    assert f"{target} is not written" in said.err
    assert "missed: the best plan found does not pass" in said.err
    assert not target.exists()
    assert called(file, "-o", str(target), "--force", "--quiet") == 3
    verification = read_plan(target).plan.verification
    assert verification is not None
    assert verification["holds"] is False


LOAD = "{process: poisson, rate: 300/s, shape: {kind: diurnal, period: 40s, amplitude: 80%, peak: 10s}}"
SILENT = "{process: poisson, rate: 300/s, shape: {kind: spike, at: 0s, length: 1h, factor: 0}}"
SERIAL = "max_cuts: 0, exit_mode: [compact], execution: [serial]}"
HISTORY = "window: 20s\n  forecast: {series: nowhere.csv, interval: 10min}"
REFUSED = {
    "too fast": ("latency: 100ms", "latency: 8ms", r"8 ms is below the fastest possible service time, 10 ms"),
    "fits nowhere": ("weights: 10MB", "weights: 1000GB", r"memory"),
    "contradiction": ("max_cuts: 0}", SERIAL, r"leaves nothing to search"),
    "modes without exits": ("max_cuts: 0}", "max_cuts: 0, exit_mode: [at_cut]}", r"planner.search"),
    "unknown pool": ("max_cuts: 0}", "max_cuts: 0, pools: [tpu]}", r"tpu"),
    "unknown key": ("max_cuts: 0}", "max_cut: 0}", r"did you mean 'max_cuts'"),
    "window": ("window: 20s", "window: 15s", r"planner.window: 15s does not divide run.duration"),
    "no objective": ("    slo: {latency: 100ms, attainment: 95%}\n", "", r"needs `slo"),
    "no load": (LOAD, SILENT, r"nothing is expected to come in any window"),
    "closed": (LOAD, "{clients: 5, think: 1s}", r"closed load"),
    "no forecast": ("window: 20s", HISTORY, r"nowhere.csv"),
    "budget": ("window: 20s", "window: 20s\n  budget_per_hour: 5", r"goes only with `objective: attainment`"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input(file: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    old, new, says = REFUSED[case]
    assert called(changed(file, old, new), "-o", str(file.with_name("plan.yaml"))) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(says, said.err), said.err
    heads = [line for line in said.err.splitlines() if not re.match(r" {0,4}\d* \| ", line + " ")]
    assert len(heads) == 1, said.err
    assert not file.with_name("plan.yaml").exists()


def test_an_empty_history(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.with_name("load.csv").write_text("t_s,requests\n")
    changed(file, "window: 20s", "window: 20s\n  forecast: {series: load.csv, interval: 10min}")
    assert called(file) == 2
    (head, *_) = capsys.readouterr().err.splitlines()
    assert "load.csv" in head


def test_free_devices_have_no_least_cost(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SCENARIO.replace("price_per_hour: 2", "price_per_hour: 0").replace("price_per_hour: 5", "price_per_hour: 0")
    file.write_text(text)
    assert called(file) == 2
    assert "there is no least cost; say what they cost" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--plot", "a.pdf"], "must end in .svg or .png"),
        (["--pareto", "--plot", "a.gif"], "must end in .svg or .png"),
        (["--time-limit", "soon"], "--time-limit"),
        (["--time-limit", "0s"], "greater than 0"),
        (["-o", "s.yaml"], "s.yaml"),
        (["-o", "nowhere.txt/plan.yaml"], "nowhere.txt"),
        (["-o", "same", "--ledger", "same"], "two options want this file"),
    ],
)
def test_bad_options(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    monkeypatch.chdir(file.parent)
    Path("nowhere.txt").write_text("")
    assert run(["optimize", "s.yaml", *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err


def test_time_limit_keeps_the_best(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With next to no time nothing is found, or something that is verified; it is said which."""
    code = called(file, "--json", "--time-limit", "1ms")
    tree = json.loads(capsys.readouterr().out)
    assert code == (0 if tree["holds"] else 3)
    assert tree["certificate"]["stopped"] == "time limit" or tree["certificate"]["proven"]


PROGRAM = """
import sys
from simulator.planner.optimize import api
from simulator.cli.main import main
real = api.optimize
def tell(now):
    if now.phase == "searching" and now.evaluations and not said:
        said.append(1)
        print("running", file=sys.stderr, flush=True)
said = []
api.optimize = lambda scenario, progress=None, **named: real(scenario, progress=tell, **named)
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_ctrl_c_gives_the_best_plan_so_far(file: Path) -> None:
    """Somebody stops a long search: the best found is verified and written, or it is said that there is none."""
    changed(file, "batch: [1, 4]", "batch: [1, 2, 3, 4, 5, 6, 7, 8]")
    text = file.read_text().replace("run: {duration: 40s}", "run: {duration: 40s, replications: 1}")
    text = text.replace("window: 20s", "window: 1s")
    file.write_text(text)
    command = [sys.executable, "-c", PROGRAM, "optimize", "s.yaml", "-o", "plan.yaml", "--workers", "1", "--json"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        command, cwd=file.parent, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line == "running\n":
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err.splitlines()[-1]) == (130, "interrupted"), err
    tree = json.loads(out)
    plan = file.with_name("plan.yaml")
    assert plan.exists() is tree["holds"]
    assert ("is not written" in err) is not tree["holds"]
    assert not list(file.parent.glob(".draft-*"))
