"""Time and device memory of a streamed model by group size, as curves and as a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.costs.streaming import device_bytes, step_seconds, totals
from simulator.planner.stream import Groups
from simulator.reporting.figure import picture, size_axis, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_STEP, _COMPUTE, _TRANSFER, _NAIVE, _MARK = "#0072B2", "#009E73", "#E69F00", "#555555", "#D55E00"
"""Of the palette of Okabe and Ito, which people tell apart however they see colours; line styles differ as well."""
MOST_POINTS = 1024
"""Group sizes of a curve that are computed."""


@dataclass(frozen=True, eq=False)
class StreamCurve:
    """Steps at groups (n,): seconds per sample, bytes of device memory; ``fits`` whether there is room.

    ``compute_s`` and ``transfer_s``: the least that computing and the busiest link leave, per sample; ``naive_s``: each
    microbatch a step of its own, at every group the same; ``knees``: groups from which on computing hides the loads.
    ``limit``: device memory [B].
    """

    group: NDArray[np.int64]
    sample_s: Floats
    compute_s: Floats
    transfer_s: Floats
    naive_s: float
    memory: Floats
    limit: float
    fits: NDArray[np.bool_]
    recommended: int
    knees: tuple[float, ...]

    @property
    def at(self) -> int:
        """Position of the recommended group."""
        return int(np.searchsorted(self.group, self.recommended))


def stream_curve(found: Groups) -> StreamCurve:
    """The curve from group 1 to the largest row of a comparison."""
    streamed, samples = found.streamed, found.setup.written.microbatch
    largest = max(row.step.group for row in found.rows)
    group = np.unique(np.round(np.geomspace(1, largest, MOST_POINTS)).astype(np.int64))
    group = np.union1d(group, [row.step.group for row in found.rows])
    spent, items = totals(streamed.visits(group)), group * samples
    fitting = [row.step.group for row in found.rows if row.why is None]
    most = max([found.choice.largest, *fitting])
    return StreamCurve(
        group=group,
        sample_s=step_seconds(streamed, group) / items,
        compute_s=spent.compute_s / items,
        transfer_s=spent.transfer_s / items,
        naive_s=float(step_seconds(streamed, 1)) / samples,
        memory=device_bytes(streamed, group),
        limit=found.memory,
        fits=group <= most,
        recommended=found.recommended.step.group,
        knees=tuple(knee for knee in found.choice.knees if math.isfinite(knee)),
    )


def stream_figure(found: StreamCurve, title: str = "") -> Figure:
    """Time per sample above, device memory below, over the group size; the recommended group is marked in both."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 7.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    factor, unit = time_axis(float(found.sample_s[found.at]))
    _times(above, found, factor)
    above.set_ylabel(f"time per sample [{unit}]")
    scale, name = size_axis(max(float(found.memory.max()), found.limit))
    _memory(below, found, scale)
    below.set_ylabel(f"device memory [{name}]")
    below.set_xlabel("group [microbatches per visit of a layer]")
    for axes in (above, below):
        axes.grid(color="#dddddd", lw=0.6)
        axes.set_axisbelow(True)
        axes.axvline(found.recommended, color=_MARK, lw=1.0, ls=":")
        if not found.fits.all():
            first = float(found.group[~found.fits][0])
            axes.axvspan(first, 2.0 * float(found.group[-1]), color="#eeeeee", zorder=0, label="no room")
    _groups(below, found)
    above.legend(frameon=False, fontsize=9, loc="lower left")
    below.legend(frameon=False, fontsize=9, loc="best")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, wrap=True)
    return figure


def _times(axes: Axes, found: StreamCurve, factor: float) -> None:
    axes.plot(found.group, found.sample_s * factor, color=_STEP, lw=2.2, label="one step of the group")
    axes.axhline(found.naive_s * factor, color=_NAIVE, lw=1.4, ls="-.", label="naive accumulation")
    axes.plot(found.group, found.compute_s * factor, color=_COMPUTE, lw=1.4, ls="--", label="computing alone")
    axes.plot(
        found.group,
        found.transfer_s * factor,
        color=_TRANSFER,
        lw=1.4,
        ls=(0, (4, 1, 1, 1)),
        label="busiest link alone",
    )
    axes.plot(
        [found.recommended],
        [found.sample_s[found.at] * factor],
        color=_MARK,
        marker="o",
        ms=8,
        ls="none",
        label=f"recommended: {found.recommended:,}",
    )
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _memory(axes: Axes, found: StreamCurve, scale: float) -> None:
    axes.plot(found.group, found.memory * scale, color=_STEP, lw=2.2, label="needed")
    axes.axhline(found.limit * scale, color=_MARK, lw=1.4, ls="--", label="the device has")
    axes.plot([found.recommended], [found.memory[found.at] * scale], color=_MARK, marker="o", ms=8, ls="none")
    axes.set_ylim(bottom=0.0)


def _groups(axes: Axes, found: StreamCurve) -> None:
    """Powers of two below, and a mark where computing begins to hide the loads."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    last = int(found.group[-1])
    axes.set_xlim(0.93, max(last * 1.08, 1.2))
    for knee in found.knees:
        if 1.0 < knee < last:
            axes.plot([knee], [0.0], color=_COMPUTE, marker="^", ms=9, ls="none", clip_on=False)
    if any(1.0 < knee < last for knee in found.knees):
        axes.plot([], [], color=_COMPUTE, marker="^", ms=8, ls="none", label="knee: loads hidden from here")


def draw_stream(found: StreamCurve, path: Path, title: str = "") -> None:
    """Write the picture as ``path`` says, SVG or PNG; the same bytes for the same curve."""
    about = (
        f"{title}. Time per sample and device memory by group size; a group of {found.recommended} is recommended, "
        f"at {found.sample_s[found.at]:.4g} s per sample."
    )
    picture(stream_figure(found, title), path, title, about)
