"""What the benchmarks found, at the end of their run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # the importlib mode of pytest leaves the path alone
    sys.path.insert(0, str(ROOT))
LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Keep a line for the end."""
    return pytestconfig.stash.setdefault(LINES, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The lines of the benchmarks, and those of pytest-benchmark's that say what they timed."""
    from benchmarks.timing import machine

    lines = config.stash.setdefault(LINES, [])
    session = getattr(config, "_benchmarksession", None)
    for entry in getattr(session, "benchmarks", []):
        if entry.stats is not None:
            lines.append(f"{entry.extra_info['what']:<44} {entry.stats.min:8.3f} s")
    if lines:
        terminalreporter.section(f"speed (best of the rounds) on {machine()}")
        for line in lines:
            terminalreporter.write_line(line)
