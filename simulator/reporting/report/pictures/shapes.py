"""The cuts of a model, the timeline of a pipeline, and group sizes of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.reporting.figure import size_axis, time_axis
from simulator.reporting.gantt import KINDS, Bars
from simulator.reporting.report.pictures.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SERIES,
    TEXT,
    canvas,
    key,
    stacked,
    svg_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.reporting.streamplot import StreamCurve

ROW_IN = 0.42
MOST_BARS = 1500
"""Bars of a timeline that are drawn one by one; of more, what each stage does in equal stretches of time."""
STRETCHES = 300
MOST_STAGES = 24
_OF_KIND = (BLUE, ORANGE, GREEN, RED, SERIES[4], GREY, TEXT)


@dataclass(frozen=True)
class Cut:
    """A portion in the picture of a model: layers ``first`` to ``last`` (from 1), what serves it, who needs it."""

    first: int
    last: int
    label: str
    survival: float | None


def cuts_picture(cuts: Sequence[Cut], ramps: Sequence[int], layers: int, name: str, alt: str) -> str:
    """One row per portion over the layers of the model; triangles are ramps where requests leave."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas(0.8 + ROW_IN * len(cuts))
    for row, cut in enumerate(cuts):
        colour = SERIES[row % 2]
        axes.barh([row], [cut.last - cut.first + 1], left=[cut.first - 0.5], height=0.42, color=colour)
        share = "" if cut.survival is None else f", {100 * cut.survival:.0f} % get here"
        axes.text(0.55, row - 0.27, f"{cut.label}{share}", ha="left", va="bottom", color=TEXT, fontsize=9)
    rows = {layer: row for row, cut in enumerate(cuts) for layer in range(cut.first, cut.last + 1)}
    if ramps:
        places = [(layer + 0.5, rows.get(layer, 0) + 0.32) for layer in ramps]
        axes.plot(*zip(*places), color=RED, marker="^", ms=5, ls="none", clip_on=False)
    axes.set_xlim(0.5, layers + 0.5)
    axes.set_ylim(len(cuts) - 0.5, -0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False)
    axes.set_xlabel("layer" + (" (triangles: ramps in use)" if ramps else ""))
    return svg_of(figure, name, alt)


def gantt_picture(found: Bars, name: str, alt: str) -> str:
    """Who runs what when: a row per stage, colours by kind; white is idle."""
    ranks = min(found.ranks, MOST_STAGES)
    figure, axes = canvas(0.95 + 0.22 * ranks)
    factor, unit = time_axis(found.end_s - found.begin_s)
    spans = _spans(found, ranks)
    for kind in sorted({kind for _, _, _, kind in spans}):
        mine = [span for span in spans if span[3] == kind]
        axes.barh(
            [rank for rank, *_ in mine],
            [length * factor for _, _, length, _ in mine],
            left=[(start - found.begin_s) * factor for _, start, _, _ in mine],
            height=0.78,
            color=_OF_KIND[kind],
            label=KINDS[kind],
        )
    axes.set_xlim(0.0, (found.end_s - found.begin_s) * factor)
    axes.set_ylim(ranks - 0.5, -0.5)
    axes.set_yticks(range(0, ranks, max(ranks // 8, 1)))
    axes.grid(visible=False)
    axes.set_xlabel(f"time [{unit}]")
    axes.set_ylabel("stage")
    key(figure, 2)
    return svg_of(figure, name, alt)


def _spans(found: Bars, ranks: int) -> list[tuple[int, float, float, int]]:
    """Rank, start, length and kind of what is drawn; neighbours of one kind in one bar where there are very many."""
    columns = (found.rank, found.start_s, found.length_s, found.kind)
    spans = [span for span in zip(*(column.tolist() for column in columns)) if span[0] < ranks]
    if len(spans) <= MOST_BARS:
        return spans
    width = (found.end_s - found.begin_s) / STRETCHES
    middles = found.begin_s + (np.arange(STRETCHES) + 0.5) * width
    drawn: list[tuple[int, float, float, int]] = []
    for rank in range(ranks):
        mine = [span for span in spans if span[0] == rank]
        place = np.searchsorted([start for _, start, _, _ in mine], middles, side="right") - 1
        for middle, at in zip(middles.tolist(), place.tolist()):
            if at < 0 or middle >= mine[at][1] + mine[at][2]:
                continue
            start, kind = middle - width / 2, mine[at][3]
            if drawn and drawn[-1][0] == rank and drawn[-1][3] == kind and start <= sum(drawn[-1][1:3]) + width / 2:
                drawn[-1] = (rank, drawn[-1][1], start + width - drawn[-1][1], kind)
            else:
                drawn.append((rank, start, width, kind))
    return drawn


def stream_picture(found: StreamCurve, name: str, alt: str) -> str:
    """Time per sample and device memory by group size; the recommended group is marked."""
    from matplotlib.ticker import NullFormatter

    figure, (above, below) = stacked(4.4, (3, 2))
    factor, unit = time_axis(float(found.sample_s[found.at]))
    lines: tuple[tuple[Any, str, str, str], ...] = (
        (found.sample_s, BLUE, "-", "one step of the group"),
        (found.compute_s, GREEN, "--", "computing alone"),
        (found.transfer_s, ORANGE, "-.", "busiest link alone"),
    )
    for values, colour, style, label in lines:
        above.plot(found.group, values * factor, color=colour, ls=style, lw=1.8, label=label)
    at = [found.recommended], [found.sample_s[found.at] * factor]
    above.plot(*at, color=RED, marker="o", ms=7, ls="none", label=f"recommended: {found.recommended:,}")
    above.set_yscale("log")
    above.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    above.yaxis.set_minor_formatter(NullFormatter())
    above.set_ylabel(f"per sample [{unit}]")
    _memory(below, found)
    for axes in (above, below):
        axes.set_xscale("log", base=2)
    below.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    below.set_xlabel("group [microbatches per visit of a layer]")
    key(figure, 2)
    return svg_of(figure, name, alt)


def _memory(axes: Axes, found: StreamCurve) -> None:
    scale, unit = size_axis(max(float(found.memory.max()), found.limit))
    axes.plot(found.group, found.memory * scale, color=BLUE, lw=1.8)
    axes.axhline(found.limit * scale, color=RED, lw=1.2, ls="--")
    axes.plot([found.recommended], [found.memory[found.at] * scale], color=RED, marker="o", ms=7, ls="none")
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(f"memory [{unit}]")
