"""README.md: its commands run, and print what it shows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from simulator.cli.examples import EXAMPLES
from simulator.reporting.planplot import draw_plan
from simulator.scenario.planfile import read_plan
from tests.docs.blocks import ROOT, Block, blocks, commands, run_plan, run_python, updated, workplace

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = blocks(TEXT)
CONSOLE = [block for block in BLOCKS if block.language == "console"]
PYTHON = [
    (block, after if after is not None and after.language == "text" else None)
    for block, after in zip(BLOCKS, [*BLOCKS[1:], None])
    if block.language == "python"
]
MISSED = 3
SETUP, TEST = ("\n".join(block.lines) for block in BLOCKS if block.language == "sh")
STALE = "README.md shows something else than is printed: run `python -m tests.docs.refresh`"


def test_the_two_commands_come_first() -> None:
    assert [block.language for block in BLOCKS[:2]] == ["sh", "sh"]
    environment = "python3 -m venv .venv && .venv/bin/pip install -q "
    assert SETUP.startswith(f"{environment}. && .venv/bin/plan simulate ")
    assert TEST.startswith(f"{environment}-e '.[test]' && .venv/bin/python -m pytest ")


def test_the_first_command_runs_the_quick_start(tmp_path: Path) -> None:
    done = run_plan(SETUP.rpartition("&& ")[2], workplace(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "quickstart" in done.stdout


def test_the_second_command_is_what_ci_runs() -> None:
    done = subprocess.run([ROOT / ".ci" / "run", "--show"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, TEST), done.stderr


@pytest.mark.parametrize("block", CONSOLE, ids=[commands(block)[0][0] for block in CONSOLE])
def test_commands(block: Block, tmp_path: Path) -> None:
    """The commands of a block run one after another in one folder."""
    workplace(tmp_path)
    for command, shown in commands(block):
        done = run_plan(command, tmp_path)
        assert done.returncode == (MISSED if "--check" in command else 0), done.stderr
        if shown:
            assert updated(shown, done.stdout) == shown, STALE


@pytest.mark.parametrize(("block", "shown"), PYTHON, ids=[f"line {block.start}" for block, _ in PYTHON])
def test_python(block: Block, shown: Block | None, tmp_path: Path) -> None:
    done = run_python("\n".join(block.lines), workplace(tmp_path))
    assert done.returncode == 0, done.stderr
    if shown is not None:
        assert updated(shown.lines, done.stdout) == shown.lines, STALE


def test_nobody_gets_lost_in_it() -> None:
    assert len(TEXT.splitlines()) < 200


def test_every_command_of_the_program_is_mentioned() -> None:
    mentioned = set(re.findall(r"\bplan ([a-z]+)", TEXT))
    assert {verb.partition(" ")[0] for verb in EXAMPLES} <= mentioned


def test_the_picture_is_that_of_the_shipped_plan(tmp_path: Path) -> None:
    plan = read_plan(ROOT / "scenarios" / "plans" / "plan-day-sentiment.yaml").plan
    draw_plan(plan, tmp_path / "plan.svg", "plan-day-sentiment")
    told = [
        re.findall(r"<dc:description>(.*?)</dc:description>", file.read_text(encoding="utf-8"))
        for file in (tmp_path / "plan.svg", ROOT / "docs" / "plan-day.svg")
    ]
    assert told[0] == told[1] != []
    saved = plan.certificate
    assert saved is not None
    assert saved["proven"] is True
