"""The forecast on the eight measured series, as a Markdown table: ``python -m benchmarks.forecast [THIN]``.

Hourly values, 24 h ahead, origins at midnight of each trace's clock, quantiles .1 .5 .9 .95 .99, at most 28 days of
history. THIN takes every n-th origin only. Times per forecast are processor seconds, median and most, imports apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.workload.forecast import Backtest, LoadSeries, backtest, read_series

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces"


@dataclass(frozen=True)
class Case:
    """A series, how it is read, and its origins: from day ``first`` on, every ``every`` days."""

    name: str
    file: str
    columns: tuple[str, ...]
    first: int
    every: int = 1
    levels: bool = False
    gaps: str | None = None
    outages: bool = False
    computing: bool = True

    def read(self) -> LoadSeries:
        """The recorded bins."""
        return read_series(DATA / self.file, column=self.columns, gaps=self.gaps)

    def run(self, thin: int = 1) -> Backtest:
        """The backtest at every ``thin``-th origin. Outage hours are left out where the protocol says so."""
        return backtest(
            self.read(),
            begin=f"{self.first}d",
            every=f"{self.every * thin}d",
            levels=self.levels,
            outages_scored=not self.outages,
            timer=time.process_time,
        )


CASES = (
    Case("azure_vm", "series/azure_vm_2019_5min.csv.gz", ("cores_used",), 14, levels=True),
    Case(
        "helios demand",
        "series/helios_earth_gpu_demand_10min.csv.gz",
        ("running_gpus", "pending_gpus"),
        14,
        levels=True,
        outages=True,
    ),
    Case(
        "philly nodes", "series/philly_active_nodes_10min.csv.gz", ("active_nodes",), 28, 2, levels=True, outages=True
    ),
    Case("servegen m_large", "series/servegen_m_large_10min.csv.gz", ("requests",), 5),
    Case("servegen m_small", "series/servegen_m_small_10min.csv.gz", ("requests",), 5, outages=True),
    Case("twitter", "no-open-licence/twitter_2021_08_1min.csv.gz", ("events",), 7, gaps="gap_s"),
    Case("worldcup98", "series/worldcup98_1min.csv.gz", ("requests",), 29, 2),
    Case("proxy bike", "series/proxy_bike_rentals_1h.csv.gz", ("rentals",), 476, 7, computing=False),
)
"""The eight series of the protocol."""


def pooled(runs: list[Backtest]) -> tuple[float, float]:
    """Geometric mean of the scaled losses, and the share of all scored bins at or below the 95 % quantile."""
    place = runs[0].quantiles.index(0.95)
    sizes = np.array([run.actual.size for run in runs])
    shares = np.array([run.covered()[place] for run in runs])
    return float(np.exp(np.mean([np.log(run.scaled_loss) for run in runs]))), float(
        (sizes * shares).sum() / sizes.sum()
    )


def rows(thin: int = 1) -> Iterator[str]:
    """The table, line by line."""
    CASES[3].run(100)  # imports and first calls are not timed
    yield "| series | origins | naive day | naive week | forecast | ratio | below q0.95 | abs. error | s |"
    yield "|---|---|---|---|---|---|---|---|---|"
    runs = []
    for case in CASES:
        run = case.run(thin)
        runs.append(run)
        figures = run.to_dict()
        spent, place = figures["time_s"], run.quantiles.index(0.95)
        day, week = (100 * run.weighted_loss(name) for name in ("snaive-day", "snaive-week"))
        yield (
            f"| {case.name} | {len(run.origins)} | {day:.2f} | {week:.2f} | {100 * run.weighted_loss():.2f} "
            f"| {run.scaled_loss:.3f} | {100 * run.covered()[place]:.1f} % "
            f"| {100 * run.absolute_error():.1f} % | {spent['median']:.2f}, {spent['max']:.2f} |"
        )
    ratio, share = pooled(runs)
    yield f"\ngeometric mean of the ratios {ratio:.3f}; below q0.95, pooled: {100 * share:.1f} %"


if __name__ == "__main__":
    for line in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        print(line, flush=True)
