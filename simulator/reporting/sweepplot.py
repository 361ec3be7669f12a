"""A sweep as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.planner.sweep import SweepResult
from simulator.planner.sweep.columns import short_names
from simulator.reporting.figure import picture, time_axis
from simulator.reporting.sweepcurves import SHARES, Asked, Line, SweepPlot, sweep_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe and Ito, which people tell apart however they see colours; markers differ as well."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLES = ("-", "--", ":", "-.")
ENTRIES, COLUMN = 40, 16
ROOM = 70
"""Characters that fit below a panel."""
WIDE = 20.0
"""Latencies that differ by more than this are drawn along a logarithmic axis."""


def sweep_figure(shown: SweepPlot, title: str = "") -> Figure:
    """A panel for each service, lines with the 95 % interval of every point as a bar."""
    from matplotlib.figure import Figure

    count = len(shown.panels)
    entries = max(len(lines) for lines in shown.panels.values())
    figure = Figure(figsize=(min(6.4 * count, 16.0) + (2.0 if entries > 1 else 0.0), 4.6), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False, sharey=True)[0]
    longest = max(value for lines in shown.panels.values() for line in lines for value in line.y)
    factor, unit = time_axis(longest) if shown.unit == "s" else (1.0, "")
    if shown.asked.y in SHARES:
        factor, unit = 100.0, "%"
    for axes, (name, lines) in zip(panels, shown.panels.items()):
        for line in lines:
            _draw(axes, line, factor, len({one.hue for one in lines}))
        _dress(axes, shown, name if count > 1 else "")
    panels[0].set_ylabel(f"{shown.asked.y} [{unit}]" if unit else shown.asked.y)
    _scale_up(
        panels[0], [value * factor for lines in shown.panels.values() for line in lines for value in line.y], unit
    )
    if entries > 1:
        _legend(figure, panels, shown.legend)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, wrap=True)
    return figure


def _scale_up(axes: Axes, values: Sequence[float], unit: str) -> None:
    """From zero up, shares to 100 %, and latencies of very different sizes along a logarithm."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    low, high = min(values), max(values)
    if unit not in ("", "%") and low > 0 and high > WIDE * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.5, high * 1.5)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(LogLocator(subs=()))
    elif low >= 0:
        axes.set_ylim(0, 105 if unit == "%" and high > 80 else None)


def _legend(figure: Figure, panels: Sequence[Axes], title: str) -> None:
    """One for all panels, of the lines of that which has most of them; not more than fit."""
    handles, labels = max((axes.get_legend_handles_labels() for axes in panels), key=lambda item: len(item[1]))
    if len(labels) > ENTRIES:
        title = f"{title}\n({ENTRIES} of {len(labels)} lines)"
    figure.legend(
        handles[:ENTRIES],
        labels[:ENTRIES],
        title=title,
        loc="outside right upper",
        frameon=False,
        fontsize=9,
        ncols=-(-min(len(labels), ENTRIES) // COLUMN),
    )


def _draw(axes: Axes, line: Line, factor: float, hues: int) -> None:
    values = [value * factor for value in line.y]
    low = [0.0 if end is None else max(value - end, 0.0) * factor for value, end in zip(line.y, line.low)]
    high = [0.0 if end is None else max(end - value, 0.0) * factor for value, end in zip(line.y, line.high)]
    axes.errorbar(
        line.x,
        values,
        yerr=[low, high],
        color=_colour(line.hue, hues),
        marker=MARKERS[line.hue % len(MARKERS)],
        linestyle=STYLES[line.rest % len(STYLES)],
        markersize=4.5,
        linewidth=1.6,
        capsize=2.5,
        elinewidth=0.9,
        label=line.label,
    )


def _colour(place: int, count: int) -> Any:
    """Few lines in colours that differ, many along a scale from dark to light."""
    if count <= len(COLOURS):
        return COLOURS[place]
    from matplotlib import colormaps

    return colormaps["viridis"](0.92 * place / (count - 1))


def _dress(axes: Axes, shown: SweepPlot, title: str) -> None:
    places = [place for place, _ in shown.ticks]
    if shown.numeric and len(places) > 2 and min(places) > 0 and _is_geometric(places):
        axes.set_xscale("log")
    ticks = _apart(shown.ticks, axes.get_xscale() == "log") if shown.numeric else shown.ticks
    axes.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    axes.minorticks_off()
    if sum(len(text) + 2 for _, text in ticks) > ROOM:
        axes.tick_params(axis="x", rotation=35)
    axes.set_xlabel(shown.asked.x)
    axes.set_title(title, fontsize=10)
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _apart(ticks: Sequence[tuple[float, str]], log: bool) -> list[tuple[float, str]]:
    """Those of the values whose texts do not run into one another."""
    placed = sorted((math.log(place) if log else place, place, text) for place, text in ticks)
    span = (placed[-1][0] - placed[0][0]) or 1.0
    found: list[tuple[float, str]] = []
    until = -math.inf
    for where, place, text in placed:
        half = (len(text) + 2) / 2 / ROOM
        if (where - placed[0][0]) / span - half >= until:
            found.append((place, text))
            until = (where - placed[0][0]) / span + half
    return found


def _is_geometric(places: Sequence[float]) -> bool:
    """Whether the values grow by factors rather than by steps: their logarithms are more evenly apart."""
    ordered = sorted(places)
    if ordered[-1] / ordered[0] < 4:
        return False
    return _unevenness([math.log(place) for place in ordered]) < _unevenness(ordered)


def _unevenness(ordered: Sequence[float]) -> float:
    gaps = [after - before for before, after in pairwise(ordered)]
    return max(gaps) / max(min(gaps), 1e-12)


def draw_sweep(found: SweepResult, asked: Asked, path: Path) -> None:
    """Write the picture as ``path`` says, SVG or PNG; the same bytes for the same sweep."""
    shown = sweep_plot(found, asked)
    over = f" for each {shown.legend}" if shown.legend else ""
    failed = f" ({len(found.failed)} of {found.points} points failed)" if found.failed else ""
    title = f"{found.scenario}: {asked.y} over {short_names([item.key for item in found.axes])[asked.x]}{failed}"
    values = [value for lines in shown.panels.values() for line in lines for value in line.y]
    count = sum(map(len, shown.panels.values()))
    about = (
        f"{asked.y} over {asked.x}{over}, {count} line{'' if count == 1 else 's'} with 95 % intervals; it goes "
        f"from {min(values):.4g} to {max(values):.4g}{' ' + shown.unit if shown.unit else ''}."
    )
    picture(sweep_figure(shown, title), path, title, about)
