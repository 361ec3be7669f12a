"""Requests per second and ratios at the end of a benchmark run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # the importlib mode of pytest leaves the path alone
    sys.path.insert(0, str(ROOT))
FASTEST = "exitplan"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line per benchmark; programs that simulate the same system are compared with ours."""
    session = getattr(config, "_benchmarksession", None)
    entries = [entry for entry in getattr(session, "benchmarks", []) if entry.stats is not None]
    if not entries:
        return
    terminalreporter.section("speed (best of the rounds)")
    rates = {}
    for entry in entries:
        if "requests" in entry.extra_info:
            system, program = entry.extra_info["system"], entry.extra_info["program"]
            rates[system, program] = entry.extra_info["requests"] / entry.stats.min
        else:
            terminalreporter.write_line(f"{entry.extra_info['what']:<44} {entry.stats.min:8.3f} s")
    for (system, program), rate in rates.items():
        ours = rates.get((system, FASTEST))
        times = "" if ours is None or program == FASTEST else f"   exitplan is {ours / rate:.1f} times as fast"
        terminalreporter.write_line(f"{system + ', ' + program:<44} {rate:10,.0f} requests/s{times}")
