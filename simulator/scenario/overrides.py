"""Overrides: ``--set path=value`` and named variants, applied to the tree before it is validated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from simulator.errors import Problem
from simulator.scenario.base import shorten, unknown
from simulator.scenario.nodes import Entry, Node, printable
from simulator.scenario.source import Source
from simulator.scenario.yamltext import Unreadable, read_tree

MAX_SET = 100_000
NAMED = (("cluster", "pools"), ("models",), ("services",), ("trainings",), ("streams",))
"""Mappings whose keys are names that the user chose."""


@dataclass(frozen=True, slots=True)
class Override:
    """One changed value: its key path, and the nodes that say so."""

    path: tuple[str, ...]
    key: Node
    value: Node


class NoSuchPath(Exception):
    """The path leads nowhere."""


def parse_set(text: str) -> Override | Problem:
    """An override from ``path=value``; the value is YAML."""
    origin = f"--set {shorten(printable(text))}"
    path, equals, value = text.partition("=")
    steps = tuple(path.strip().split("."))
    if not equals or not all(steps):
        return Problem("must be path=value, such as services.chat.workload.rate=100/s", file=origin)
    if len(value) > MAX_SET:
        return Problem(f"is too long: at most {MAX_SET:,} characters", file=origin)
    try:
        tree = read_tree(value)
    except Unreadable as error:
        return Problem(f"the value {error.message}", file=origin, path=path)
    if tree.problems:
        return replace(tree.problems[0], file=origin, line=None, column=None, path=path)
    root = tree.root or Node(None, 1, 1)
    key = Node(path, 1, 1, raw=path, origin=origin)
    return Override(steps, key, _with_origin(root, origin))


def variant_overrides(variant: Node) -> list[Override]:
    """The overrides of one variant, a mapping of dotted paths."""
    entries = variant.value if isinstance(variant.value, dict) else {}
    return [Override(tuple(path.split(".")), entry.key, entry.value) for path, entry in entries.items()]


def apply(source: Source, overrides: Iterable[Override]) -> tuple[Source, list[Problem]]:
    """The source with changed values, and the overrides that lead nowhere."""
    tree, problems = source.tree, []
    for one in overrides:
        try:
            tree = _replaced(tree, one, 0)
        except NoSuchPath as error:
            problems.append(source.at(one.key, str(error), ".".join(one.path)))
    return replace(source, tree=tree), problems


def clashes(source: Source, chosen: Sequence[tuple[str, Sequence[Override]]]) -> list[Problem]:
    """Keys that two of the chosen changes set: which one should hold is anybody's guess."""
    problems = []
    taken: dict[tuple[str, ...], str] = {}
    for name, overrides in chosen:
        for one in overrides:
            near = (taken[path] for path in taken if _overlap(path, one.path))
            other = next(near, None)
            if other is not None:
                both = f"is set twice, by {other} and by {name}" if other != name else f"is set twice by {name}"
                problems.append(source.at(one.key, both, ".".join(one.path)))
            taken[one.path] = name
    return problems


def _overlap(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    shared = min(len(a), len(b))
    return a[:shared] == b[:shared]


def _replaced(node: Node, one: Override, depth: int) -> Node:
    step, last = one.path[depth], depth == len(one.path) - 1
    before = ".".join(one.path[:depth]) or "the scenario"
    if depth == 0 and step == "variants":
        raise NoSuchPath("variants cannot be changed by an override")
    if isinstance(node.value, list):
        return _replaced_item(node, one, depth, before)
    if node.value is None:
        node = replace(node, value={})
    if not isinstance(node.value, dict):
        raise NoSuchPath(f"{before} is a single value ({node.found()}), it has no key {step!r}")
    entry = node.value.get(step)
    if entry is None:
        _check_name(node.value, one, depth)
        entry = Entry(replace(one.key, raw=step), replace(one.key, value={}, raw=""))
    below = one.value if last else _replaced(entry.value, one, depth + 1)
    key = replace(one.key, raw=step) if last and not isinstance(one.value.value, dict | list) else entry.key
    if last and isinstance(one.value.value, dict | list):
        key = replace(one.key, raw=step)
    return replace(node, value={**node.value, step: Entry(key, below)})


def _replaced_item(node: Node, one: Override, depth: int, before: str) -> Node:
    items = node.value
    assert isinstance(items, list)
    step = one.path[depth]
    if not (step.isascii() and step.isdigit() and len(step) < 9 and int(step) < len(items)):
        raise NoSuchPath(f"{before} is a list with the entries 0 to {len(items) - 1}, it has no entry {step!r}")
    index = int(step)
    below = one.value if depth == len(one.path) - 1 else _replaced(items[index], one, depth + 1)
    return replace(node, value=[*items[:index], below, *items[index + 1 :]])


def _check_name(entries: dict[str, Entry], one: Override, depth: int) -> None:
    """A path must not invent a pool or service in passing; a whole one, as a mapping, may be added."""
    whole = depth == len(one.path) - 1 and isinstance(one.value.value, dict)
    name = one.path[depth]
    if one.path[:depth] in NAMED and not whole:
        raise NoSuchPath(unknown(f"name in {'.'.join(one.path[:depth])}:", name, entries))


def placed(node: Node, file: str) -> Node:
    """The node of another file: problems name that file, with line and column."""
    origin = _place(node, file)
    if isinstance(node.value, dict):
        entries = {
            key: Entry(replace(entry.key, origin=_place(entry.key, file)), placed(entry.value, file))
            for key, entry in node.value.items()
        }
        return replace(node, value=entries, origin=origin)
    if isinstance(node.value, list):
        return replace(node, value=[placed(item, file) for item in node.value], origin=origin)
    return replace(node, origin=origin)


def _place(node: Node, file: str) -> str:
    return f"{file}:{node.line}:{node.column}"


def _with_origin(node: Node, origin: str) -> Node:
    if isinstance(node.value, dict):
        entries = {
            key: Entry(_with_origin(entry.key, origin), _with_origin(entry.value, origin))
            for key, entry in node.value.items()
        }
        return replace(node, value=entries, origin=origin)
    if isinstance(node.value, list):
        return replace(node, value=[_with_origin(item, origin) for item in node.value], origin=origin)
    return replace(node, origin=origin)
