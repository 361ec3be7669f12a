"""The tree of a YAML text: every key and value with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.scenario.base import shorten

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """One value: a scalar, a mapping (key text to entry) or a list."""

    value: Scalar | dict[str, Entry] | list[Node]
    line: int
    """Counted from 1."""
    column: int
    """Counted from 1."""
    raw: str = ""
    """A scalar as it is written, without quotes."""
    quoted: bool = False
    """Whether a scalar stands in quotes (or is a block of text)."""
    origin: str | None = None
    """Where the value comes from if not from the file: ``--set path=value``."""
    size: int = 1
    """Nodes in it, itself included, aliases expanded."""
    depth: int = 1
    """Levels below and including this one."""

    def child(self, key: str | int) -> Node | None:
        """The value under a key or at a position, if there is one."""
        if isinstance(self.value, dict):
            entry = self.value.get(str(key))
            return None if entry is None else entry.value
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            return self.value[key]
        return None

    def plain(self) -> Any:
        """Python data: dictionaries with text keys, lists, scalars."""
        if isinstance(self.value, dict):
            return {key: entry.value.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def found(self) -> str:
        """The value in a few words, for messages."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        text = shorten(printable(self.raw))
        return f'"{text}"' if self.quoted else text


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping and its value."""

    key: Node
    value: Node


@dataclass(frozen=True, slots=True)
class Place:
    """What a key path leads to: the node to point at, its value, and the part of the path that exists."""

    mark: Node
    value: Node
    path: tuple[str | int, ...]
    missing: tuple[str | int, ...]


def locate(tree: Node, path: Sequence[str | int]) -> Place:
    """Follow ``path`` as far as the tree has it.

    Steps that the loader invented (the name of a union's member, the index of a lone shape) are skipped.
    """
    mark = value = tree
    known: list[str | int] = []
    for index, step in enumerate(path):
        below = value.child(step)
        if below is None and is_invented(step):
            continue
        if below is None and isinstance(step, int) and isinstance(value.value, dict):
            continue
        if below is None:
            rest = () if not isinstance(value.value, dict | list) else tuple(path[index:])
            return Place(mark, value, tuple(known), rest)
        entry = value.value.get(str(step)) if isinstance(value.value, dict) else None
        value = below
        wide = isinstance(below.value, dict | list) or (below.value is None and not below.raw)
        mark = entry.key if entry is not None and wide else below
        known.append(step)
    return Place(mark, value, tuple(known), ())


def is_invented(step: str | int) -> bool:
    """Whether a step of an error's place is the loader's: a union's member, or the mark of a key."""
    return isinstance(step, str) and (step == "[key]" or (step.startswith("<") and step.endswith(">")))


def printable(text: str) -> str:
    """The text with control characters shown as escapes, so that a message stays on its line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
