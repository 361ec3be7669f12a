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


def word(tree: Any, *steps: str | int) -> Figure:
    """A text or a plain number as it stands."""
    place = pointer(*steps)
    value = at(tree, place)
    if isinstance(value, float):
        text = measure(value, "plain")
    else:
        text = {True: "yes", False: "no", None: "-"}.get(value, str(value))
    return Figure(text, place, value)
