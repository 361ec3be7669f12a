"""Differences between scenarios, plans and results as text."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.planner.compare import Comparison, Pair
from simulator.planner.compare.figures import MAIN, kind_of, row_of
from simulator.reporting.grid import grid, wrapped

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def comparison_table(found: Comparison, width: int = 80, metrics: Sequence[str] | None = None) -> str:
    """A block for each pair and service: both values, the difference with half its interval, and the change.

    An asterisk marks differences whose 95 % interval excludes zero. ``metrics`` are shown instead of the main ones.
    """
    legend = [
        wrapped(f"{letter(place)}  {one['name']}: {_about(one)}", width, "   ") for place, one in enumerate(found.sides)
    ]
    parts = ["\n".join(legend)]
    for place, pair in enumerate(found.pairs, start=1):
        parts += _pair(pair, letter(place), width, metrics)
    parts.append(wrapped("* the 95 % interval of the difference (±) excludes zero", width, "  "))
    return "\n\n".join([*parts, *(wrapped(f"note: {text}", width, "  ") for text in found.notes)])


def letter(place: int) -> str:
    """A name for the side at a place: A, B, ... then by number."""
    return LETTERS[place] if place < len(LETTERS) else f"#{place + 1}"


def _about(one: dict[str, object]) -> str:
    count = one["replications"]
    return f"{one['kind']} {one['scenario']}, seed {one['seed']}, {count} replication{'' if count == 1 else 's'}"


def _pair(pair: Pair, name: str, width: int, metrics: Sequence[str] | None) -> list[str]:
    how = f"paired over {pair.count_b} replications" if pair.paired else "not paired"
    parts = []
    for _, entry, figures in pair.entries():
        rows = [
            row_of(metric, kind, figures[metric])
            for metric, kind in (MAIN if metrics is None else [(one, kind_of(one)) for one in metrics])
            if metric in figures and (metrics is not None or figures[metric].a or figures[metric].b)
        ]
        if rows:
            header = ["", "A", name, f"{name} - A", "change"]
            parts.append(f"{entry}, {name} against A, {how}\n{grid(header, rows, width)}")
    if pair.alone:
        parts.append(wrapped(f"only in one of A and {name}: {', '.join(pair.alone)}", width, "  "))
    return parts
