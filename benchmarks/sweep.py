"""A thousand points of a small scenario: ``python -m benchmarks.sweep [WORKERS]``.

M/M/c with 2 s of load, one replication of every point: 10 rates x 10 numbers of replicas x 10 batch sizes. The command
line is run as a user would, in new processes: all of it, then killed half-way and started again, then once more with
nothing left to do. Wall time, and the processor time of the command and of its workers together.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import ROOT, children_s, machine

SCENARIO = ROOT / "scenarios" / "mmc.yaml"
RATES = ",".join(f"{rate}/s" for rate in range(120, 320, 20))
WORDS = [
    "-m",
    "simulator",
    "sweep",
    str(SCENARIO),
    *("--set", f"services.queue.workload.rate={RATES}"),
    *("--set", "services.queue.deployment.portions.0.replicas=1,2,3,4,5,6,7,8,9,10"),
    *("--set", "services.queue.deployment.portions.0.batch=1,2,3,4,5,6,7,8,9,10"),
    *("--set", "cluster.pools.servers.count=10", "--set", "run={duration: 2s, warmup: 0.2s}"),
    *("--json", "-n", "1"),
]
POINTS = 1000
COMPILES = "compiling the engine"


def command(folder: Path, workers: int, output: str) -> list[str]:
    return [sys.executable, *WORDS, "--workers", str(workers), "-o", str(folder / output)]


def timed(folder: Path, workers: int, output: str) -> tuple[float, float, str]:
    """Wall time, processor time, and what was said on stderr."""
    before, start = children_s(), time.perf_counter()
    done = subprocess.run(
        command(folder, workers, output), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - start, children_s() - before, done.stderr


def killed(folder: Path, workers: int, output: str) -> int:
    """Points that are kept when the command is killed half-way."""
    ledger = folder / f"{output}.ledger"
    process = subprocess.Popen(
        command(folder, workers, output), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not ledger.exists() or ledger.read_bytes().count(b"\n") <= POINTS // 2:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return ledger.read_bytes().count(b"\n") - 1


def main(workers: int) -> None:
    print(machine())
    print("\n| what | wall time | processor time | of a point |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed(folder, workers, "warm.csv")  # the engine is on disk
        (folder / "warm.csv.ledger").unlink()
        for count in dict.fromkeys((workers, 1)):
            wall, busy, said = timed(folder, count, f"{count}.csv")
            assert COMPILES not in said
            print(
                f"| {POINTS:,} points, {count} workers | {wall:.1f} s | {busy:.1f} s | {1e3 * busy / POINTS:.1f} ms |"
            )
        assert (folder / "1.csv").read_bytes() == (folder / f"{workers}.csv").read_bytes()
        kept = killed(folder, workers, "half.csv")
        wall, busy, said = timed(folder, workers, "half.csv")
        assert f"{kept} of {POINTS} points were done before" in said
        assert (folder / "half.csv").read_bytes() == (folder / "1.csv").read_bytes()
        print(f"| restarted with {kept} of them kept | {wall:.1f} s | {busy:.1f} s | |")
        wall, busy, said = timed(folder, workers, "half.csv")
        assert f"{POINTS} of {POINTS} points were done before" in said
        print(f"| nothing left to do | {wall:.1f} s | {busy:.1f} s | |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
