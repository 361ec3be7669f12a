"""YAML 1.2 text to a tree of nodes with places: bounded, without tags, without repeated keys.

The tree is built from ruamel.yaml's events rather than by its loader: the loader does not keep the place of
every value, and it expands aliases without a limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import Problem
from simulator.scenario.base import shorten
from simulator.scenario.nodes import Entry, Node, Scalar, printable

MAX_NODES = 100_000
MAX_DEPTH = 40
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}", re.ASCII)
_BASED = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
}


class Unreadable(Exception):
    """The text is no YAML that can be used; nothing else can be said about it."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message, line, column)
        self.message, self.line, self.column = message, line, column


@dataclass(slots=True)
class Tree:
    """A root node (None: the text is empty) and the problems that did not stop the reading."""

    root: Node | None
    problems: list[Problem] = field(default_factory=list)


def scalar(text: str) -> Scalar:
    """Value of a plain scalar by the core schema of YAML 1.2.

    >>> scalar("yes"), scalar("12:30"), scalar("1e3"), scalar("0o17"), scalar("~")
    ('yes', '12:30', 1000.0, 15, None)
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def read_tree(text: str) -> Tree:
    """Tree of the only document in ``text``; raises :class:`Unreadable`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (None, None) if mark is None else (mark.line + 1, mark.column + 1)
        raise Unreadable(_syntax(error, text), *place) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(f"is not valid YAML: {shorten(printable(str(error)), 120)}") from None
    return Tree(builder.root, builder.problems)


def _syntax(error: Any, text: str) -> str:
    said = f"{error.problem or error.context or error}"
    mark = error.problem_mark
    if mark is not None:
        line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
        if "\t" in line[: mark.column + 1]:
            return "is not valid YAML: a tab in the indentation, use spaces"
        if "%" in line[mark.column : mark.column + 1] or "@" in line[mark.column : mark.column + 1]:
            return f"is not valid YAML: put quotes around a value that starts with {line[mark.column]!r}"
    if "<document start>" in said:
        return "is not valid YAML: something follows after the end of the value"
    if error.context and error.problem:
        said = f"{error.problem} {error.context}"
    return f"is not valid YAML: {shorten(printable(said), 120)}"


@dataclass(slots=True)
class _Open:
    """A collection that is being read."""

    mapping: bool
    line: int
    column: int
    anchor: str | None
    items: list[Node] = field(default_factory=list)


class _Builder:
    """Builds the tree from parser events, without recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0
        self._size = 0

    def take(self, event: Any) -> None:
        """Handle one event of the parser."""
        kind = type(event).__name__
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if kind == "ScalarEvent":
            self._check_tag(event, line, column)
            plain = event.style is None or event.style == ""
            value = scalar(event.value) if plain else event.value
            self._add(Node(value, line, column, raw=event.value, quoted=not plain), event.anchor)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._start(event, kind.startswith("Mapping"), line, column)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._close()
        elif kind == "AliasEvent":
            self._alias(event.anchor, line, column)
        elif kind == "DocumentStartEvent":
            self._document(event, line, column)

    def _document(self, event: Any, line: int, column: int) -> None:
        self._documents += 1
        if self._documents > 1:
            raise Unreadable("holds several YAML documents: keep one (remove the line ---)", line, column)
        if event.version is not None and tuple(event.version) != (1, 2):
            raise Unreadable("is read as YAML 1.2: remove the %YAML line", line, column)

    def _start(self, event: Any, mapping: bool, line: int, column: int) -> None:
        self._check_tag(event, line, column)
        if len(self._open) >= MAX_DEPTH:
            raise Unreadable(f"is nested too deeply: at most {MAX_DEPTH} levels", line, column)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # known but not complete: an alias to it would be a loop
        self._open.append(_Open(mapping, line, column, event.anchor))

    def _check_tag(self, event: Any, line: int, column: int) -> None:
        if event.tag is not None:
            tag = shorten(printable(str(event.tag).replace("tag:yaml.org,2002:", "!!")))
            self.problems.append(Problem(f"YAML tags such as {tag} are not used here, remove it", None, line, column))

    def _alias(self, anchor: str, line: int, column: int) -> None:
        if anchor not in self._anchors:
            raise Unreadable(f"the alias *{shorten(anchor)} has no anchor &{shorten(anchor)} before it", line, column)
        node = self._anchors[anchor]
        if node is None:
            raise Unreadable(f"the alias *{shorten(anchor)} lies inside its own anchor: an endless loop", line, column)
        self._add(node, None)

    def _add(self, node: Node, anchor: str | None) -> None:
        self._size += node.size
        if self._size > MAX_NODES:
            where = (node.line, node.column)
            raise Unreadable(f"is too large: more than {MAX_NODES:,} values (aliases expanded)", *where)
        if len(self._open) + node.depth > MAX_DEPTH + 1:
            raise Unreadable(f"is nested too deeply: at most {MAX_DEPTH} levels", node.line, node.column)
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].items.append(node)
        else:
            self.root = node

    def _close(self) -> None:
        done = self._open.pop()
        value = self._entries(done.items) if done.mapping else done.items
        size = 1 + sum(item.size for item in done.items)
        depth = 1 + max((item.depth for item in done.items), default=0)
        node = Node(value, done.line, done.column, size=size, depth=depth)
        self._size -= size - 1  # its parts were counted one by one
        self._add(node, done.anchor)

    def _entries(self, items: list[Node]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key.value, dict | list):
                self.problems.append(Problem("a key must be a single word", None, key.line, key.column))
            elif key.raw in entries:
                first = entries[key.raw].key.line
                message = f"repeats the key {shorten(printable(key.raw))!r} of line {first}"
                self.problems.append(Problem(message, None, key.line, key.column))
            else:
                entries[key.raw] = Entry(key, value)
        return entries
