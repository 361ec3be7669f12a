"""Replayed plans beside their alternatives, as text and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.reporting.csvtext import csv_text
from simulator.reporting.figure import picture
from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import NOTHING, measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_CLAIRVOYANT = "clairvoyant"


def backtest_title(figures: Json) -> str:
    """What was replayed, in a line."""
    days = figures["days_s"]
    span = f"day {days[0] / 86400:g}" + (f" to {days[-1] / 86400:g}" if len(days) > 1 else "")
    count = "1 day" if len(days) == 1 else f"{len(days)} days"
    return (
        f"{figures['scenario']}, {figures['service']}: {count} of {figures['series']} ({span}), "
        f"planned at the {figures['quantile']:g} quantile in windows of {figures['window'] / 3600:g} h"
    )


def plan_backtest_table(figures: Json, width: int = 80) -> str:
    """One row per strategy, the differences to the plan with their intervals, and what should be known."""
    parts = [wrapped(backtest_title(figures), width), _totals(figures, width)]
    differences = _differences(figures, width)
    if differences:
        parts.append(differences)
    parts += [wrapped(note, width, "  ") for note in _notes(figures)]
    return "\n\n".join(parts)


def _totals(figures: Json, width: int) -> str:
    header = ["strategy", "cost", "device-hours", "attainment", "days missed", "changes a day"]
    rows = []
    for name, tree in figures["strategies"].items():
        total = tree["total"]
        rows.append(
            [
                name,
                f"{total['cost']:,.2f}",
                f"{total['device_hours']:,.1f}",
                NOTHING if total["attainment"] is None else f"{100 * total['attainment']:.3f} %",
                str(total["missed_days"]),
                f"{total['changes']:.1f}",
            ]
        )
    return grid(header, rows, width, indent=0)


def _differences(figures: Json, width: int) -> str:
    reference = next(iter(figures["strategies"]))
    header = [f"less {reference}, a day", "cost", "device-hours", "attainment [points]"]
    rows = []
    for name, tree in figures["strategies"].items():
        versus = tree["versus"].get(reference)
        if versus is not None:
            found = [(versus["cost"], 1.0), (versus["device_hours"], 1.0), (versus["attainment"], 100.0)]
            rows.append([name, *(_spread(pair, factor) for pair, factor in found)])
    return grid(header, rows, width, indent=0) if rows else ""


def _spread(pair: Json | None, factor: float) -> str:
    """A mean difference and its 95 % interval."""
    if pair is None:
        return NOTHING
    mean, ends = pair["mean"] * factor, pair["ci95"]
    if ends is None:
        return f"{mean:+.4g}"
    return f"{mean:+.4g} ({ends[0] * factor:+.3g} .. {ends[1] * factor:+.3g})"


def _notes(figures: Json) -> list[str]:
    found, trees = [], figures["strategies"]
    reference = next(iter(trees))
    cost = trees[reference]["total"]["cost"]
    if _CLAIRVOYANT in trees and trees[_CLAIRVOYANT]["total"]["cost"] > 0:
        ideal = trees[_CLAIRVOYANT]["total"]["cost"]
        found.append(
            f"Not knowing the load costs {measure(cost / ideal - 1.0, 'share')} more than a plan that knows it."
        )
    if figures["target"] is not None:
        found.append(
            f"A day is missed when fewer than {measure(figures['target'], 'share')} of its requests are in time."
        )
    for name, tree in trees.items():
        count = tree["total"]["unverified_days"]
        if count:
            reason = next((day["reason"] for day in tree["days"] if day["reason"]), "")
            found.append(f"{name}: on {count} days the planner did not vouch for its plan. {reason}".rstrip())
    return found


def plan_backtest_csv(figures: Json) -> str:
    """One row per strategy and day."""
    rows: list[list[Any]] = []
    keys = ("cost", "device_hours", "attainment", "p99", "changes", "requests", "verified")
    for name, tree in figures["strategies"].items():
        rows += [[name, start, *(day[key] for key in keys)] for start, day in zip(figures["days_s"], tree["days"])]
    return csv_text(["strategy", "day_s", *keys], rows)


def backtest_figure(figures: Json) -> Figure:
    """Left: device-hours against attainment, all days; right: device-hours day by day."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colors = dict(zip(figures["strategies"], _COLORS))
    _against(left, figures, colors)
    _by_day(right, figures, colors)
    for axes in (left, right):
        axes.grid(color="#dddddd", lw=0.6)
        axes.set_axisbelow(True)
    figure.legend(*right.get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside lower center", ncols=3)
    figure.suptitle(backtest_title(figures), x=0.01, ha="left", fontsize=11, wrap=True)
    return figure


def _against(axes: Axes, figures: Json, colors: dict[str, str]) -> None:
    for name, tree in figures["strategies"].items():
        total = tree["total"]
        if total["attainment"] is not None:
            axes.scatter(total["device_hours"], 100 * total["attainment"], s=60, color=colors[name], zorder=3)
    if figures["target"] is not None:
        axes.axhline(100 * figures["target"], color="black", lw=0.8, ls=":")
        axes.annotate(
            "asked", (1.0, 100 * figures["target"]), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
    axes.set_xlabel("device-hours, all days")
    axes.set_ylabel("attainment [%]")
    axes.ticklabel_format(useOffset=False)


def _by_day(axes: Axes, figures: Json, colors: dict[str, str]) -> None:
    days = [start / 86400 for start in figures["days_s"]]
    for name, tree in figures["strategies"].items():
        hours = [day["device_hours"] for day in tree["days"]]
        axes.plot(days, hours, marker="o", color=colors[name], lw=1.4, label=name)
    axes.set_xticks(days)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("day on the clock of the series")
    axes.set_ylabel("device-hours of the day")


def draw_backtest(figures: Json, path: Path) -> None:
    """Write the picture as ``path`` says, SVG or PNG; the same bytes for the same figures."""
    totals = {name: tree["total"]["device_hours"] for name, tree in figures["strategies"].items()}
    told = ", ".join(f"{name} {hours:,.1f}" for name, hours in totals.items())
    title = backtest_title(figures)
    picture(backtest_figure(figures), path, title, f"{title}. Device-hours: {told}.")
