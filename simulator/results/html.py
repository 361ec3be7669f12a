"""A small HTML table of a result, for notebooks."""

from __future__ import annotations

from html import escape
from typing import Any

from simulator.results.cohort import Json
from simulator.results.figures import ends

_ROWS = (
    ("arrived", "arrived", ""),
    ("completed", "completed", ""),
    ("goodput", "goodput", "/s"),
    ("attainment", "attainment", "share"),
    ("latency.mean", "latency, mean", "s"),
    ("latency.p50", "latency, p50", "s"),
    ("latency.p99", "latency, p99", "s"),
    ("accuracy", "accuracy", "share"),
    ("cost_per_hour", "cost per hour", ""),
    ("cost_per_million", "cost per million", ""),
)


def html_table(figures: Json) -> str:
    """One column per service, one row per figure, intervals below their mean; all text is escaped."""
    services = figures["services"]
    head = "".join(f"<th>{escape(name)}</th>" for name in services)
    caption = f"{figures['scenario']}, seed {figures['seed']}, {figures['replications']} replication(s)"
    lines = [f"<table><caption>{escape(caption)}</caption>", f"<tr><th></th>{head}<th>unit</th></tr>"]
    for metric, name, unit in _ROWS:
        cells = "".join(f"<td>{_cell(tree, metric)}</td>" for tree in services.values())
        lines.append(f"<tr><th>{name}</th>{cells}<td>{unit}</td></tr>")
    lines.append("</table>")
    lines += [f"<p>Warning: {escape(text)}</p>" for text in figures["warnings"]]
    return "\n".join(lines)


def _cell(tree: Json, metric: str) -> str:
    value: Any = tree
    for part in metric.split("."):
        value = value[part]
    if value is None:
        return "-"
    low, high = ends(tree, metric)
    return f"{value:.6g}" + ("" if low is None else f"<br>[{low:.6g}, {high:.6g}]")
