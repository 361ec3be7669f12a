"""Code blocks of Markdown pages, and what their commands really print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ELISION = "..."
LINKED = ("scenarios", "simulator")
"""What a command of a page finds in its working directory."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its lines and the number of the line after the fence (from 0)."""

    language: str
    lines: tuple[str, ...]
    start: int


def blocks(text: str) -> list[Block]:
    """The fenced code blocks of a page, in order."""
    found, opened = [], None
    for number, line in enumerate(text.splitlines()):
        if not line.startswith("```"):
            continue
        if opened is None:
            opened = (number, line[3:].strip())
        else:
            lines = text.splitlines()[opened[0] + 1 : number]
            found.append(Block(opened[1], tuple(lines), opened[0] + 1))
            opened = None
    assert opened is None, "a code block is not closed"
    return found


def commands(block: Block) -> list[tuple[str, tuple[str, ...]]]:
    """(command, shown output) of a console block; comments behind a command are left out."""
    found: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append((re.sub(r"\s+# .*", "", line[2:]).strip(), []))
        else:
            assert found, f"output before the first command: {line!r}"
            found[-1][1].append(line)
    return [(command, tuple(shown)) for command, shown in found]


def run_plan(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``plan ...`` as a process of its own in ``folder``, its output in a pipe of 80 columns."""
    words = shlex.split(command)
    assert words[0].rpartition("/")[2] == "plan", command
    return _run([sys.executable, "-m", "simulator", *words[1:]], folder)


def run_python(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in ``folder``, warnings as errors."""
    return _run([sys.executable, "-W", "error", "-c", source], folder)


def workplace(folder: Path) -> Path:
    """A folder in which the commands of the pages find the files that they name."""
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    return folder


def updated(shown: tuple[str, ...], printed: str) -> tuple[str, ...]:
    """What a page should show: all that was printed, or of each shown line the printed one that begins alike."""
    lines = tuple(line.rstrip() for line in printed.rstrip("\n").splitlines())
    if ELISION not in shown:
        return lines
    return tuple(line if line == ELISION else _alike(line, lines) for line in shown)


def _alike(line: str, lines: tuple[str, ...]) -> str:
    found = [one for one in lines if _label(one) == _label(line)]
    assert found, f"no line {_label(line)!r} is printed"
    return found[0]


def _label(line: str) -> str:
    """What stands before the first number."""
    return re.split(r"[0-9]", line, maxsplit=1)[0].strip()


def _run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "COLUMNS": "80",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
