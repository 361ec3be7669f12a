"""``plan export``: what it prints, writes, checks and refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from simulator.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
QUICK = str(ROOT / "scenarios" / "quickstart.yaml")
DAY = str(ROOT / "tests" / "export" / "data" / "day.plan.yaml")
TARGETS = ("kubernetes", "triton", "ray-serve")


@pytest.mark.parametrize("target", TARGETS)
def test_table_and_check(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert run(["export", DAY, "--to", target, "-o", out, "--check"]) == 0
    said = capsys.readouterr()
    assert "as verified" in said.out
    assert "Chat_1" in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines())
    assert f"wrote {out} (" in said.err
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert run(["export", DAY, "--to", target, "-o", out, "--check"]) == 0  # now it is there: it is only checked
    said = capsys.readouterr()
    assert said.out.endswith("reads it, and it is what the plan says\n")
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    changed = next(path for path, data in before.items() if b"batch: 8" in data or b"max_batch_size: 8" in data)
    changed.write_bytes(before[changed].replace(b"batch: 8", b"batch: 9").replace(b"size: 8", b"size: 9"))
    assert run(["export", DAY, "--to", target, "-o", out, "--check"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(out)
    assert "batch" in said.err


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", DAY, "--to", "kubernetes", "-o", str(tmp_path / "o"), "--json", "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["target"] == "kubernetes"
    assert set(found["services"]) == {"Chat_1", "search"}
    assert found["services"]["Chat_1"]["verified"]["p99_s"] > 0
    assert "README.md" in found["files"]


def test_a_scenario_with_deployments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--set", "run.duration=10s", "--set", "run.warmup=0s", "--set", "run.replications=1", "--seed", "3"]
    assert run(["export", QUICK, "--to", "triton", "-o", str(tmp_path / "o"), *arguments]) == 0
    assert (tmp_path / "o" / "window-0" / "model_repository").is_dir()
    capsys.readouterr()


def test_one_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", DAY, "--to", "ray-serve", "-o", str(tmp_path / "o"), "--window", "2", "--check"]) == 0
    assert [path.name for path in (tmp_path / "o").glob("window-*")] == ["window-2"]
    capsys.readouterr()
    assert run(["export", DAY, "--to", "ray-serve", "-o", str(tmp_path / "p"), "--window", "4"]) == 2
    assert "there is no window 4: it has 0 to 3" in capsys.readouterr().err


def test_the_scenario_of_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(DAY).read_text()
    plan = tmp_path / "plan.yaml"
    out = ["--to", "triton", "-o", str(tmp_path / "o")]
    plan.write_text(text)
    assert run(["export", str(plan), *out]) == 2
    assert "scenario.path: there is no file" in capsys.readouterr().err
    plan.write_text(text.replace("scenario: {path: day.yaml}\n", ""))
    assert run(["export", str(plan), *out]) == 2
    assert "does not name its scenario: add --scenario FILE" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
    assert run(["export", str(plan), *out, "--scenario", str(Path(DAY).with_name("day.yaml"))]) == 0
    capsys.readouterr()


def test_a_plan_is_exported_as_it_was_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its variants and overrides; its scenario is also found as it was named; another version of it is told."""
    monkeypatch.chdir(ROOT)
    made = "{path: tests/export/data/day.yaml, sets: [run.duration=20s, cluster.pools.a100.devices_per_replica=2]}"
    plan = tmp_path / "plan.yaml"
    plan.write_text(Path(DAY).read_text().replace("{path: day.yaml}", made))
    out = tmp_path / "o"
    arguments = ["export", str(plan), "--to", "kubernetes", "-o", str(out), "--check"]
    assert run([*arguments, "--set", "run.duration=10s"]) == 0
    assert "Only the first 0:00:10" in capsys.readouterr().out.replace("\n  ", " ")
    assert "nvidia.com/gpu: '2'" in (out / "base" / "chat-1-c1-5-12.yaml").read_text()
    plan.write_text(plan.read_text().replace("sets:", f"sha256: {'a' * 64}, sets:"))
    assert run([*arguments, "--force"]) == 0
    assert "was made for another version of this scenario." in capsys.readouterr().out.replace("\n  ", " ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "kubernets"], "--to: unknown target 'kubernets', did you mean 'kubernetes'?"),
        (["--to", "nomad"], "--to: unknown target 'nomad'"),
        (["--to", "triton", "--image", "a"], "--image means nothing to Triton: leave it out"),
        (["--to", "ray-serve", "--namespace", "a"], "--namespace means nothing to Ray Serve"),
        (["--to", "kubernetes", "--image", "a b"], "is no image reference"),
        (["--to", "kubernetes", "--namespace", "A"], "must be lower-case letters"),
        (["--to", "kubernetes", "--clock", "9"], "must be a time of day"),
        (["--to", "kubernetes", "--scenario", QUICK], "is no plan"),
    ],
)
def test_bad_commands(arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", QUICK, "-o", str(tmp_path / "o"), *arguments]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert run(["export", QUICK, "--to", "triton", "-o", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert run(["export", QUICK, "--to", "triton", "-o", str(tmp_path), "--check"]) == 2  # it is no export
    assert "windows.json" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("text", ["", "windows: 3", "[1]", "windows: [", "version: 1\nwindows: []\n"])
def test_files_that_are_no_plans(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.yaml").write_text(text)
    assert run(["export", str(tmp_path / "plan.yaml"), "--to", "triton", "-o", str(tmp_path / "o")]) == 2
    said = capsys.readouterr()
    assert "plan.yaml" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("target", "module"), [("kubernetes", "kubernetes_validate"), ("triton", "tritonclient"), ("ray-serve", "ray")]
)
def test_a_missing_parser_is_named(
    target: str, module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulator.export import exporter as where

    there = where._is_there
    monkeypatch.setattr(where, "_is_there", lambda name: not name.startswith(module) and there(name))
    assert run(["export", QUICK, "--to", target, "-o", str(tmp_path / "o"), "--check"]) == 2
    said = capsys.readouterr().err
    assert "pip install 'exitplan[export]'" in said
    assert not (tmp_path / "o").exists()


def test_no_parser_is_imported_without_a_check(tmp_path: Path) -> None:
    import subprocess

    program = (
        "import sys; from simulator.export import export, read_case; from simulator.export.queueing import Comparison;"
        "from pathlib import Path;"
        f"case = read_case({DAY!r});"
        f"[export(case, name, Path(name), comparison=Comparison((), ())) for name in {TARGETS!r}];"
        "print([name for name in ('ray', 'kubernetes_validate', 'tritonclient', 'jsonschema') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "[]\n"


def test_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    from simulator.export import TARGETS as ALL

    assert run(["export", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ALL)
