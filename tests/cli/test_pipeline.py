"""``plan pipeline``: its formats, files and options, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.cli.main import run
from simulator.costs.pipeline import load_csv
from tests.planner.pipeline.cases import of_model, written
from tests.support import Node


def saved(folder: Path, tree: Node | None = None) -> str:
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(written() if tree is None else tree), encoding="utf-8")
    return str(path)


def strict(text: str) -> Node:
    """The tree of a JSON text without NaN or infinities."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    tree: Node = json.loads(text, parse_constant=refuse)
    return tree


@pytest.mark.parametrize("more", [[], ["--search"]])
def test_json(more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pipeline", saved(tmp_path), *more, "--json"]) == 0
    said = capsys.readouterr()
    tree = strict(said.out)
    assert said.err == ""
    assert tree["training"] == "t"
    assert tree["best"] in tree["rows"]
    assert tree["memory_unit"] == "bytes"
    assert {"schedule", "iteration", "bubble_fraction", "memory", "status", "why", "bound"} <= set(tree["best"])
    if more:
        assert {"front", "gap", "bound", "ideal", "stopped", "left", "settings"} <= set(tree)


def test_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pipeline", saved(tmp_path), "--width", "100"]) == 0
    text = capsys.readouterr().out
    assert "* fastest that fits: zb-v x2" in text
    assert "interleaved-zero-bubble x2" in text
    assert "t: 4 stages, 8 microbatches" in text
    assert all(len(row) <= 100 for row in text.splitlines())


@pytest.mark.parametrize("width", ["40", "80", "120"])
def test_search_table(width: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pipeline", saved(tmp_path, of_model()), "--search", "--gantt", "-", "--width", width]) == 0
    text = capsys.readouterr().out
    said = " ".join(text.split())
    assert "above the least possible: no order takes less than" in said or "is the least possible: no order" in said
    assert "layers of the stages: 1-" in said
    assert "--set trainings.t.pipeline.schedule=" in said
    assert "\n3 " in text
    assert all(len(row) <= int(width) or "trainings.t" in row for row in text.splitlines())


def test_what_the_search_says_can_be_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path, of_model())
    assert run(["pipeline", file, "--search", "--memory-limit", "12GB", "--json"]) == 0
    tree = strict(capsys.readouterr().out)
    sets = [word for key, value in tree["settings"].items() for word in ("--set", f"{key}={value}")]
    assert run(["simulate", file, *sets, "--json"]) == 0
    found = strict(capsys.readouterr().out)["trainings"]["t"]
    assert found["schedule"] == tree["best"]["schedule"]


def test_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["pipeline", saved(tmp_path), "--search", "--schedule", "zb-v", "--schedule", "gpipe", "--format", "csv"])
        == 0
    )
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sorted(row["schedule"] for row in rows) == ["gpipe", "zb-v"]
    assert sum(int(row["best"]) for row in rows) == 1


def test_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["--gantt", "g.svg", "--memory-plot", "m.png", "--trace", "t.json", "--csv", "o.csv"]
    words = [str(tmp_path / word) if "." in word else word for word in names]
    assert run(["pipeline", saved(tmp_path), "--schedule", "zb-h1", *words]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"wrote {tmp_path / name}" for name in ("g.svg", "m.png", "t.json", "o.csv")]
    order = load_csv(tmp_path / "o.csv")
    assert (order.ranks, order.microbatches) == (4, 8)
    svg = (tmp_path / "g.svg").read_text(encoding="utf-8")
    assert "t: zb-h1, 4 stages, 8 microbatches" in svg
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    assert strict((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    assert run(["pipeline", saved(tmp_path), "--gantt", str(tmp_path / "g.txt"), "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "g.txt").read_text(encoding="utf-8").splitlines()[1].startswith("0 F")


def test_same_bytes_in_two_processes(tmp_path: Path) -> None:
    """Text, pictures and figures do not depend on the order of hashes."""
    root, file = Path(__file__).resolve().parents[2], saved(tmp_path)
    outputs = []
    for seed in ("1", "2"):
        words = ["--gantt", str(tmp_path / f"{seed}.svg"), "--memory-plot", str(tmp_path / f"{seed}m.svg"), "-q"]
        done = subprocess.run(
            [sys.executable, "-m", "simulator", "pipeline", file, "--search", *words],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"},
        )
        outputs.append((done.stdout, *((tmp_path / f"{seed}{part}.svg").read_bytes() for part in ("", "m"))))
    assert outputs[0] == outputs[1]


def test_nothing_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, the closest one and why on stderr, and every row on stdout."""
    for more in ([], ["--search"]):
        assert run(["pipeline", saved(tmp_path), "--memory-limit", "0.5", *more, "--json"]) == 3
        said = capsys.readouterr()
        assert strict(said.out)["best"] is None
        assert said.err.startswith("missed: nothing fits; closest is ")
        assert "the limit is 1 GB" in said.err
    assert run(["pipeline", saved(tmp_path), "--memory-limit", "3", "--schedule", "1f1b", "--search"]) == 3
    assert "activations of stage 0 reach 8 GB" in capsys.readouterr().err


def test_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A number of microbatches is as good as their size."""
    found = []
    for limit in ("4", "8GB"):
        assert run(["pipeline", saved(tmp_path), "--memory-limit", limit, "--json"]) == 0
        found.append(strict(capsys.readouterr().out))
    assert found[0] == found[1]


def test_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: what was found is shown, and said to be that."""
    module = sys.modules["simulator.planner.pipeline.search"]
    real, calls = module.try_out, []

    def pressed(*given: object) -> object:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(module, "try_out", pressed)
    assert run(["pipeline", saved(tmp_path), "--search"]) == 130
    said = capsys.readouterr()
    assert "stopped (interrupted)" in said.out
    assert "* fastest that fits" in said.out
    assert said.err.splitlines() == ["the best of what was tried until then is shown", "interrupted"]


def test_time_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pipeline", saved(tmp_path, of_model()), "--search", "--time-limit", "1us", "--json"]) == 0
    tree = strict(capsys.readouterr().out)
    assert (tree["stopped"], len(tree["rows"])) == ("time limit", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chunks", "0"], "'0' is no whole number from 1"),
        (["--chunks", "1,2"], "takes one number; several are for --search"),
        (["--microbatches", "x"], "'x' is no whole number from 1"),
        (["--search", "--microbatches", "8,"], "'' is no whole number from 1"),
        (["--memory-limit", "10XB"], "unit"),
        (["--memory-limit", "0"], "must be more than 0 microbatches"),
        (["--memory-limit", "nan"], "must be more than 0 microbatches"),
        (["--time-limit", "10s"], "is for --search"),
        (["--search", "--time-limit", "10"], "10"),
        (["--schedule", "1f2b"], "unknown schedule '1f2b'"),
        (["--training", "x"], "unknown training 'x'"),
        (["--gantt", "a.pdf"], "must end in .svg or .png or .txt"),
        (["--gantt", "-", "--json"], "- is only for tables"),
        (["--memory-plot", "a.txt"], "must end in .svg or .png"),
        (["--memory-plot", ""], "the name is empty"),
        (["--trace", "a.txt"], "must end in .json"),
        (["--csv", "a.json"], "must end in .csv"),
        (["--width", "5"], "Invalid value for '--width'"),
        (["--json", "--format", "csv"], "contradict"),
    ],
)
def test_refused(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pipeline", saved(tmp_path), *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in " ".join(said.err.replace("│", " ").split())
    assert "Traceback" not in said.err


def test_mistakes_of_the_scenario_have_their_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = written()
    tree["trainings"]["t"]["times"]["forward"] = ["1s", "2s"]
    assert run(["pipeline", saved(tmp_path, tree)]) == 2
    assert "scenario.yaml:1:" in capsys.readouterr().err


def test_no_input_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "order.csv").write_text("0F0,0B0\n", encoding="utf-8")
    tree = written({"stages": 1, "microbatches": 1, "order": "order.csv"})
    file = saved(tmp_path, tree)
    assert run(["pipeline", file, "--csv", str(tmp_path / "order.csv")]) == 2
    assert "is a file that is read" in capsys.readouterr().err
    linked = tmp_path / "linked.json"
    linked.symlink_to(file)
    assert run(["pipeline", file, "--trace", str(linked)]) == 2
    assert "is a file that is read" in capsys.readouterr().err
    same = str(tmp_path / "same.svg")
    assert run(["pipeline", file, "--gantt", same, "--memory-plot", same]) == 2
    assert "two options want to write this file" in capsys.readouterr().err
    assert run(["pipeline", file]) == 0


def test_a_limit_in_bytes_needs_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = written()
    del tree["trainings"]["t"]["memory"]
    assert run(["pipeline", saved(tmp_path, tree), "--memory-limit", "8GB"]) == 2
    assert "memory.activation" in capsys.readouterr().err
    assert run(["pipeline", saved(tmp_path, tree), "--memory-limit", "8", "--schedule", "1f1b"]) == 0
