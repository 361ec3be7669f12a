"""Pydantic's errors in the words of the user: what is allowed, what was found, the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError

from simulator.errors import Problem
from simulator.scenario.base import Strict, nearest, shorten, tag_of
from simulator.scenario.nodes import Place, is_invented, locate, printable
from simulator.scenario.source import Source, dotted

HINTS = 60
"""Problems that get a nearest name; nobody reads further, and looking names up takes time."""
_ALLOWED = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping (key: value)",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must be a name of letters, digits, - and _",
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing wrong, before it is worded: where, and pydantic's error or a ready message."""

    place: Place
    path: tuple[str | int, ...]
    message: str | None
    error: Any = None

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key: by place in the file, overrides last."""
        return (self.place.mark.origin is not None, self.place.mark.line, self.place.mark.column)


def worded(source: Source, root: type[Strict], wrong: Iterable[Wrong]) -> list[Problem]:
    """Problems in the order of the file, each once."""
    found: dict[tuple[Any, ...], Problem] = {}
    ordered = _without_renamed(root, sorted(wrong, key=lambda one: one.order))
    for index, one in enumerate(ordered):
        message = one.message or _message(one, root, hints=index < HINTS)
        problem = source.at(one.place.mark, message, dotted(one.path))
        found.setdefault((problem.line, problem.column, problem.path, problem.message), problem)
    return list(found.values())


def from_pydantic(source: Source, error: ValidationError) -> Iterator[Wrong]:
    """The places of pydantic's errors."""
    for one in error.errors(include_url=False):
        loc = tuple(one["loc"])
        if one["type"] == "too_short" and len(_list_at(source, loc)) >= one["ctx"]["min_length"]:
            continue  # its entries are wrong and reported themselves
        if one["type"] != "scenario":
            yield from_path(source, loc, None, one)
            continue
        for below, message in one["ctx"]["rules"]:
            yield from_path(source, (*loc, *below), message + _got(source, (*loc, *below), message))


def from_path(source: Source, path: Sequence[str | int], message: str | None, error: Any = None) -> Wrong:
    """Something wrong at a key path."""
    place = locate(source.tree, path)
    if error is not None and error["type"] == "extra_forbidden":
        key = _key_of(source, place.path)
        place = Place(key or place.mark, place.value, place.path, place.missing)
    if path and path[-1] == "[key]":
        key = _key_of(source, place.path)
        place = Place(key or place.mark, key or place.value, place.path, place.missing)
    full = (*place.path, *place.missing)
    return Wrong(place, full, message, None if error is None else {**error, "at": tuple(path)})


def _list_at(source: Source, path: tuple[Any, ...]) -> Sized:
    value = locate(source.tree, path).value.value
    return value if isinstance(value, list | dict) else ()


def _key_of(source: Source, path: tuple[str | int, ...]) -> Any:
    if not path:
        return None
    parent = locate(source.tree, path[:-1]).value.value
    entry = parent.get(str(path[-1])) if isinstance(parent, dict) else None
    return None if entry is None else entry.key


def _got(source: Source, path: tuple[str | int, ...], message: str) -> str:
    """What was found, unless the message is about something absent or already quotes it."""
    place = locate(source.tree, path)
    if place.missing or isinstance(place.value.value, dict | list):
        return ""
    found = place.value.found()
    quoted = (repr(found), repr(place.value.raw), f"`{found}`")
    return "" if any(text in message for text in quoted) else f", got {found}"


def _message(one: Wrong, root: type[Strict], hints: bool) -> str:
    error = one.error
    kind, ctx, at = error["type"], error.get("ctx") or {}, error["at"]
    if kind == "missing":
        return "is missing" + (_purpose(root, at) if hints else "")
    if kind == "extra_forbidden":
        return _unknown_key(str(at[-1]), root, at) if hints else "unknown key"
    if kind == "model_type":
        keys = ", ".join(_keys(_kind_at(root, at)))
        return f"must be a mapping with the keys {shorten(keys, 100)}, got {one.place.value.found()}"
    if kind == "literal_error":
        return _not_a_word(one, ctx["expected"])
    if kind in ("too_short", "too_long"):
        return _wrong_length(ctx)
    allowed = _ALLOWED.get(kind)
    if allowed is None:
        allowed = shorten(printable(error["msg"]), 120)
    allowed = allowed.format(**ctx)
    return f"{allowed}, got {one.place.value.found()}"


def _purpose(root: type[Strict], at: tuple[str | int, ...]) -> str:
    """First sentence of the missing key's description."""
    kind = _kind_at(root, at[:-1])
    for name, info in kind.model_fields.items() if kind else ():
        if (info.alias or name) == at[-1] and info.description:
            return f": {shorten(' '.join(info.description.split()), 100)}".removesuffix(".")
    return ""


def _unknown_key(key: str, root: type[Strict], at: tuple[str | int, ...]) -> str:
    keys = _keys(_kind_at(root, at[:-1]))
    shown = printable(shorten(key))
    if key == "<<":
        return "unknown key '<<': merge keys are not part of YAML 1.2, write the keys out"
    near = nearest(key, keys)
    hint = f", did you mean {near!r}?" if near else f", allowed: {shorten(', '.join(keys), 100)}"
    return f"unknown key {shown!r}{hint}"


def _not_a_word(one: Wrong, expected: str) -> str:
    words = re.findall(r"'([^']*)'", expected) or [expected]
    found = one.place.value.found()
    near = nearest(found, words) if len(words) > 1 else None
    allowed = words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    return f"must be {allowed}, got {found}" + (f" (did you mean {near!r}?)" if near else "")


def _wrong_length(ctx: dict[str, Any]) -> str:
    least, most, has = ctx.get("min_length"), ctx.get("max_length"), ctx.get("actual_length")
    if has == 0:
        return "must not be empty"
    bound = f"at most {most}" if least is None else f"at least {least}"
    return f"must have {bound} entries, has {has}"


def _without_renamed(root: type[Strict], wrong: list[Wrong]) -> list[Wrong]:
    """Leave out a missing key that a misspelt one beside it was meant to be: it is one mistake."""
    meant: set[tuple[str | int | None, ...]] = set()
    for one in wrong[: 10 * HINTS]:
        if one.error is not None and one.error["type"] == "extra_forbidden":
            keys = _keys(_kind_at(root, one.error["at"][:-1]))
            key = str(one.error["at"][-1])
            near = keys if key == "<<" else [nearest(key, keys)]
            meant.update((*one.path[:-1], known) for known in near)
    return [
        one for one in wrong if not (one.error is not None and one.error["type"] == "missing" and one.path in meant)
    ]


def _keys(kind: type[Strict] | None) -> list[str]:
    return [] if kind is None else [info.alias or name for name, info in kind.model_fields.items()]


def _kind_at(root: type[Strict], at: Sequence[str | int]) -> type[Strict] | None:
    """The model that a place of pydantic's errors belongs to."""
    kind: Any = root
    for step in at:
        kind = _below(kind, step)
    return kind if isinstance(kind, type) and issubclass(kind, Strict) else None


def _below(kind: Any, step: str | int) -> Any:
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, Strict):
        for name, info in kind.model_fields.items():
            if (info.alias or name) == step:
                return _bare(info.annotation)
        return None
    if get_origin(kind) is not dict and is_invented(step):
        return next((_bare(member) for member in get_args(kind) if tag_of(member) == step), None)
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return kind if step == "[key]" else _bare(arguments[1])
    return _bare(arguments[0]) if get_origin(kind) is tuple else None


def _bare(kind: Any) -> Any:
    """The type without annotations and without None."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
            continue
        members = [member for member in get_args(kind) if member is not type(None)]
        if type(None) not in get_args(kind) or len(members) != 1:
            return kind
        kind = members[0]
