"""What the ranks of a pipeline hold over time, as curves and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.costs.pipeline import Memory, Timeline, curve, unit_memory
from simulator.costs.pipeline.times import Floats
from simulator.reporting.figure import picture, size_axis, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMED = 10
"""Ranks that the key lists; more are read off a colour bar."""
MOST_COLUMNS = 9
"""Entries of the key side by side."""


@dataclass(frozen=True, eq=False)
class MemoryCurves:
    """Memory by rank: ``value[r][i]`` holds from ``instant_s[r][i]`` to the next instant. ``unit``: bytes, or
    microbatches of one stage. ``limit`` (ranks,): what a rank may hold; infinite: unknown."""

    instant_s: tuple[Floats, ...]
    value: tuple[Floats, ...]
    limit: Floats
    unit: str

    @property
    def peaks(self) -> Floats:
        """The most that each rank holds."""
        return np.array([values.max() for values in self.value])


def memory_curves(
    line: Timeline, memory: Memory | None, held: Floats | None = None, limit: Floats | None = None
) -> MemoryCurves:
    """What every rank holds during an iteration: activations on top of ``held`` (ranks,) [bytes].

    Without ``memory`` activations are in microbatches of one stage. ``limit`` (ranks,): most of the sum.
    """
    schedule, ranks = line.schedule, line.schedule.ranks
    sizes = unit_memory(schedule) if memory is None else memory
    base = np.zeros(ranks) if held is None else held
    begin, end = float(line.begin.min()), float(line.finish.max())
    instants, values = [], []
    for rank in range(ranks):
        found = curve(schedule, sizes, line.start, line.end, rank)
        instants.append(np.concatenate([[begin], found.instant_s, [end]]) - begin)
        last = found.value[-1] if len(found.value) else 0.0
        values.append(base[rank] + np.concatenate([[0.0], found.value, [last]]))
    most = np.full(ranks, np.inf) if limit is None else limit
    return MemoryCurves(tuple(instants), tuple(values), most, "microbatches" if memory is None else "bytes")


def memory_figure(found: MemoryCurves, title: str = "") -> Figure:
    """A curve per rank, dark for the first and bright for the last, and a dashed line for what may be held."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 5.0), layout="constrained")
    axes = figure.add_subplot()
    factor, unit = time_axis(max(float(instants[-1]) for instants in found.instant_s))
    scale, name = size_axis(float(found.peaks.max())) if found.unit == "bytes" else (1.0, "microbatches of one stage")
    colours = _colours(len(found.value))
    for rank, (instants, values) in enumerate(zip(found.instant_s, found.value)):
        axes.step(instants * factor, values * scale, where="post", color=colours[rank], lw=1.6, label=f"stage {rank}")
    _limit(axes, found, scale)
    axes.set_xlim(0.0, max(float(instants[-1]) for instants in found.instant_s) * factor)
    axes.set_ylim(bottom=0.0)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"time [{unit}]")
    axes.set_ylabel(f"memory [{name}]" if found.unit == "bytes" else f"activations [{name}]")
    axes.set_title(title, loc="left", fontsize=12)
    _key(figure, axes, len(found.value))
    return figure


def _colours(ranks: int) -> list[tuple[float, ...]]:
    """From dark to bright, all legible on white: lightness alone tells them apart."""
    from matplotlib import colormaps

    return [tuple(colormaps["viridis"](0.9 * rank / max(ranks - 1, 1))) for rank in range(ranks)]


def _limit(axes: Axes, found: MemoryCurves, scale: float) -> None:
    """A line at what may be held where that is not far above what is."""
    known = found.limit[np.isfinite(found.limit)]
    if known.size and float(known.min()) <= 2.0 * float(found.peaks.max()):
        axes.axhline(float(known.min()) * scale, color="#D55E00", ls="--", lw=1.4, label="limit")


def _key(figure: Figure, axes: Axes, ranks: int) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    handles, labels = axes.get_legend_handles_labels()
    if ranks > MOST_NAMED:
        bar = figure.colorbar(ScalarMappable(Normalize(-0.5, ranks - 0.5), ListedColormap(_colours(ranks))), ax=axes)
        bar.set_label("stage (device)")
        handles, labels = handles[ranks:], labels[ranks:]
    if handles:
        columns = -(-len(handles) // -(-len(handles) // MOST_COLUMNS))
        figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False, fontsize=9)


def draw_memory(found: MemoryCurves, path: Path, title: str = "") -> None:
    """Write the picture as ``path`` says, SVG or PNG; the same bytes for the same curves."""
    about = f"{title}. One curve per stage, {len(found.value)} of them: what each holds over time."
    picture(memory_figure(found, title), path, title, about)
