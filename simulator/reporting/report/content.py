"""What a report is made of: sections of sentences, tables and pictures, without any mark-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as people read it, with its place in the numbers of the report (a JSON pointer) and its value."""

    text: str
    pointer: str
    value: Any


Words = str | Figure
Cell = str | Figure


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words and figures in a row. ``kind``: ``plain``, ``lead`` for the answer, ``note`` or ``warning``."""

    words: tuple[Words, ...]
    kind: str = "plain"

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return "".join(word if isinstance(word, str) else word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; the first column names them. ``marked``: numbers of the rows that stand out."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as SVG to be set into a page, and what it shows for those who do not see it."""

    svg: str = field(repr=False)
    title: str
    alt: str


Block = Sentence | Table | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """One chapter of the report."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A capacity report: its numbers as one tree, and the sections that show them."""

    title: str
    subtitle: str
    numbers: Json
    sections: tuple[Section, ...]


def plain(*words: Words) -> Sentence:
    """A sentence of the running text."""
    return Sentence(words)


def note(*words: Words) -> Sentence:
    """A remark that limits what was said."""
    return Sentence(words, "note")
