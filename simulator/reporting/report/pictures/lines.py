"""Curves: load and capacity over time, latency against its objective, attainment by load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.reporting.figure import time_axis
from simulator.reporting.report.pictures.canvas import BLUE, FAINT, GREEN, ORANGE, RED, SERIES, canvas, key, svg_of

DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (4, 1, 1, 1)), (0, (1, 2)))
"""Lines differ by more than their colour."""
MOST_LINES = 6


@dataclass(frozen=True)
class Steps:
    """Values in windows: ``edges`` (n + 1,) [s], ``load`` and ``capacity`` (n,) [1/s]; None: not known.

    ``bands``: pairs of curves (n,) between which the load stays with a probability, by its name.
    """

    edges: Sequence[float]
    load: Sequence[float | None]
    capacity: Sequence[float | None]
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    upper: str = "capacity"
    lower: str = "load"


def load_picture(found: Steps, name: str, alt: str) -> str:
    """Load and provisioned capacity in steps."""
    figure, axes = canvas(2.9)
    factor, unit = time_axis(max(found.edges[-1], 1e-9))
    edges = [edge * factor for edge in found.edges]
    for number, (label, (low, high)) in enumerate(found.bands.items()):
        axes.stairs(high, edges, baseline=list(low), fill=True, color=BLUE, alpha=0.18 + 0.14 * number, label=label)
    axes.stairs(_known(found.capacity), edges, baseline=None, color=ORANGE, lw=2.0, ls="--", label=found.upper)
    axes.stairs(_known(found.load), edges, baseline=None, color=BLUE, lw=2.0, label=found.lower)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(f"time [{unit}]")
    axes.set_ylabel("requests per second")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    key(figure, 2)
    return svg_of(figure, name, alt)


def _known(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def latency_picture(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], slos: Mapping[str, float], name: str, alt: str
) -> str:
    """Share of the requests answered within a time, by service, with the objectives as vertical lines [s]."""
    figure, axes = canvas(2.9)
    longest = max([*(max(times) for times, _ in curves.values()), *slos.values()])
    factor, unit = time_axis(longest)
    for number, (label, (times, shares)) in enumerate(list(curves.items())[:MOST_LINES]):
        colour = SERIES[number]
        axes.plot(
            [time * factor for time in times],
            [100 * share for share in shares],
            lw=2.0,
            label=label,
            color=colour,
            ls=DASHES[number],
        )
        if label in slos:
            axes.axvline(slos[label] * factor, lw=1.2, color=colour, ls=":")
            axes.plot([], [], color=colour, ls=":", lw=1.2, label="objective")
    axes.set_xlim(0.0, 1.05 * longest * factor)
    axes.set_ylim(0.0, 103.0)
    axes.set_xlabel(f"latency [{unit}]")
    axes.set_ylabel("answered within it [%]")
    key(figure, 2)
    return svg_of(figure, name, alt)


def growth_picture(
    factors: Sequence[float],
    shares: Mapping[str, Sequence[float | None]],
    targets: Mapping[str, float],
    breaks: float | None,
    name: str,
    alt: str,
) -> str:
    """Attainment by multiple of the load, with what is asked, and where it breaks."""
    figure, axes = canvas(2.9)
    for number, (label, values) in enumerate(list(shares.items())[:MOST_LINES]):
        known = [(factor, 100 * value) for factor, value in zip(factors, values) if value is not None]
        axes.plot(*zip(*known), marker="o", ms=4, lw=2.0, color=SERIES[number], ls=DASHES[number], label=label)
    for level in sorted(set(targets.values())):
        axes.axhline(100 * level, color=GREEN, lw=1.2, ls="--", label=f"asked: {100 * level:g} %")
    if breaks is not None:
        axes.axvline(breaks, color=RED, lw=1.4, ls=":", label=f"breaks at × {breaks:.3g}")
    axes.axvline(1.0, color=FAINT, lw=1.0)
    axes.set_ylim(0.0, 103.0)
    axes.set_xlabel("load, as a multiple of the simulated one")
    axes.set_ylabel("answered in time [%]")
    key(figure, 2)
    return svg_of(figure, name, alt)
