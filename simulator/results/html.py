"""A result as HTML tables, for notebooks; the same figures as the text table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from simulator.results.cohort import Json
from simulator.results.shown import (
    Block,
    breakdown_block,
    exits_of,
    figure_block,
    heading,
    pool_block,
    portion_block,
    twin_block,
)
from simulator.results.shown_jobs import job_blocks

_LEFT, _RIGHT = "text-align: left", "text-align: right"


def html_table(figures: Json) -> str:
    """Tables per service and one of the pools, warnings below; intervals follow ±, all text is escaped."""
    lines = [f"<p>{escape(' · '.join(heading(figures)))}</p>"]
    if figures["variants"]:
        lines.append(f"<p>variants: {escape(', '.join(figures['variants']))}</p>")
    if figures["replications"] > 1:
        lines.append("<p>counts are totals; the others are means ± half of the 95 % interval</p>")
    for name, tree in figures["services"].items():
        lines += _table(figure_block(name, tree))
        if leaving := exits_of(tree):
            lines.append(f"<p>exits after layer {escape(', '.join(leaving))}</p>")
        lines += _table(twin_block(tree)) + _table(portion_block(tree)) + _table(breakdown_block(tree))
    for block in job_blocks(figures):
        lines += _table(block)
    lines += _table(pool_block(figures))
    lines += [f"<p>warning: {escape(text)}</p>" for text in figures["warnings"]]
    return "\n".join(lines)


def _table(block: Block) -> list[str]:
    if not block.rows:
        return []
    title = f"<caption>{escape(block.title)}</caption>" if block.title else ""
    head = _row(block.header, "th") if any(block.header) else ""
    return [f"<table>{title}{head}", *(_row(row, "td") for row in block.rows), "</table>"]


def _row(cells: Sequence[str], tag: str) -> str:
    first, *others = (escape(cell) for cell in cells)
    numbers = "".join(f'<{tag} style="{_RIGHT}">{cell}</{tag}>' for cell in others)
    return f'<tr><th style="{_LEFT}">{first}</th>{numbers}</tr>'
