"""Where a scenario comes from, and the place of every key in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.errors import Problem
from simulator.scenario.nodes import Node, is_invented, locate, printable

_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what ends a line for the YAML parser


def split_lines(text: str) -> tuple[str, ...]:
    """Lines as the YAML parser counts them."""
    return tuple(_LINE_END.split(text))


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a scenario, its tree, and what was applied to it."""

    name: str
    """Name shown in messages."""
    path: Path | None
    """The file, if there is one."""
    folder: Path
    """Base of relative file names."""
    sha256: str
    """SHA-256 of the text as read, hexadecimal."""
    lines: tuple[str, ...]
    """Lines of the text."""
    tree: Node
    """Values with their places, after variants and overrides."""
    variants: tuple[str, ...] = ()
    """Names of the variants that were applied."""
    sets: tuple[str, ...] = ()
    """Overrides that were applied, ``path=value``."""
    notes: tuple[str, ...] = ()
    """What a reader of the results must know of where the scenario comes from."""

    def file(self, name: str) -> Path:
        """A file named in the scenario; relative names are relative to the scenario."""
        return self.folder / name

    def problem(self, path: Sequence[str | int], message: str) -> Problem:
        """A problem with the value at a key path, placed at the line that says it.

        Attribute names are understood (``from_`` is the key ``from``); a key that the file leaves to its
        default points at what contains it.
        """
        keys = tuple("from" if step == "from_" else step for step in path)
        place = locate(self.tree, keys)
        return self.at(place.mark, message, dotted(keys))

    def at(self, mark: Node, message: str, path: str | None = None) -> Problem:
        """A problem at a node: its line of the file, or the override that it came from."""
        if mark.origin is not None:
            return Problem(message, file=mark.origin, path=path)
        return self.at_line(message, mark.line, mark.column, path)

    def at_line(self, message: str, line: int | None, column: int | None, path: str | None = None) -> Problem:
        """A problem at a line and column of the text."""
        text = None
        if line is not None and 0 < line <= len(self.lines):
            # one character for one, so that the caret stays under its place
            text = "".join(char if char.isprintable() else " " for char in self.lines[line - 1])
        return Problem(message, self.name, line, column, path, text)


def dotted(path: Sequence[str | int]) -> str | None:
    """Key path as text: ``services.chat.classes.0.share``; None for the whole file."""
    steps = [printable(str(step)) for step in path if not is_invented(step)]
    return ".".join(steps) or None
