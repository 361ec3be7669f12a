"""Which figures of a comparison people see unless they ask for others, and how each is written."""

from __future__ import annotations

from simulator.planner.compare.difference import Difference
from simulator.results.units import NOTHING, Kind, measure, number

MAIN: tuple[tuple[str, Kind], ...] = (
    ("dropped", "plain"),
    ("rejected", "plain"),
    ("failed", "plain"),
    ("inside", "plain"),
    ("throughput", "rate"),
    ("goodput", "rate"),
    ("attainment", "share"),
    ("accuracy", "share"),
    ("mean_layers", "plain"),
    ("mean", "seconds"),
    ("p50", "seconds"),
    ("p95", "seconds"),
    ("p99", "seconds"),
    ("utilization", "share"),
    ("cost_per_hour", "plain"),
    ("cost_per_million", "plain"),
    ("iteration", "seconds"),
    ("bubble_fraction.makespan", "share"),
    ("cost_per_iteration", "plain"),
    ("step", "seconds"),
    ("peak_memory", "plain"),
    ("cost_per_step", "plain"),
)
"""Figures that are shown without being asked for, where one side has more than nothing."""
SECONDS = ("mean", "p50", "p90", "p95", "p99", "p999", "max", "elapsed", "makespan", "span", "ideal", "down", "stall")


def kind_of(metric: str) -> Kind:
    """How a figure is written."""
    known = dict(MAIN)
    last = metric.rpartition(".")[2]
    if metric in known or last in known:
        return known.get(metric) or known[last]
    return "seconds" if last in SECONDS or metric.startswith("breakdown.") else "plain"


def row_of(metric: str, kind: Kind, one: Difference) -> list[str]:
    """A line of a table: the figure, both values, the difference (an asterisk where it is clear), and the change."""
    mark = " *" if one.clear else "  "
    return [metric, measure(one.a, kind), measure(one.b, kind), _difference(one, kind) + mark, _change(one.relative)]


def _difference(one: Difference, kind: Kind) -> str:
    """The difference with its sign and half its interval; that of shares in percentage points."""
    if one.difference is None:
        return NOTHING
    if one.difference == 0 and one.low == one.high:
        return "0"
    text = measure(float(one.difference), kind, one.low, one.high)
    if kind == "share":
        text = text.replace("%", "pts")
    return text if one.difference <= 0 else f"+{text}"


def _change(relative: float | None) -> str:
    if relative is None:
        return NOTHING
    sign = "+" if relative > 0 else ""
    return f"{sign}{number(100 * relative, 3)} %"
