"""Time and peak memory of long runs, each in a process of its own: ``python -m benchmarks.day``.

Three portions with batches and early exits at 1,000 requests per second, for an hour and for a day: all of
``simulate``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.systems import three_scenario
from benchmarks.timing import ROOT, machine

HOUR_S, DAY_S, RATE = 3_600, 86_400, 1_000.0


def simulated(duration_s: int) -> str:
    """Simulate in this process: requests, seconds, and the most memory that the process has held."""
    from simulator import simulate
    from simulator.results.cohort import COUNTS

    simulate(three_scenario(10_000, RATE), tables=False)  # loads, or compiles, the engine
    start, busy = time.perf_counter(), time.process_time()
    result = simulate(three_scenario(int(duration_s * RATE), RATE), tables=False)
    wall, busy = time.perf_counter() - start, time.process_time() - busy
    figures = result.to_dict()["services"]["net"]
    counts = {name: figures[name] for name in COUNTS}
    arrived = counts.pop("arrived")
    if arrived != sum(counts.values()):
        raise SystemExit(f"requests are lost: {arrived} arrived, {counts}")
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    megabytes = int(peak.split()[1]) * 1024 / 1e6
    return (
        f"{arrived:,} requests in {wall:.1f} s ({busy:.1f} s of processor time, {arrived / busy:,.0f} requests/s), "
        f"peak memory {megabytes:.0f} MB; " + ", ".join(f"{name} {count:,}" for name, count in counts.items())
    )


def main() -> None:
    """An hour and a day."""
    print(machine())
    for duration_s in (HOUR_S, DAY_S):
        subprocess.run([sys.executable, "-m", "benchmarks.day", str(duration_s)], cwd=ROOT, check=True)
    print(machine())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(simulated(int(sys.argv[1])), flush=True)
    else:
        main()
