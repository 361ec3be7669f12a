"""Pictures as files: the same bytes for the same figures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png")
DOTS_PER_INCH = 150
_SCALES = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (300.0, 1.0, "s"), (7200.0, 1 / 60, "min"))


def time_axis(longest_s: float) -> tuple[float, str]:
    """Factor and unit in which so long a time is easily read.

    >>> time_axis(0.25)
    (1000.0, 'ms')
    """
    return next(((factor, unit) for most, factor, unit in _SCALES if longest_s < most), (1 / 3600, "h"))


def size_axis(largest: float) -> tuple[float, str]:
    """Factor and unit in which so many bytes are easily read."""
    return next(
        ((scale, unit) for most, scale, unit in ((1e9, 1e-6, "MB"), (1e13, 1e-9, "GB")) if largest < most),
        (1e-12, "TB"),
    )


def picture(figure: Figure, path: Path, title: str, about: str) -> None:
    """Write a figure whole or not at all, as SVG or PNG by the name of the file, without dates or random names.

    ``title`` and ``about``, a sentence for those who do not see it, go into the file.
    """
    from matplotlib import rc_context

    kind = path.suffix.lower().removeprefix(".")
    vector = kind == "svg"
    metadata = {"Title": title, "Description": about}
    metadata |= {"Date": None, "Creator": None} if vector else {"Software": None}  # type: ignore[dict-item]
    with rc_context({"svg.hashsalt": "plan", "svg.fonttype": "path", "font.family": "DejaVu Sans"}):
        write_whole(path, partial(figure.savefig, format=kind, dpi=DOTS_PER_INCH, metadata=metadata))
