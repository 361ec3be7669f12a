"""What every part of a scenario shares: strict frozen models, and unions that choose before they validate."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Path = tuple[str | int, ...]
Rule = tuple[Path, str]
"""A broken rule: the key path below the model that states it, and what is wrong."""


def refuse(*rules: Rule | str) -> PydanticCustomError:
    """The error a validator raises: one or more broken rules, worded for the user."""
    broken = [((), rule) if isinstance(rule, str) else rule for rule in rules]
    return PydanticCustomError("scenario", "{text}", {"text": broken[0][1], "rules": broken})


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, if any is like it at all."""
    by_case = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower()[:80], by_case, n=1, cutoff=0.6)
    return by_case[found[0]] if found else None


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Message for a name that does not exist: the nearest one, else those that do."""
    names = sorted(known)
    near = nearest(word, names)
    if near is not None:
        return f"unknown {what} {shorten(word)!r}, did you mean {near!r}?"
    if not names:
        return f"unknown {what} {shorten(word)!r} (there is none)"
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"unknown {what} {shorten(word)!r}, known: {listed}"


def shorten(text: str, length: int = 60) -> str:
    """At most ``length`` characters, on one line."""
    return text if len(text) <= length else text[: length - 3] + "..."


class Strict(BaseModel):
    """A frozen model that refuses unknown keys, silent conversions, NaN and infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    def rules(self) -> Iterator[Rule]:
        """Broken rules between the keys of this model; each subclass states its own."""
        yield from ()

    @model_validator(mode="after")
    def _hold(self) -> Self:
        broken = list(self.rules())
        if broken:
            raise refuse(*broken)
        return self


def tag_of(member: Any) -> str:
    """Name of a union's member in error places; angle brackets tell it from a key of the file."""
    origin = get_origin(member)
    if origin is Annotated:
        return tag_of(get_args(member)[0])
    if origin is Literal:
        return "<word>"
    if origin is dict:
        return "<mapping>"
    if origin is tuple:
        return "<list>"
    if isinstance(member, type) and issubclass(member, Strict):
        return f"<{member.__name__}>"
    return "<value>"


@dataclass(frozen=True, slots=True)
class Choice:
    """Annotation of a union: ``choose`` names the member that a value is meant to be; only it speaks.

    (Pydantic's own unions report the problems of every member.) ``choose`` may raise :func:`refuse`.
    """

    choose: Callable[[Any, Mapping[str, Any]], str]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A tagged union whose tags are the members' names."""
        members = {tag_of(member): member for member in get_args(source)}

        def tag(value: Any) -> str:
            if isinstance(value, Strict) and f"<{type(value).__name__}>" in members:
                return f"<{type(value).__name__}>"
            return self.choose(value, members)

        def check(value: Any) -> Any:
            tag(value)  # errors raised inside a discriminator would not be caught
            return value

        schemas = {name: handler.generate_schema(member) for name, member in members.items()}
        union = core_schema.tagged_union_schema(dict(schemas), discriminator=tag)
        return core_schema.no_info_before_validator_function(check, union)


def by_shape(what: str) -> Choice:
    """Choose by the shape of the value: a mapping, a list, a word of a Literal, or a single value."""

    def choose(value: Any, members: Mapping[str, Any]) -> str:
        models = [name for name in members if name not in ("<word>", "<mapping>", "<list>", "<value>")]
        words = get_args(members["<word>"]) if "<word>" in members else ()
        if isinstance(value, dict):
            tag = "<mapping>" if "<mapping>" in members else next(iter(models), "")
        elif isinstance(value, list | tuple):
            tag = "<list>"
        else:
            tag = "<word>" if isinstance(value, str) and value in words else "<value>"
            if tag == "<value>" and words and isinstance(value, str) and not any(map(str.isdigit, value)):
                raise refuse(f"must be {what}")  # a misspelt word rather than a misspelt quantity
        if tag not in members:
            raise refuse(f"must be {what}")
        return tag

    return Choice(choose)


def by_key(what: str, keys: Mapping[str, type[Strict]], *, scalar: type[Strict] | None = None) -> Choice:
    """Choose by the first of ``keys`` that the mapping has; a single value is ``scalar``, if given."""

    def choose(value: Any, members: Mapping[str, Any]) -> str:
        del members
        if not isinstance(value, dict):
            if scalar is None or isinstance(value, list | tuple):
                raise refuse(f"must be {what}")
            return tag_of(scalar)
        for key, kind in keys.items():
            if key in value:
                return tag_of(kind)
        for found in value:
            near = nearest(str(found), keys)
            if near is not None:
                return tag_of(keys[near])  # the member then reports the misspelt key
        has = ", ".join(repr(shorten(str(found), 20)) for found in list(value)[:5])
        raise refuse(f"must be {what}, has {has or 'no keys'}")

    return Choice(choose)
