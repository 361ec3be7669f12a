"""Cost per request as requests, portions and replicas grow: ``python -m benchmarks.scaling`` writes table and plot.

Each case is lowered, then one replication runs without tables: arrivals are drawn, requests served, latencies
counted, and the sums checked. What is paid once, whatever the number of requests (the objects and arrays of every
replica, the bins of the sketch), is timed apart.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from benchmarks.systems import mmc_scenario, three_scenario
from benchmarks.timing import ROOT, machine, processor_s
from simulator import cluster
from simulator.cluster.compiled import CompiledEngine
from simulator.cluster.lower import lower
from simulator.results import check_tally
from simulator.scenario import Scenario

FOLDER = ROOT / "reports"
ENOUGH_S, LONG_S, LEAST_ROUNDS, MOST_ROUNDS = 0.8, 3.0, 3, 30
MANY = 1_000_000
SCANNED = 200_000_000
"""Looks at a replica that the cases may take in which every request looks at all of them."""
REPLICAS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
CHAIN = """
version: 1
name: chain
run: {{duration: {duration}s}}
cluster:
  pools:
    pool: {{device: {{memory: 8GiB, memory_bandwidth: 68GB/s, peak: {{fp16: 1TFLOPS}}}}, count: {portions}}}
models:
  net: {{layers: [{{name: block, repeat: {portions}, time: {{overhead: 1.44ms, per_item: 168us}}}}]}}
services:
  net:
    model: net
    workload: {{process: poisson, rate: 2000/s}}
    deployment: {{portions: [{places}]}}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One case. Times are processor time."""

    axis: str
    curve: str
    x: int
    requests: int
    per_request_us: float
    set_up_ms: float


def chain(portions: int, requests: int) -> Scenario:
    """As many portions in a row, batches of up to 8 that wait at most 5 ms, every request passes all of them."""
    place = "{{layers: {}, pool: pool, replicas: 1, batch: 8, max_wait: 5ms}}"
    places = ", ".join(place.format(number) for number in range(1, portions + 1))
    return cluster.loads(CHAIN.format(portions=portions, places=places, duration=requests / 2000))


def routed(replicas: int, requests: int, routing: str, *sets: str) -> Scenario:
    """Replicas that serve one request at a time in 10 ms (exponential), at 80 % load, with a routing."""
    return mmc_scenario(replicas, requests, [f"services.queue.deployment.routing={routing}", *sets])


def cases() -> Iterator[tuple[str, str, int, int, Scenario]]:
    """Axis, curve, place on the axis, requests, scenario."""
    for power in range(4, 9):
        for requests in (10**power, 3 * 10**power)[: 1 if power == 8 else 2]:
            yield "requests", "M/M/4", requests, requests, mmc_scenario(4, requests)
            yield "requests", "three portions, batches, exits", requests, requests, three_scenario(requests, 2000)
    for portions in range(1, 9):
        yield "portions", "batches of up to 8", portions, MANY, chain(portions, MANY)
    for replicas in REPLICAS:
        for routing in ("shared", "random", "round_robin", "two_choices"):
            yield "replicas", routing, replicas, MANY, routed(replicas, MANY, routing)
        few = min(MANY, SCANNED // replicas)
        yield "replicas", "least_outstanding", replicas, few, routed(replicas, few, "least_outstanding")
        batches = ["services.queue.deployment.portions.0.batch=8", "services.queue.deployment.portions.0.max_wait=50ms"]
        yield "replicas", "random, batches", replicas, MANY, routed(replicas, MANY, "random", *batches)
        full = [
            f"services.queue.queue.capacity={max(replicas // 10, 1)}",
            f"services.queue.workload.rate={120 * replicas}/s",
        ]
        yield "replicas", "shared, queue full", replicas, MANY, routed(replicas, MANY, "shared", *full)
        few = min(MANY, 3 * SCANNED // replicas)
        yield "replicas", "random, queue full", replicas, few, routed(replicas, few, "random", *full)


def measured(axis: str, curve: str, x: int, requests: int, scenario: Scenario) -> Row:
    """The best of some rounds."""
    lowered = lower(scenario)
    ready: list[CompiledEngine] = []
    arrived = 0

    def set_up() -> None:
        ready.append(CompiledEngine(lowered, 0, Path(), keep_tables=False))

    def run() -> None:
        nonlocal arrived
        frame, tally = ready.pop().tally()
        check_tally(frame, tally)
        arrived = int(tally.arrived.sum())

    set_ups: list[float] = []
    runs: list[float] = []
    while (len(runs) < LEAST_ROUNDS and sum(runs) < LONG_S) or (sum(runs) < ENOUGH_S and len(runs) < MOST_ROUNDS):
        set_ups.append(processor_s(set_up))
        runs.append(processor_s(run))
    return Row(axis, curve, x, arrived, 1e6 * min(runs) / arrived, 1e3 * min(set_ups))


def exponent(x: np.ndarray, y: np.ndarray) -> float:
    """Slope in doubly logarithmic axes."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def told(rows: list[Row]) -> Iterator[str]:
    """For each axis a table of the cost per request, then what it grows with."""
    for axis in dict.fromkeys(row.axis for row in rows):
        mine = [row for row in rows if row.axis == axis]
        curves = list(dict.fromkeys(row.curve for row in mine))
        cost = {(row.curve, row.x): row.per_request_us for row in mine}
        yield f"\nmicroseconds per request\n\n| {axis} | " + " | ".join(curves) + " |"
        yield "|---|" + "---|" * len(curves)
        for x in sorted({row.x for row in mine}):
            yield f"| {x:,} | " + " | ".join(f"{cost[curve, x]:.3g}" for curve in curves) + " |"
        yield ""
        yield from (f"{curve}: {growth(axis, [row for row in mine if row.curve == curve])}" for curve in curves)


def growth(axis: str, rows: list[Row]) -> str:
    """What a curve grows with."""
    x = np.array([row.x for row in rows], float)
    y = np.array([row.per_request_us for row in rows])
    if axis == "requests":
        total = y * x
        all_of_it, upper = exponent(x, total), exponent(x[x >= MANY], total[x >= MANY])
        return f"time ~ requests^{all_of_it:.3f}; from a million on, requests^{upper:.3f}"
    if axis == "portions":
        slope, first = np.polyfit(x, y, 1)
        return f"{first:.3f} us + {slope:.3f} us for each portion; portions^{exponent(x, y):.2f}"
    logs = np.log2(x)
    slope, first = np.polyfit(logs, y, 1)
    off = float(np.abs(first + slope * logs - y).max() / y.mean())
    high = x >= 100
    fit = f"{first:.3f} us + {slope:.4f} us x log2, off by {off:.0%} of the mean"
    return (
        f"x {y[-1] / y[0]:.1f} from {rows[0].x} to {rows[-1].x:,}; replicas^{exponent(x, y):.2f}, from 100 on "
        f"replicas^{exponent(x[high], y[high]):.2f}; {fit}"
    )


def draw(rows: list[Row], path: Path) -> None:
    """Cost per request in doubly logarithmic axes, one panel for each axis."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "scaling", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    axes = list(dict.fromkeys(row.axis for row in rows))
    figure, panels = plt.subplots(1, len(axes), figsize=(4.6 * len(axes), 4.4), layout="constrained")
    for panel, axis in zip(panels, axes):
        mine = [row for row in rows if row.axis == axis]
        for curve in dict.fromkeys(row.curve for row in mine):
            points = [(row.x, row.per_request_us) for row in mine if row.curve == curve]
            panel.plot(*zip(*points), marker="o", markersize=3.5, linewidth=1.3, label=curve)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel(axis)
        panel.set_ylabel("processor time per request [us]")
        panel.grid(visible=True, which="major", alpha=0.3)
        panel.legend(fontsize=8, frameon=False)
        if axis == "portions":
            panel.set_xticks(range(1, 9), [str(number) for number in range(1, 9)], minor=False)
            panel.minorticks_off()
        low, high = (function(row.per_request_us for row in mine) for function in (min, max))
        panel.set_ylim(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
    plt.close(figure)


def main(folder: Path) -> None:
    """Measure every case, print what was found, write ``scaling.csv`` and ``scaling.svg``."""
    print(machine())
    rows = []
    for case in cases():
        rows.append(measured(*case))
        print(rows[-1], file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "scaling.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Row))
        writer.writerows(
            [f"{value:.6g}" if isinstance(value, float) else value for value in astuple(row)] for row in rows
        )
    draw(rows, folder / "scaling.svg")
    print("\n".join(told(rows)))
    print(machine())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
