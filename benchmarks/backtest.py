"""Plans made at midnight and replayed with what came: ``python -m benchmarks.backtest [DAYS [FROM [STRATEGY ..]]]``.

The scenario is `scenarios/plan-day-sentiment.yaml`, the load ServeGen's m_small, of which a share is taken; days begin
after five days of history, as in the benchmark of the forecast. Asked: at least 20 % fewer device-hours than one plan
for the whole day (same planner, same quantile), attainment within 0.2 points of it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from simulator import load
from simulator.planner.backtest import backtest
from simulator.reporting.planbacktest import plan_backtest_table

ROOT = Path(__file__).resolve().parents[1]
SERIES = ROOT.parent / "shared" / "data" / "traces" / "series" / "servegen_m_small_10min.csv.gz"
SHARE = 0.05


def main() -> None:
    """Run and print the table, the two asked figures, and the time."""
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    begin = sys.argv[2] if len(sys.argv) > 2 else "5d"
    started = time.process_time()
    scenario = load(ROOT / "scenarios" / "plan-day-sentiment.yaml")
    found = backtest(scenario, SERIES, begin=begin, days=days, scale=SHARE, strategies=sys.argv[3:] or None)
    sys.stdout.write(plan_backtest_table(found.to_dict(), 120) + "\n\n")
    planned, static = found.total("planned"), found.total("static")
    saved = 1.0 - planned["device_hours"] / static["device_hours"]
    points = 100.0 * (planned["attainment"] - static["attainment"])
    sys.stdout.write(
        f"device-hours saved: {saved:.1%} (asked 20 %); attainment {points:+.3f} points (asked within 0.2)\n"
    )
    sys.stdout.write(f"{time.process_time() - started:.0f} s of this process, without its workers\n")


if __name__ == "__main__":
    main()
