"""A result as a text table for people."""

from __future__ import annotations

from typing import Any

from simulator.reporting.grid import grid, wrapped
from simulator.reporting.units import NOTHING, Kind, measure
from simulator.results.cohort import COUNTS, Json
from simulator.results.figures import ends, portion_label

_FIGURES: tuple[tuple[str, str, Kind], ...] = (
    *((name, name, "plain") for name in COUNTS),
    ("throughput", "throughput", "rate"),
    ("goodput", "goodput", "rate"),
    ("attainment", "attainment", "share"),
    ("accuracy", "accuracy", "share"),
    ("mean layers", "mean_layers", "plain"),
    ("latency, mean", "latency.mean", "seconds"),
    ("latency, p50", "latency.p50", "seconds"),
    ("latency, p90", "latency.p90", "seconds"),
    ("latency, p95", "latency.p95", "seconds"),
    ("latency, p99", "latency.p99", "seconds"),
    ("latency, p99.9", "latency.p999", "seconds"),
    ("latency, max", "latency.max", "seconds"),
    ("cost per hour", "cost_per_hour", "plain"),
    ("cost per million", "cost_per_million", "plain"),
    ("device hours", "device_hours", "plain"),
)
_ALWAYS = ("arrived", "completed")
_PORTION: tuple[tuple[str, str, Kind], ...] = (
    ("replicas", "replicas", "plain"),
    ("utilization", "utilization", "share"),
    ("mean batch", "mean_batch", "plain"),
    ("wait, mean", "queue_wait.mean", "seconds"),
    ("wait, p99", "queue_wait.p99", "seconds"),
)
_POOL: tuple[tuple[str, str, Kind], ...] = (
    ("devices", "count", "plain"),
    ("used", "used", "plain"),
    ("utilization", "utilization", "share"),
    ("cost per hour", "cost_per_hour", "plain"),
)


def result_table(figures: Json, width: int = 80) -> str:
    """The figures of a result (its ``to_dict()``) as aligned text of at most about ``width`` columns.

    Means over several replications carry half the width of their 95 % interval after ±.
    """
    parts = [_head(figures, width)]
    for name, tree in figures["services"].items():
        parts += _service(name, tree, width)
    if figures["pools"]:
        rows = [[name, *_cells(tree, _POOL)] for name, tree in figures["pools"].items()]
        parts.append("pools\n" + grid(["", *(title for title, _, _ in _POOL)], rows, width))
    parts += [wrapped(f"warning: {text}", width, "  ") for text in figures["warnings"]]
    return "\n\n".join(parts)


def _head(figures: Json, width: int) -> str:
    count = figures["replications"]
    facts = [
        figures["scenario"],
        f"seed {figures['seed']}",
        f"{count} replication{'' if count == 1 else 's'}",
    ]
    facts.append(f"engine {figures['engine']}")
    lines = [wrapped(" · ".join(facts), width, "  ")]
    if figures["variants"]:
        lines.append(wrapped("variants: " + ", ".join(figures["variants"]), width, "  "))
    if count > 1:
        lines.append(wrapped("counts are totals; the others are means ± half of the 95 % interval", width))
    return "\n".join(lines)


def _service(name: str, tree: Json, width: int) -> list[str]:
    columns = {"all" if "classes" in tree else "": tree} | tree.get("classes", {})
    rows = []
    for title, metric, kind in _FIGURES:
        values = [_value(entry, metric) for entry in columns.values()]
        if title in _ALWAYS or any(values):
            rows.append([title, *(_cell(entry, metric, kind) for entry in columns.values())])
    parts = [name + "\n" + grid(["", *columns], rows, width).removeprefix("\n")]
    if len(tree["exits"]) > 1:
        leaving = [f"{layer}: {measure(share, 'share')}" for layer, share in tree["exits"].items()]
        parts.append(wrapped("  exits after layer  " + "  ".join(leaving), width, "    "))
    header = ["portion", *(title for title, _, _ in _PORTION)]
    parts.append(grid(header, [[portion_label(item), *_cells(item, _PORTION)] for item in tree["portions"]], width))
    times = [
        [
            part,
            _cell(tree, f"breakdown.mean.{part}", "seconds"),
            _cell(tree, f"breakdown.p99.{part}", "seconds"),
        ]
        for part in tree["breakdown"]["mean"]
    ]
    parts.append(grid(["where the time goes", "mean", "slowest 1 %"], times, width))
    return parts


def _cells(tree: Json, columns: tuple[tuple[str, str, Kind], ...]) -> list[str]:
    return [_cell(tree, metric, kind) for _, metric, kind in columns]


def _cell(tree: Json, metric: str, kind: Kind) -> str:
    value = _value(tree, metric)
    return NOTHING if value is None else measure(value, kind, *ends(tree, metric))


def _value(tree: Json, metric: str) -> Any:
    value: Any = tree
    for part in metric.split("."):
        value = value.get(part)
        if value is None:
            return None
    return value
