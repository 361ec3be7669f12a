"""Horizontal bars: utilization, sensitivity, where time goes, bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from simulator.reporting.report.pictures.canvas import (
    BLUE,
    FAINT,
    ORANGE,
    PAPER,
    RED,
    SERIES,
    TEXT,
    canvas,
    key,
    svg_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_IN, FRAME_IN = 0.3, 0.75
LONGEST = 26
"""Characters of a label."""
CLIPPED = 100.0
"""Changes beyond this [%] are cut, with their value in the bar."""


def share_picture(shares: Mapping[str, float | None], label: str, name: str, alt: str) -> str:
    """One bar per row, from 0 to 100 %."""
    figure, axes = canvas(FRAME_IN + ROW_IN * len(shares))
    values = [100 * (share or 0.0) for share in shares.values()]
    axes.barh(range(len(values)), values, color=BLUE, height=0.65)
    for row, value in enumerate(values):
        axes.text(value + 1.5, row, f"{value:.0f} %", va="center", ha="left", color=TEXT)
    _rows(axes, list(shares))
    axes.set_xlim(0.0, 116.0)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel(label)
    return svg_of(figure, name, alt)


def change_picture(changes: Mapping[str, tuple[float, float]], label: str, name: str, alt: str) -> str:
    """Two ends per row around 0: what less and what more of an input does."""
    figure, axes = canvas(FRAME_IN + 0.25 + ROW_IN * len(changes))
    for place, (colour, height, title) in enumerate(((ORANGE, 0.65, "less of it"), (BLUE, 0.4, "more of it"))):
        values = [max(min(ends[place], CLIPPED), -CLIPPED) for ends in changes.values()]
        axes.barh(range(len(changes)), values, color=colour, height=height, label=title)
    for row, ends in enumerate(changes.values()):
        most = max(ends, key=abs)
        if abs(most) > CLIPPED:
            side = "right" if most > 0 else "left"
            place_of = CLIPPED - 2 if most > 0 else 2 - CLIPPED
            axes.text(place_of, row, f"{most:+,.0f} %", ha=side, va="center", color=PAPER)
    axes.axvline(0.0, color=TEXT, lw=0.8)
    _rows(axes, list(changes))
    axes.set_xlabel(label)
    key(figure, 2)
    return svg_of(figure, name, alt)


def stacked_picture(parts: Mapping[str, Mapping[str, float]], label: str, name: str, alt: str) -> str:
    """One bar per row, made of parts in the order of the key below."""
    names = list(dict.fromkeys(part for row in parts.values() for part in row))
    figure, axes = canvas(FRAME_IN + 0.3 * ((len(names) + 2) // 3) + ROW_IN * len(parts))
    lefts = [0.0] * len(parts)
    for number, part in enumerate(names):
        widths = [row.get(part, 0.0) for row in parts.values()]
        colour = SERIES[number % len(SERIES)]
        axes.barh(range(len(parts)), widths, left=lefts, color=colour, height=0.65, label=part)
        lefts = [left + width for left, width in zip(lefts, widths)]
    _rows(axes, list(parts))
    axes.set_xlim(0.0, max(lefts) or 1.0)
    axes.set_xlabel(label)
    key(figure, 3)
    return svg_of(figure, name, alt)


def band_picture(
    bands: Mapping[str, tuple[float, float, float]], limits: Mapping[str, float], label: str, name: str, alt: str
) -> str:
    """A range and the value within it per row; ``limits`` are marked."""
    figure, axes = canvas(FRAME_IN + 0.3 + 0.35 * len(bands))
    for row, (title, (low, told, high)) in enumerate(bands.items()):
        axes.plot(
            [low, high], [row, row], color=BLUE, lw=6, solid_capstyle="butt", label="5 % to 95 %" if not row else None
        )
        axes.plot(
            [told], [row], color=TEXT, marker="|", ms=14, mew=2, ls="none", label="costs as told" if not row else None
        )
        if title in limits:
            axes.plot(
                [limits[title]], [row], color=RED, marker="D", ms=6, ls="none", label="limit" if not row else None
            )
    _rows(axes, list(bands))
    axes.set_xlim(left=0.0)
    axes.set_xlabel(label)
    key(figure, 3)
    return svg_of(figure, name, alt)


def front_picture(
    points: Sequence[tuple[float, float]],
    chosen: Sequence[bool],
    axes_names: tuple[str, str],
    name: str,
    alt: str,
    less: bool = True,
) -> str:
    """A Pareto front with the chosen point marked; ``less``: of the second axis less is better, else more.

    The line joins the points that no other betters in these two; others are there for a third figure.
    """
    figure, axes = canvas(2.9)
    sign = 1.0 if less else -1.0
    edge: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda one: (one[0], sign * one[1])):
        if not edge or sign * point[1] < sign * edge[-1][1]:
            edge.append(point)
    axes.plot(*zip(*edge), color=FAINT, lw=1.2, drawstyle="steps-post")
    axes.plot(*zip(*points), color=BLUE, marker="o", ms=5, ls="none", label="tried")
    mine = [point for point, is_chosen in zip(points, chosen) if is_chosen]
    if mine:
        axes.plot(*zip(*mine), color=RED, marker="*", ms=13, ls="none", label="chosen plan")
    axes.set_xlabel(axes_names[0])
    axes.set_ylabel(axes_names[1])
    key(figure, 2)
    return svg_of(figure, name, alt)


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    """Labels of the rows, the first on top."""
    short = [label if len(label) <= LONGEST else label[: LONGEST - 1] + "…" for label in labels]
    axes.set_yticks(range(len(labels)), short)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
