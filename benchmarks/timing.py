"""Processor time of things that are compared, taken in turns so that they meet the same mood of the machine."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TURN_S = 0.5
"""Processor time for which something is repeated before it is the next one's turn [s]."""


def in_turns(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Least processor time of each [s]; the first run of each may load and compile, and does not count."""
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            spent = 0.0
            while spent < TURN_S:
                gc.collect()  # else a run pays for the tables that the one before has left
                seconds = processor_s(run)
                best[name] = min(best[name], seconds)
                spent += max(seconds, 1e-6)
    return best


def processor_s(run: Callable[[], object]) -> float:
    """Processor time of one call, without the collection of garbage [s]."""
    gc.disable()
    try:
        start = time.process_time()
        run()
        return time.process_time() - start
    finally:
        gc.enable()


def process_s(
    arguments: Sequence[str], rounds: int, environment: Mapping[str, str] | None = None
) -> tuple[float, float]:
    """Least wall time and least processor time of a new Python process [s]."""
    wall, busy = [], []
    for _ in range(rounds):
        before, start = children_s(), time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        wall.append(time.perf_counter() - start)
        busy.append(children_s() - before)
    return min(wall), min(busy)


def children_s() -> float:
    """Processor time of the processes that this one has waited for [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine() -> str:
    """The processor, and how many want it now."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{len(names)} x {names[0].partition(': ')[2]}; load over 1, 5, 15 minutes {load}"
