"""Aligned text columns that fit a width."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

GAP = 2


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], width: int = 80, indent: int = 2) -> str:
    """Rows under a header: the first column flush left, the others flush right.

    Columns that do not fit into ``width`` follow in further blocks, each with the first column again.
    """
    table = [list(header), *(list(row) for row in rows)]
    sizes = [max(len(row[column]) for row in table) for column in range(len(header))]
    blocks = _blocks(sizes, width - indent)
    return "\n\n".join("\n".join(_line(row, sizes, block, indent) for row in table) for block in blocks)


def wrapped(text: str, width: int, indent: str = "") -> str:
    """``text`` broken into lines of at most ``width``; later lines start with ``indent``."""
    return textwrap.fill(text, max(width, 20), subsequent_indent=indent, break_long_words=False)


def _blocks(sizes: Sequence[int], width: int) -> list[list[int]]:
    """Columns (without the first) shared out so that each block fits, at least one column in each."""
    blocks: list[list[int]] = [[]]
    used = sizes[0]
    for column in range(1, len(sizes)):
        if blocks[-1] and used + GAP + sizes[column] > width:
            blocks.append([])
            used = sizes[0]
        blocks[-1].append(column)
        used += GAP + sizes[column]
    return blocks


def _line(row: Sequence[str], sizes: Sequence[int], columns: Sequence[int], indent: int) -> str:
    cells = [row[0].ljust(sizes[0]), *(row[column].rjust(sizes[column]) for column in columns)]
    return (" " * indent + (" " * GAP).join(cells)).rstrip()
