"""A report as Markdown: the same sections, sentences and tables; pictures are told in words."""

from __future__ import annotations

from simulator.reporting.report.content import Block, Cell, Picture, Report, Table


def markdown(report: Report) -> str:
    """The whole report as Markdown text."""
    parts = [f"# Capacity report: {_escaped(report.title)}", _escaped(report.subtitle)]
    for section in report.sections:
        parts.append(f"## {section.title}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Picture):
        return f"*{_escaped(block.title)}.* {_escaped(block.alt)}"
    if isinstance(block, Table):
        return _table(block)
    text = _escaped(block.text)
    return f"*{text}*" if block.kind == "note" else text


def _table(table: Table) -> str:
    rows = [_row(table.header), "|" + "---|" * len(table.header)]
    rows += [_row(row, number in table.marked) for number, row in enumerate(table.rows)]
    title = f"**{_escaped(table.title)}**\n\n" if table.title else ""
    return title + "\n".join(rows)


def _row(cells: tuple[Cell, ...], marked: bool = False) -> str:
    texts = [_escaped(cell if isinstance(cell, str) else cell.text) for cell in cells]
    return "| " + " | ".join(f"**{text}**" if marked and text else text for text in texts) + " |"


def _escaped(text: str) -> str:
    for sign in "\\`*_|<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")
