"""HTML read back in tests: it must be well-formed, and its figures are numbers again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

UNITS = {
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "%": 0.01,
    "/s": 1.0,
    "GB": 1e9,
    "MB": 1e6,
    "x": 1.0,
}


@dataclass
class Table:
    """A table: its caption, its header and its rows by the first cell."""

    caption: str = ""
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def column(self, title: str) -> list[str]:
        """The cells below a title."""
        place = self.header.index(title)
        return [row[place] for row in self.rows]

    def numbers(self, title: str) -> list[float | None]:
        """The figures below a title, in SI units."""
        return [figure(cell) for cell in self.column(title)]


class Page(HTMLParser):
    """Tables and paragraphs of what a result shows; fails for tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.said: list[str] = []
        self._open: list[str] = []
        self._cells: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"p", "table", "caption", "tr", "th", "td"}, tag
        assert {name for name, _ in attrs} <= {"style"}
        self._open.append(tag)
        if tag == "table":
            self.tables.append(Table())
        elif tag == "tr":
            self._cells = []
        elif tag in ("th", "td"):
            self._cells.append((tag, ""))
        elif tag == "p":
            self.said.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag != "tr":
            return
        cells, table = [text for _, text in self._cells], self.tables[-1]
        if all(kind == "th" for kind, _ in self._cells) and len(cells) > 1:
            assert not table.header
            assert not table.rows
            table.header = cells
        else:
            assert not table.header or len(cells) == len(table.header)
            table.rows.append(cells)

    def handle_data(self, data: str) -> None:
        within = self._open[-1] if self._open else ""
        if within in ("th", "td"):
            kind, text = self._cells[-1]
            self._cells[-1] = (kind, text + data)
        elif within == "caption":
            self.tables[-1].caption += data
        elif within == "p":
            self.said[-1] += data
        else:
            assert not data.strip(), data


def figure(cell: str) -> float | None:
    """A cell as a number in SI units, without its interval; None for a dash.

    >>> figure("* 1,234 /s ± 5"), figure("23.40 ms"), figure("-"), figure(">99.99 %")
    (1234.0, 0.0234, None, 0.9999)
    """
    if cell == "-":
        return None
    found = re.fullmatch(r"(?:\* )?[>+]?(-?[\d,]*\.?\d+) ?([^\d±]*?)(?: ±.*)?", cell)
    assert found, cell
    return float(found[1].replace(",", "")) * UNITS.get(found[2].strip(), 1.0)
