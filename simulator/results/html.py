"""Results as HTML tables, for notebooks; the same figures as the text tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
_WHOLE, _MOST = "white-space: nowrap", 32
"""Short cells are never broken, so that a figure stays beside its unit; longer ones are sentences."""


def html_page(lead: str, blocks: Iterable[Block], said: Iterable[str] = ()) -> str:
    """A line, tables, and sentences below them: what every result shows in a notebook. All text is escaped.

    >>> html_page("a < b", [], ["why"])
    '<p>a &lt; b</p>\\n<p>why</p>'
    """
    lines = [f"<p>{escape(lead)}</p>"] if lead else []
    for block in blocks:
        lines += _table(block)
    return "\n".join([*lines, *(f"<p>{escape(text)}</p>" for text in said)])


def html_table(figures: Json) -> str:
    """Tables per service and one of the pools, warnings below; intervals follow ±."""
    lines = [html_page(" · ".join(heading(figures)), [])]
    if figures["variants"]:
        lines.append(html_page("", [], [f"variants: {', '.join(figures['variants'])}"]))
    if figures["replications"] > 1:
        lines.append("<p>counts are totals; the others are means ± half of the 95 % interval</p>")
    warnings = [f"warning: {text}" for text in figures["warnings"]]
    return "\n".join([*lines, services_html(figures, warnings)])


def services_html(figures: Json, said: Iterable[str] = ()) -> str:
    """Tables per service, per training and stream where there are some, and one of the pools; sentences below."""
    lines = []
    for name, tree in figures["services"].items():
        leaving = exits_of(tree)
        exits = [f"exits after layer {', '.join(leaving)}"] if leaving else []
        lines.append(html_page("", [figure_block(name, tree)], exits))
        lines.append(html_page("", [twin_block(tree), portion_block(tree), breakdown_block(tree)]))
    jobs = job_blocks(figures) if "trainings" in figures else []
    lines.append(html_page("", [*jobs, pool_block(figures)], said))
    return "\n".join(line for line in lines if line)


def _table(block: Block) -> list[str]:
    if not block.rows:
        return []
    title = f"<caption>{escape(block.title)}</caption>" if block.title else ""
    head = _row(block.header, "th") if any(block.header) else ""
    return [f"<table>{title}{head}", *(_row(row, "td") for row in block.rows), "</table>"]


def _row(cells: Sequence[str], tag: str) -> str:
    first, *others = cells
    numbers = "".join(f'<{tag} style="{_style(_RIGHT, cell)}">{escape(cell)}</{tag}>' for cell in others)
    return f'<tr><th style="{_style(_LEFT, first)}">{escape(first)}</th>{numbers}</tr>'


def _style(align: str, cell: str) -> str:
    return f"{align}; {_WHOLE}" if len(cell) <= _MOST else align
