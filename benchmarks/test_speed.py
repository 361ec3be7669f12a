"""How fast: requests per second beside other programs in the same run, and the wall time of commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.systems import MM4, ciw_mm4, exitplan, mm4_scenario, simpy_mm4, simpy_three, three_scenario

ROUNDS = 7
P99_MM4_S = 0.0689
"""M/M/4 at 80 % load and 10 ms: the 99th percentile of the time in the system, from its exact distribution."""


def measure(benchmark: Any, system: str, program: str, requests: int, run: Callable[[], float]) -> float:
    """Time ``run``, which simulates about ``requests`` requests; what it returns is returned."""
    benchmark.extra_info.update(system=system, program=program, requests=requests)
    found: float = benchmark.pedantic(run, rounds=ROUNDS, iterations=1, warmup_rounds=1)
    return found


def test_mm4_exitplan(benchmark: Any) -> None:
    scenario = mm4_scenario(100_000)
    p99 = measure(benchmark, "M/M/4", "exitplan", 100_000, lambda: exitplan(scenario))
    assert p99 == pytest.approx(P99_MM4_S, rel=0.1)


def test_mm4_simpy(benchmark: Any) -> None:
    p99 = measure(benchmark, "M/M/4", "plain SimPy", 50_000, lambda: simpy_mm4(50_000))
    assert p99 == pytest.approx(P99_MM4_S, rel=0.1)


def test_mm4_ciw(benchmark: Any) -> None:
    p99 = measure(benchmark, "M/M/4", "Ciw", 10_000, lambda: ciw_mm4(10_000))
    assert p99 == pytest.approx(P99_MM4_S, rel=0.25)


def test_three_portions_exitplan(benchmark: Any) -> None:
    scenario = three_scenario(100_000)
    measure(benchmark, "three portions in batches", "exitplan", 100_000, lambda: exitplan(scenario))


def test_three_portions_simpy(benchmark: Any) -> None:
    measure(benchmark, "three portions in batches", "plain SimPy", 20_000, lambda: simpy_three(20_000))


def test_help(benchmark: Any) -> None:
    benchmark.extra_info["what"] = "plan --help"
    benchmark.pedantic(_plan, args=("--help",), rounds=ROUNDS, iterations=1, warmup_rounds=1)


def test_simulate_100_000(benchmark: Any, tmp_path: Path) -> None:
    path = tmp_path / "mm4.yaml"
    path.write_text(MM4.format(duration=100_000 / 320), encoding="utf-8")
    benchmark.extra_info["what"] = "plan simulate, 100,000 requests, table"
    benchmark.pedantic(_plan, args=("simulate", str(path)), rounds=ROUNDS, iterations=1, warmup_rounds=1)


def _plan(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "simulator", *arguments], stdout=subprocess.DEVNULL, check=True)
