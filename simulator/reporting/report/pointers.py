"""Places in the numbers of a report, and the figures that stand there."""

from __future__ import annotations

from typing import Any

from simulator.reporting.report.content import Figure
from simulator.results.units import Kind, measure, stated


def pointer(*steps: str | int) -> str:
    """A JSON pointer (RFC 6901).

    >>> pointer("result", "services", "a/b", 0)
    '/result/services/a~1b/0'
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def at(tree: Any, place: str) -> Any:
    """What stands at a JSON pointer; KeyError or IndexError where nothing does."""
    for step in place.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    return tree


def shown(tree: Any, kind: Kind, *steps: str | int, ends: tuple[float | None, float | None] = (None, None)) -> Figure:
    """The figure at a place with its unit and, where ``ends`` are known, its 95 % interval."""
    place = pointer(*steps)
    value = at(tree, place)
    return Figure(measure(value, kind, *ends).removesuffix(" ± 0"), place, value)


def asked(tree: Any, kind: Kind, *steps: str | int) -> Figure:
    """A figure that somebody wrote down, with no more digits than it has."""
    place = pointer(*steps)
    value = at(tree, place)
    return Figure(measure(None, kind) if value is None else stated(value, kind), place, value)


def times(tree: Any, *steps: str | int) -> Figure:
    """A factor in a table: ``× 1.26``."""
    place = pointer(*steps)
    value = at(tree, place)
    return Figure("-" if value is None else f"× {value:.3g}", place, value)


def fold(tree: Any, *steps: str | int) -> Figure:
    """A factor in a sentence: ``1.26 times``."""
    place = pointer(*steps)
    value = at(tree, place)
    return Figure(f"{value:.3g} times", place, value)


def clock(at_s: float, run_s: float) -> str:
    """An instant of a run of ``run_s`` seconds: in seconds, or as hours and minutes where the run takes long.

    >>> clock(90.0, 120.0), clock(0.0, 86400.0), clock(25200.0, 86400.0), clock(5430.5, 7200.0)
    ('90 s', '0:00 h', '7:00 h', '1:30:30.5 h')
    """
    if run_s < 600.0:
        return f"{at_s:.4g} s"
    minutes, seconds = divmod(round(at_s, 3), 60.0)
    rest = f":{seconds:06.3f}".rstrip("0").rstrip(".") if seconds else ""
    return f"{int(minutes) // 60}:{int(minutes) % 60:02}{rest} h"


def word(tree: Any, *steps: str | int) -> Figure:
    """A text or a plain number as it stands."""
    place = pointer(*steps)
    value = at(tree, place)
    if isinstance(value, float):
        text = measure(value, "plain")
    elif isinstance(value, bool) or value is None:  # 1 and 0 are numbers
        text = {True: "yes", False: "no", None: "-"}[value]
    else:
        text = str(value)
    return Figure(text, place, value)
