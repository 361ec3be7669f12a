"""A result as a text table for people."""

from __future__ import annotations

from simulator.reporting.grid import grid, wrapped
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


def result_table(figures: Json, width: int = 80) -> str:
    """The figures of a result (its ``to_dict()``) as aligned text of at most about ``width`` columns.

    Means over several replications carry half the width of their 95 % interval after ±.
    """
    parts = [_head(figures, width)]
    for name, tree in figures["services"].items():
        parts.append(_text(figure_block(name, tree), width))
        if leaving := exits_of(tree):
            parts.append(wrapped("  exits after layer  " + "  ".join(leaving), width, "    "))
        parts += [
            _text(block, width)
            for block in (twin_block(tree), portion_block(tree), breakdown_block(tree))
            if block.rows
        ]
    parts += [_text(block, width) for block in job_blocks(figures)]
    if figures["pools"]:
        parts.append(_text(pool_block(figures), width))
    if figures["warnings"]:
        parts.append("\n".join(wrapped(f"warning: {text}", width, "  ") for text in figures["warnings"]))
    return "\n\n".join(parts)


def _head(figures: Json, width: int) -> str:
    lines = [wrapped(" · ".join(heading(figures)), width, "  ")]
    if figures["variants"]:
        lines.append(wrapped("variants: " + ", ".join(figures["variants"]), width, "  "))
    if figures["replications"] > 1:
        lines.append(wrapped("counts are totals; the others are means ± half of the 95 % interval", width))
    return "\n".join(lines)


def _text(block: Block, width: int) -> str:
    table = grid(block.header, block.rows, width)
    return f"{block.title}\n" + table.removeprefix("\n") if block.title else table
