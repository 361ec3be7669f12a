"""Bands of a result as text and as CSV: what calibration error does to its figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import Kind, measure

SHOWN: dict[str, tuple[str, Kind]] = {
    "latency.mean": ("latency, mean", "seconds"),
    "latency.p50": ("latency, p50", "seconds"),
    "latency.p99": ("latency, p99", "seconds"),
    "attainment": ("attainment", "share"),
    "goodput": ("goodput", "rate"),
    "throughput": ("throughput", "rate"),
    "accuracy": ("accuracy", "share"),
    "cost_per_hour": ("cost per hour", "plain"),
    "cost_per_million": ("cost per million", "plain"),
    "iteration": ("time per iteration", "seconds"),
    "utilization": ("utilization", "share"),
    "bubble_fraction.makespan": ("bubbles, by makespan", "share"),
    "cost_per_iteration": ("cost per iteration", "plain"),
    "step": ("time per step", "seconds"),
    "cost_per_step": ("cost per step", "plain"),
}
"""Title and unit of every figure that has a band."""
SECTIONS = ("services", "trainings", "streams")


def uncertainty_table(told: Json, width: int = 80) -> str:
    """The bands of every service, training and stream; then what was varied and what was taken as exact."""
    parts = []
    if told["draws"]:
        errors = "; ".join(f"{one['file']}, {one['group']}: {100 * one['error']:.3g} %" for one in told["varied"])
        head = f"uncertainty: {told['draws']} draws of the held-out errors ({errors}), {told['correlation']}"
        parts.append(wrapped(head, width, "  "))
    else:
        parts.append("uncertainty: no cost figure carries a held-out error, so there are no bands")
    for section in SECTIONS:
        for name, bands in told[section].items():
            rows = [
                [SHOWN[key][0], *(measure(band[end], SHOWN[key][1]) for end in ("told", "low", "high"))]
                for key, band in bands.items()
            ]
            parts.append(f"{name}\n{grid(['', 'costs as told', '5 %', '95 %'], rows, width)}")
    if told["exact"]:
        parts.append("\n".join(wrapped(f"exact: {text}", width, "  ") for text in told["exact"]))
    return "\n\n".join(parts)


def uncertainty_csv(told: Json) -> str:
    """Further lines of the long CSV of a result: the figure's value with costs as told, and the ends of its band."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(_rows(told))
    return out.getvalue()


def _rows(told: Json) -> Iterator[list[object]]:
    for section in SECTIONS:
        for name, bands in told[section].items():
            for key, band in bands.items():
                metric = f"uncertainty.{key}" if section == "services" else f"{section}.{name}.uncertainty.{key}"
                service = name if section == "services" else ""
                cells = ["" if band[end] is None else band[end] for end in ("told", "low", "high")]
                yield [service, "", "", metric, *cells]
