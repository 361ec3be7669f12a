"""A forecast as a picture: the history, the median ahead, and a strip between each quantile and the next."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.reporting.figure import picture
from simulator.workload.forecast import Forecast
from simulator.workload.forecast.regular import DAY_S, Regular

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_HISTORY, _AHEAD, _OUTAGE = "#555555", "#0072B2", "#D55E00"
_DARKEST, _LIGHTEST = 0.6, 0.15
HISTORY_DAYS = 7.0
"""Days of history that are drawn."""
_SCALES = ((2e4, 1.0, ""), (2e6, 1e3, " [thousand]"), (2e9, 1e6, " [million]"))


@dataclass(frozen=True, eq=False)
class Fan:
    """What is drawn, in days of the series' clock.

    ``past``, ``later``: edges of bins (n + 1,) and their values (n,), NaN where not known: the history, and what came
    after the origin if that is known. ``edges`` (T + 1,) and ``median`` (T,): the bins ahead. ``strips``: level and
    next level, with their values (T,). ``outages``: begin and end of each.
    """

    past: tuple[Floats, Floats]
    later: Floats
    edges: Floats
    median: Floats
    strips: tuple[tuple[float, float, Floats, Floats], ...]
    outages: tuple[tuple[float, float], ...]


def fan(found: Forecast, history: Regular | None = None) -> Fan:
    """The picture's numbers; ``history``: the series in the forecast's bins, drawn for the week before."""
    bins, step = found.values.shape[0], found.step_s
    first = found.start_s - HISTORY_DAYS * DAY_S
    past, edges, later = np.empty(0), np.array([found.start_s]), np.full(bins, np.nan)
    if history is not None:
        origin = history.index(found.start_s)
        begin = max(0, history.index(first))
        past = history.values[begin:origin]
        edges = history.start_s + np.arange(begin, origin + 1) * step
        came = history.values[origin : origin + bins]
        later[: came.size] = came
    median = found.quantile(0.5)
    ahead = (found.start_s + np.arange(bins + 1) * step) / DAY_S
    hidden = [at for at in found.masked_s if at >= first]
    return Fan((edges / DAY_S, past), later, ahead, median, _strips(found, median), _spans(hidden, step))


def _strips(found: Forecast, median: Floats) -> tuple[tuple[float, float, Floats, Floats], ...]:
    """Each level and the next, the median among them."""
    lines = {0.5: median} | {level: found.values[:, place] for place, level in enumerate(found.quantiles)}
    return tuple((low, high, lines[low], lines[high]) for low, high in pairwise(sorted(lines)))


def _spans(starts: list[float], step: float) -> tuple[tuple[float, float], ...]:
    """Bins that follow each other as one span, in days."""
    spans: list[tuple[float, float]] = []
    for start in starts:
        joined = bool(spans) and abs(spans[-1][1] - start) < 0.5 * step
        begin = spans.pop()[0] if joined else start
        spans.append((begin, start + step))
    return tuple((begin / DAY_S, end / DAY_S) for begin, end in spans)


def forecast_figure(found: Fan, ylabel: str, title: str = "") -> Figure:
    """History in grey, the median ahead as a line, strips the darker the nearer to it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.8), layout="constrained")
    axes = figure.subplots()
    factor, unit = _scale(found)
    _draw(axes, found, factor)
    axes.axvline(found.edges[0], color="black", lw=0.8, ls=":")
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.set_ylim(bottom=0.0)
    axes.set_xlim(found.past[0][0], found.edges[-1])
    axes.set_xlabel("days on the clock of the series")
    axes.set_ylabel(ylabel + unit)
    figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=4)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, wrap=True)
    return figure


def _scale(found: Fan) -> tuple[float, str]:
    """Divisor and name of the unit in which the largest value drawn is easily read."""
    drawn = np.concatenate([found.past[1], found.later, found.median, *(strip[3] for strip in found.strips)])
    largest = float(np.nanmax(drawn))
    return next(((factor, unit) for most, factor, unit in _SCALES if largest < most), (1e9, " [billion]"))


def _draw(axes: Axes, found: Fan, factor: float) -> None:
    edges, past = found.past
    if past.size:
        axes.step(edges, _held(past) / factor, where="post", color=_HISTORY, lw=1.2, label="history")
    for place, (begin, end) in enumerate(found.outages):
        axes.axvspan(begin, end, color=_OUTAGE, alpha=0.25, lw=0, label=None if place else "taken for an outage")
    distances = sorted({_distance(*strip[:2]) for strip in found.strips})
    for low, high, below, above in found.strips:
        share = distances.index(_distance(low, high)) / max(len(distances) - 1, 1)
        axes.fill_between(
            found.edges,
            _held(below) / factor,
            _held(above) / factor,
            step="post",
            color=_AHEAD,
            alpha=_DARKEST + (_LIGHTEST - _DARKEST) * share,
            lw=0,
            label=f"{low:g} to {high:g} quantile",
        )
    axes.step(found.edges, _held(found.median) / factor, where="post", color=_AHEAD, lw=2.0, label="median")
    if not np.isnan(found.later).all():
        later = _held(found.later) / factor
        axes.step(found.edges, later, where="post", color="black", lw=1.0, ls="--", label="what came")


def _distance(low: float, high: float) -> float:
    """How far a strip reaches from the median, in level."""
    return round(max(0.5 - low, high - 0.5), 9)


def _held(values: Floats) -> Floats:
    """The last value once more, up to the end of its bin."""
    return np.append(values, values[-1])


def draw_forecast(found: Forecast, path: Path, title: str = "", history: Regular | None = None) -> None:
    """Write the picture as ``path`` says, SVG or PNG; the same bytes for the same forecast."""
    shown = fan(found, history)
    about = (
        f"{title}. Median and quantiles {', '.join(f'{level:g}' for level in found.quantiles)} of {found.column} for "
        f"{shown.median.size} bins ahead; the median goes from {shown.median.min():.4g} to {shown.median.max():.4g}."
    )
    picture(forecast_figure(shown, found.column, title), path, title, about)
