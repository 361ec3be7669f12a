"""Differences as HTML tables, for notebooks."""

from __future__ import annotations

from simulator.planner.compare.figures import MAIN, row_of
from simulator.planner.compare.result import Comparison
from simulator.results.html import html_page
from simulator.results.shown import Block


def comparison_html(found: Comparison) -> str:
    """A table for each pair and service: both values, the difference with half its interval, and the change."""
    blocks = []
    for pair in found.pairs:
        for _, name, figures in pair.entries():
            rows = [
                row_of(metric, kind, figures[metric])
                for metric, kind in MAIN
                if metric in figures and (figures[metric].a or figures[metric].b)
            ]
            blocks.append(Block(name, ["", pair.a, pair.b, "difference", "change"], rows))
    return html_page("", blocks, ["* the 95 % interval of the difference (±) excludes zero", *found.notes])
