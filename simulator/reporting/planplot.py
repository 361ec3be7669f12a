"""A plan as a picture: the load that every window is sized for, above the devices that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.reporting.figure import picture, time_axis
from simulator.scenario.deployment import Deployment
from simulator.scenario.planfile import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_AREAS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#999999")


@dataclass(frozen=True, eq=False)
class Day:
    """What is drawn: edges of the windows [s] (W + 1,), planned rates [1/s] and replicas (W,) by service and pool."""

    edges_s: Floats
    rates: dict[str, Floats]
    replicas: dict[str, Floats]


def day_of(plan: Plan) -> Day:
    """The windows of a plan; replicas of one pool are those of all services together."""
    edges = np.array([plan.windows[0].start, *(window.end for window in plan.windows)], dtype=np.float64)
    count = len(plan.windows)
    rates: dict[str, Floats] = {}
    replicas: dict[str, Floats] = {}
    for at, window in enumerate(plan.windows):
        for name, rate in window.rate.items():
            rates.setdefault(name, np.full(count, np.nan))[at] = rate
        for deployment in window.services.values():
            for pool, held in _held(deployment):
                replicas.setdefault(pool, np.zeros(count))[at] += held
    return Day(edges, rates, replicas)


def _held(deployment: Deployment) -> list[tuple[str, int]]:
    if deployment.execution == "serial":
        return [(deployment.portions[0].pool, deployment.replicas or 0)]
    return [(portion.pool, portion.replicas or 0) for portion in deployment.portions]


def plan_figure(day: Day, title: str = "") -> Figure:
    """Rates above, replicas by pool stacked below, on one axis of time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    factor, unit = time_axis(float(day.edges_s[-1]))
    edges = day.edges_s * factor
    for (name, rate), color in zip(day.rates.items(), _cycled(_LINES, len(day.rates))):
        above.stairs(rate, edges, baseline=None, color=color, lw=1.8, label=name)
    _stack(below, day, edges)
    above.set_ylim(bottom=0.0)
    above.set_ylabel("planned load [1/s]")
    below.set_ylabel("replicas")
    below.set_xlabel(f"time [{unit}]")
    below.set_xlim(edges[0], edges[-1])
    for axes in (above, below):
        axes.grid(color="#dddddd", lw=0.6)
        axes.set_axisbelow(True)
        axes.legend(frameon=False, fontsize=9, loc="upper left")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, wrap=True)
    return figure


def _stack(axes: Axes, day: Day, edges: Floats) -> None:
    from matplotlib.ticker import MaxNLocator

    base = np.zeros(len(edges) - 1)
    for (pool, held), color in zip(day.replicas.items(), _cycled(_AREAS, len(day.replicas))):
        axes.stairs(base + held, edges, baseline=base, fill=True, color=color, label=pool)
        base = base + held
    axes.set_ylim(0.0, max(float(base.max(initial=0.0)), 1.0) * 1.25)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _cycled(colors: tuple[str, ...], count: int) -> list[str]:
    return [colors[number % len(colors)] for number in range(count)]


def draw_plan(plan: Plan, path: Path, title: str = "") -> None:
    """Write the picture as ``path`` says, SVG or PNG; the same bytes for the same plan."""
    day = day_of(plan)
    most = sum(day.replicas.values(), np.zeros(len(plan.windows)))
    about = (
        f"{title}. {len(plan.windows)} windows; replicas from {most.min():g} to {most.max():g}, "
        f"in {', '.join(day.replicas) or 'no pool'}."
    )
    picture(plan_figure(day, title), path, title, about)
