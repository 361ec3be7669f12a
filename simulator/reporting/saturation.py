"""The highest load that holds, as text."""

from __future__ import annotations

from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import NOTHING, measure


def saturation_table(figures: Json, width: int = 80) -> str:
    """One row per service of a saturation (its ``to_dict()``): rate, load factor, margin, what binds."""
    header = ["service", "highest rate", "95 % interval", "load factor", "margin", "bottleneck"]
    table = grid(header, [_row(name, tree) for name, tree in figures["services"].items()], width, indent=0)
    notes = [f"{name}: {tree['note']}" for name, tree in figures["services"].items() if tree.get("note")]
    return "\n\n".join([table, *(wrapped(note, width, "  ") for note in notes)])


def _row(name: str, tree: Json) -> list[str]:
    bound, ends, factor = tree.get("bottleneck"), tree.get("ci95"), tree.get("load_factor")
    return [
        name,
        measure(tree.get("max_rate"), "rate"),
        f"{measure(ends[0], 'plain')} .. {measure(ends[1], 'plain')}" if ends else NOTHING,
        NOTHING if factor is None else f"{measure(factor, 'plain')} x",
        measure(tree.get("margin"), "share"),
        f"{bound['kind']} {bound['name']}" if bound else NOTHING,
    ]
