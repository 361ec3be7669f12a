"""Figures as SVG for a page: the same bytes for the same figure, colours and text those of the page."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 4.8
"""Width of every picture [inches]: its text is readable on a phone and not huge on a screen."""
POINTS = 10.0
TEXT, GRID, FAINT, PAPER = "#010101", "#020202", "#030303", "#050505"
SERIES = ("#040101", "#040202", "#040303", "#040404", "#040505", "#040606", "#040707")
"""Stand for the colours of the page: whether that is light or dark is known where it is read."""
BLUE, ORANGE, GREEN, RED, PINK, GREY, DEEP = SERIES
_PAGE = {
    "#000000": "currentColor",
    TEXT: "currentColor",
    GRID: "var(--grid)",
    FAINT: "var(--faint)",
    PAPER: "var(--paper)",
}
_PAGE |= {colour: f"var(--c{number})" for number, colour in enumerate(SERIES, start=1)}
_STYLE: Any = {
    "svg.hashsalt": "plan",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": POINTS,
    "axes.edgecolor": GRID,
    "axes.labelcolor": TEXT,
    "axes.titlesize": POINTS,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "legend.frameon": False,
    "legend.fontsize": POINTS - 0.5,
    "axes.unicode_minus": False,
}


def canvas(height_in: float) -> tuple[Figure, Axes]:
    """An empty picture."""
    figure, (axes,) = stacked(height_in, (1,))
    return figure, axes


def stacked(height_in: float, heights: tuple[int, ...]) -> tuple[Figure, list[Axes]]:
    """An empty picture with several axes below each other, which share their horizontal one."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        figure.patch.set_visible(False)
        found = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        for axes in found:
            axes.patch.set_visible(False)
    return figure, list(found)


def key(figure: Figure, columns: int = 2) -> None:
    """What lines and colours mean, below the picture."""
    from matplotlib import rc_context

    with rc_context(_STYLE):
        handles, labels = figure.axes[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def svg_of(figure: Figure, name: str, alt: str) -> str:
    """The figure as an SVG element without addresses of other places; names in it begin with ``name``."""
    from matplotlib import rc_context

    out = io.StringIO()
    nothing: Any = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context(_STYLE):
        figure.savefig(out, format="svg", metadata=nothing)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = text.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    text = re.sub(r' (?:d|x|y|transform)="[^"]*"', _shortened, text)
    for stand_in, colour in _PAGE.items():
        text = text.replace(stand_in, colour)
    text = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "inherit", text)
    text = re.sub(r"font: ([\d.]+px) inherit", r"font-size: \1", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None
    head = f'<svg viewBox="{box[1]}" role="img" focusable="false" aria-label="{escape(alt)}">'
    text = head + text[text.index(">") + 1 :]
    return re.sub(r">\s+<", "><", text).strip() + "\n"


def _shortened(attribute: re.Match[str]) -> str:
    """Places to a hundredth of a point, which nobody sees."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])
