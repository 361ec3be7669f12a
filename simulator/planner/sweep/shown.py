"""A sweep as HTML tables, for notebooks."""

from __future__ import annotations

from simulator.planner.sweep.columns import COLUMNS, short_names
from simulator.planner.sweep.result import SweepResult
from simulator.results.html import html_page
from simulator.results.shown_table import Column, block_of

MOST_SAID = 3
"""Warnings, and failed points, that are told one by one."""


def sweep_html(found: SweepResult) -> str:
    """Every point with its main figures, of services, trainings and streams; what failed and warnings below."""
    names = short_names([item.key for item in found.axes])
    keys = [Column(names[item.key], item.key, "text") for item in found.axes]
    blocks = []
    for kind, figures in COLUMNS.items():
        rows = [row for row in found.of(kind) if row["error"] is None]
        several = [Column(kind, kind, "text")] if len({row[kind] for row in rows}) > 1 else []
        shown = [Column(title, key, unit) for title, key, unit in figures]
        if rows:
            ends = [Column("holds", "holds", "text")] if kind == "service" else []
            blocks.append(block_of("", [Column("point", "point", "plain"), *several, *keys, *shown, *ends], rows))
    said = [f"point {point} failed: {text}" for point, text in list(found.failed.items())[:MOST_SAID]]
    said += [f"warning: {text}" for text in found.warnings[:MOST_SAID]]
    hidden = len(found.warnings) - MOST_SAID
    said += [f"... and {hidden} more warnings"] if hidden > 0 else []
    return html_page(f"{found.scenario} · {found.points} points · seed {found.seed}", blocks, said)
