"""Style, types and the import contract are part of the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path) -> None:
    """Run a tool in the root of the project; what it says is the message of a failure."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")


def test_ruff_finds_nothing() -> None:
    run(sys.executable, "-m", "ruff", "check", ".")


def test_code_is_formatted() -> None:
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_types_hold() -> None:
    run(sys.executable, "-m", "mypy")


def test_imports_run_downwards() -> None:
    beside = Path(sys.executable).parent / "lint-imports"
    tool = beside if beside.exists() else shutil.which("lint-imports")
    assert tool is not None, "lint-imports is missing: pip install -e '.[test]'"
    run(tool, "--no-cache")
