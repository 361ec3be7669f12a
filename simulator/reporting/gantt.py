"""Who runs what when in a pipeline: the bars of a timeline, as text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.costs.pipeline import Timeline
from simulator.costs.pipeline.ops import Ints
from simulator.costs.pipeline.times import Floats
from simulator.reporting.figure import picture, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("forward", "backward, input", "backward, weight", "backward", "forward + backward", "all-reduce", "optimizer")
LETTERS = "FbwBXro"
"""One for each of the kinds in a text."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#999999", "#333333")
"""Those of Okabe and Ito, which people who see fewer colours tell apart; they differ in lightness, too."""
DARK = ("#0072B2", "#009E73", "#D55E00", "#333333")
FUSED, ALL_REDUCE, OPTIMIZER = 4, 5, 6
IDLE = "."
IDLE_COLOUR = "#eeeeee"
INNER_IN = 12.9
"""Width of the axes [inches]."""
NARROW_IN = 0.06
"""Bars that are mostly narrower have no rim, which would look like idle time [inches]."""
ROW_IN, MOST_HEIGHT_IN = 0.30, 14.0
LABEL_IN = 0.063
"""Width of a digit of a label, at least [inches]."""


@dataclass(frozen=True, eq=False)
class Bars:
    """What runs in a timeline, (n,) each, by rank and start: ``kind`` is a position in ``KINDS``.

    ``microbatch`` and ``chunk`` are -1 for all-reduce and optimizer; of a fused cell they are those of its forward.
    """

    rank: Ints
    start_s: Floats
    length_s: Floats
    kind: Ints
    microbatch: Ints
    chunk: Ints
    ranks: int

    @property
    def begin_s(self) -> float:
        """When the first bar starts [s]."""
        return float(self.start_s.min())

    @property
    def end_s(self) -> float:
        """When the last bar ends [s]."""
        return float((self.start_s + self.length_s).max())


def bars(lines: Timeline | Sequence[Timeline]) -> Bars:
    """The bars of an iteration, or of several one after the other; what takes no time has none.

    >>> from simulator.costs.pipeline import evaluate, make, times_of
    >>> found = bars(evaluate(make("1f1b", 2, 1), times_of(2, 1.0, 1.0, 1.0)))
    >>> [(KINDS[k], float(s), float(n)) for k, s, n in zip(found.kind, found.start_s, found.length_s)][:2]
    [('forward', 0.0, 1.0), ('backward', 4.0, 2.0)]
    """
    several = (lines,) if isinstance(lines, Timeline) else tuple(lines)
    parts = [_of_line(line) for line in several]
    rank, start, length, kind, microbatch, chunk = (np.concatenate(column) for column in zip(*parts))
    order = np.lexsort((start, rank))
    at = order[length[order] > 0.0]
    ranks = several[0].schedule.ranks
    return Bars(rank[at], start[at], length[at], kind[at], microbatch[at], chunk[at], ranks)


def _of_line(line: Timeline) -> tuple[Any, ...]:
    schedule = line.schedule
    ops, ranks = schedule.arrays, np.arange(schedule.ranks)
    head = ~ops.fused
    fused = np.append(ops.fused[1:], False)[head]
    chunk = np.array([schedule.chunk_of(op) for order in schedule.orders for op in order], dtype=np.int64)
    none = np.full(2 * schedule.ranks, -1)
    return (
        np.concatenate([ops.rank[head], ranks, ranks]),
        np.concatenate([line.start[head], line.compute_end, line.step]),
        np.concatenate([(line.end - line.start)[head], line.reduced - line.compute_end, line.finish - line.step]),
        np.concatenate([np.where(fused, FUSED, ops.kind[head]), np.repeat([ALL_REDUCE, OPTIMIZER], schedule.ranks)]),
        np.concatenate([ops.microbatch[head], none]),
        np.concatenate([chunk[head], none]),
    )


def gantt_text(found: Bars, width: int = 80) -> str:
    """One line per rank of at most ``width`` columns, an axis of time below, and what the letters mean.

    Each column is an equal stretch of time and shows what the rank does in the middle of it; ``.`` is idle.
    """
    from simulator.results.units import measure

    margin = len(str(found.ranks - 1)) + 1
    columns = max(width - margin, 10)
    lines = [f"{rank:>{margin - 1}} {row}" for rank, row in enumerate(_signs(found, columns))]
    last = measure(found.end_s - found.begin_s, "seconds")
    axis = " " * margin + "0" + last.rjust(columns - 1)
    used = [f"{LETTERS[kind]} {KINDS[kind]}" for kind in np.unique(found.kind).tolist()]
    return "\n".join([*lines, axis, *_legend([*used, f"{IDLE} idle"], width)])


def _legend(words: list[str], width: int) -> list[str]:
    """Words in lines of at most ``width``."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 3 + len(word) <= width:
            lines[-1] += f"   {word}"
        else:
            lines.append(word)
    return lines


def _signs(found: Bars, columns: int) -> list[str]:
    """By rank, the letter of what it does in the middle of every column."""
    middles = found.begin_s + (np.arange(columns) + 0.5) * (found.end_s - found.begin_s) / columns
    bounds = np.searchsorted(found.rank, np.arange(found.ranks + 1)).tolist()
    rows = []
    for low, high in pairwise(bounds):
        at = np.searchsorted(found.start_s[low:high], middles, side="right") - 1 + low
        ends = (found.start_s + found.length_s)[at]
        busy = (at >= low) & (middles < ends)
        rows.append("".join(LETTERS[kind] if on else IDLE for kind, on in zip(found.kind[at].tolist(), busy.tolist())))
    return rows


def gantt_figure(found: Bars, title: str = "") -> Figure:
    """The bars as a picture: a row per rank, colours by kind, the microbatch in a bar that has room for its number."""
    from matplotlib.figure import Figure

    height = min(ROW_IN * found.ranks + 1.7, MOST_HEIGHT_IN)
    figure = Figure(figsize=(14.0, height), layout="constrained")
    axes = figure.add_subplot()
    factor, unit = time_axis(found.end_s - found.begin_s)
    inches = INNER_IN / ((found.end_s - found.begin_s) * factor)
    rim = 0.4 if float(np.median(found.length_s)) * factor * inches > NARROW_IN else 0.0
    axes.barh(range(found.ranks), (found.end_s - found.begin_s) * factor, height=0.8, color=IDLE_COLOUR)
    for kind in np.unique(found.kind).tolist():
        for part, mine in enumerate(_by_chunk(found, kind)):
            for rank in range(found.ranks):
                here = mine & (found.rank == rank)
                spans = np.stack([(found.start_s[here] - found.begin_s) * factor, found.length_s[here] * factor], 1)
                axes.broken_barh(
                    list(map(tuple, spans.tolist())),
                    (rank - 0.4, 0.8),
                    facecolors=COLOURS[kind],
                    alpha=1.0 if part == 0 else 0.55,
                    edgecolor="white",
                    linewidth=rim,
                )
    _numbers(axes, found, factor, inches)
    axes.set_xlim(0.0, (found.end_s - found.begin_s) * factor)
    axes.set_ylim(found.ranks - 0.5, -0.5)
    axes.set_yticks(range(0, found.ranks, 1 if found.ranks <= 40 else 4))
    axes.set_xlabel(f"time [{unit}]")
    axes.set_ylabel("stage (device)")
    axes.set_title(title, loc="left", fontsize=12)
    _key(figure, found)
    return figure


def _by_chunk(found: Bars, kind: int) -> list[Any]:
    """The bars of a kind: those of a rank's first chunk, and those of the others."""
    mine = found.kind == kind
    return [mine & (found.chunk <= 0), mine & (found.chunk > 0)]


def _numbers(axes: Axes, found: Bars, factor: float, inches: float) -> None:
    """Microbatch numbers in the bars that are wide enough; ``inches`` per unit of the axis."""
    needed = LABEL_IN * len(str(int(found.microbatch.max(initial=0)))) + 0.03  # all of them, or none, of equal bars
    for rank, start, length, kind, number, chunk in zip(
        found.rank.tolist(),
        (found.start_s - found.begin_s).tolist(),
        found.length_s.tolist(),
        found.kind.tolist(),
        found.microbatch.tolist(),
        found.chunk.tolist(),
    ):
        if number < 0 or length * factor * inches < needed:
            continue
        colour = "white" if COLOURS[kind] in DARK and chunk <= 0 else "black"
        middle = (start + length / 2.0) * factor
        axes.text(
            middle, rank, str(number), ha="center", va="center_baseline", fontsize=7.5, color=colour, clip_on=True
        )


def _key(figure: Figure, found: Bars) -> None:
    """What the colours mean, below the picture."""
    from matplotlib.patches import Patch

    kinds = np.unique(found.kind).tolist()
    handles = [Patch(facecolor=COLOURS[kind], label=KINDS[kind]) for kind in kinds]
    handles.append(Patch(facecolor=IDLE_COLOUR, label="idle"))
    if (found.chunk > 0).any():
        handles.append(Patch(facecolor=COLOURS[0], alpha=0.55, label="paler: later chunks of the stage"))
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=9)


def draw_gantt(found: Bars, path: Path, title: str = "") -> None:
    """Write the picture as ``path`` says, SVG or PNG; the same bytes for the same bars. ``.txt``: the text."""
    if path.suffix.lower() == ".txt":
        from simulator.files import write_text

        write_text(path, (f"{title}\n" if title else "") + gantt_text(found, 160) + "\n")
        return
    about = f"{title}. One row per stage, {found.ranks} of them; bars show what each computes over time."
    picture(gantt_figure(found, title), path, title, about)
