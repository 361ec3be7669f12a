"""Figures as long, tidy CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from simulator.results.cohort import Json
from simulator.results.figures import flat

FIGURE_COLUMNS = ("service", "class", "portion", "metric", "value", "lo", "hi")
SATURATION_COLUMNS = (
    "service",
    "max_rate",
    "lo",
    "hi",
    "load_factor",
    "margin",
    "bottleneck_kind",
    "bottleneck",
    "note",
)


def figures_csv(figures: Json) -> str:
    """One row per figure of a result; empty cells where there is no value or no interval."""
    return csv_text(FIGURE_COLUMNS, flat(figures))


def saturation_csv(figures: Json) -> str:
    """One row per service of a saturation."""
    rows = []
    for name, tree in figures["services"].items():
        low, high = tree.get("ci95") or (None, None)
        bound = tree.get("bottleneck") or {}
        numbers = (tree.get("max_rate"), low, high, tree.get("load_factor"), tree.get("margin"))
        rows.append((name, *numbers, bound.get("kind"), bound.get("name"), tree.get("note")))
    return csv_text(SATURATION_COLUMNS, rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under a header; None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return out.getvalue()
