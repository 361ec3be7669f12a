"""What less latency or more accuracy costs, as a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.reporting.figure import picture, time_axis
from simulator.results.cohort import Json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_MARK, _LINE = "#D55E00", "#777777"
_STYLES = (("#0072B2", "o"), ("#009E73", "s"), ("#E69F00", "^"), ("#CC79A7", "D"), ("#56B4E9", "v"), ("#000000", "P"))
"""Colours of the palette of Okabe and Ito, and markers: one for each way to exit."""


@dataclass(frozen=True, eq=False)
class Front:
    """Points (n,): latency [s], cost per hour, accuracy (NaN: unknown), exit mode (of several services with its name).

    ``chosen``: whether it is what the plan deploys.
    """

    latency_s: Floats
    cost_per_hour: Floats
    accuracy: Floats
    mode: tuple[str, ...]
    chosen: NDArray[np.bool_]


def front_of(figures: Json) -> Front:
    """The points of an optimisation (its ``to_dict()``) that no other betters in all three."""
    rows = figures["pareto"] or []
    several = len({row["service"] for row in rows}) > 1
    accuracy = [math.nan if row["accuracy"] is None else row["accuracy"] for row in rows]
    return Front(
        np.array([row["p99"] for row in rows], dtype=np.float64),
        np.array([row["cost_per_hour"] for row in rows], dtype=np.float64),
        np.array(accuracy, dtype=np.float64),
        tuple(f"{row['service']}, {row['mode']}" if several else row["mode"] for row in rows),
        np.array([row["chosen"] for row in rows], dtype=np.bool_),
    )


def front_figure(front: Front, title: str = "") -> Figure:
    """Cost over latency, the shade of a point its accuracy, its shape the way to exit; the plan's is ringed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.5), layout="constrained")
    axes = figure.subplots()
    factor, unit = time_axis(float(front.latency_s.max(initial=0.0)))
    _points(axes, front, factor)
    known = front.accuracy[np.isfinite(front.accuracy)]
    _labels(axes, front, factor, several=bool(len(known)) and float(np.ptp(known)) > 0)
    axes.set_xlabel(f"99th percentile of the latency [{unit}]")
    axes.set_ylabel("cost per hour")
    axes.set_ylim(bottom=0.0)
    axes.set_xlim(left=0.0)
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    if len(front.mode):
        axes.legend(frameon=False, fontsize=9, loc="best")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, wrap=True)
    return figure


def _points(axes: Axes, front: Front, factor: float) -> None:
    for number, mode in enumerate(dict.fromkeys(front.mode)):
        colour, marker = _STYLES[number % len(_STYLES)]
        own = np.array([one == mode for one in front.mode])
        axes.plot(
            front.latency_s[own] * factor,
            front.cost_per_hour[own],
            color=colour,
            marker=marker,
            ms=7,
            ls="none",
            label=mode,
        )
    at = front.chosen
    axes.plot(
        front.latency_s[at] * factor,
        front.cost_per_hour[at],
        marker="o",
        ms=15,
        mfc="none",
        mec=_MARK,
        mew=2.0,
        ls="none",
        label="the plan" if at.any() else None,
    )


def _labels(axes: Axes, front: Front, factor: float, several: bool) -> None:
    """Accuracies beside the points, where they differ."""
    for latency, cost, accuracy in zip(front.latency_s * factor, front.cost_per_hour, front.accuracy):
        if several and math.isfinite(accuracy):
            text = f"{100 * accuracy:.1f} %"
            axes.annotate(text, (latency, cost), textcoords="offset points", xytext=(8, 5), fontsize=8, color=_LINE)


def draw_pareto(figures: Json, path: Path) -> None:
    """Write the picture of an optimisation's front, whole or not at all."""
    title = f"{figures['scenario']}: cost against latency and accuracy"
    about = f"{len(figures['pareto'] or [])} deployments that no other betters in cost, latency and accuracy at once."
    picture(front_figure(front_of(figures), title), path, title, about)
