"""Axes of a sweep: one key of the scenario, and the values that it takes."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import Problem, ScenarioError
from simulator.scenario.overrides import parse_set

MOST_POINTS = 100_000
_OPENING, _CLOSING = "[{", "]}"


@dataclass(frozen=True, slots=True)
class Axis:
    """One key and its values: as they are written, and what they mean."""

    key: str
    texts: tuple[str, ...]
    values: tuple[Any, ...]
    """Numbers where all of them are numbers, truth values where all are, else the texts."""
    plain: tuple[Any, ...]
    """What the texts say, as Python data."""

    def sets(self) -> list[str]:
        """The overrides ``key=value``."""
        return [f"{self.key}={text}" for text in self.texts]


def parse_axis(text: str) -> Axis:
    """An axis from ``key=value,value,...``. Commas within brackets or quotes belong to the value.

    >>> parse_axis("a.b=1,2.5").values, parse_axis("a=[1, 2],[3]").texts, parse_axis("a='x,y',z").values
    ((1, 2.5), ('[1, 2]', '[3]'), ("'x,y'", 'z'))
    """
    key, equals, rest = text.partition("=")
    if not equals or not key.strip():
        message = "must be path=value,value,... such as services.chat.workload.rate=100/s,200/s"
        raise ScenarioError(Problem(message, file=f"--set {text[:60]}"))
    return axis(key.strip(), split_values(rest, f"--set {text[:60]}"))


def axis(key: str, texts: Sequence[str]) -> Axis:
    """An axis from the texts of its values."""
    parsed = [parse_set(f"{key}={text}") for text in texts]
    if problems := [one for one in parsed if isinstance(one, Problem)]:
        raise ScenarioError(problems)
    plain = [one.value.plain() for one in parsed if not isinstance(one, Problem)]
    seen: dict[str, str] = {}
    for text, value in zip(texts, plain):
        same = json.dumps(value, sort_keys=True)
        if same in seen:
            raise ScenarioError(Problem(f"the value {text!r} is there twice", file="--set", path=key))
        seen[same] = text
    return Axis(key, tuple(texts), tuple(_columns(plain, texts)), tuple(plain))


def split_values(text: str, origin: str) -> list[str]:
    """The values between commas that stand in no bracket and no quotes, without the blanks around them."""
    found, depth, quote, start, place = [], 0, "", 0, 0
    while place < len(text):
        char = text[place]
        if quote:
            place += quote == '"' and char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'" and _begins_value(text, start, place):
            quote = char
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
        elif char == "," and depth == 0:
            found.append(text[start:place])
            start = place + 1
        place += 1
    if quote or depth:
        raise ScenarioError(Problem(f"{'a quote' if quote else 'a bracket'} is not closed", file=origin))
    values = [value.strip() for value in [*found, text[start:]]]
    if len(values) > 1 and not all(values):
        raise ScenarioError(Problem("nothing stands between two commas: write null for no value", file=origin))
    return values


def _begins_value(text: str, start: int, place: int) -> bool:
    """Whether a quote here opens a quoted text: an apostrophe within a word does not."""
    before = text[start:place].rstrip()
    return not before or before[-1] in "[{,:"


def axes_of(given: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Axes from Python values: texts as ``--set`` takes them, anything else as it is.

    >>> axes_of({"services.chat.workload.rate": ["100/s", "200/s"], "seed": range(2)})[1].texts
    ('0', '1')
    """
    found = []
    for key, values in given.items():
        several = [values] if isinstance(values, str | Mapping) or not isinstance(values, Iterable) else list(values)
        if not several:
            raise ScenarioError(Problem("has no values", path=key))
        found.append(axis(key, [_text(key, value) for value in several]))
    return tuple(found)


def check_axes(axes: Sequence[Axis]) -> None:
    """Refuse axes that set one key twice, and more points than anybody waits for."""
    for first, second in itertools.combinations(axes, 2):
        one, other = sorted((first.key, second.key), key=len)
        if one == other:
            raise ScenarioError(Problem("is set twice; write all its values after one another", "--set", path=one))
        if other.startswith(f"{one}."):
            raise ScenarioError(Problem(f"is part of {one}, which is set too", "--set", path=other))
    count = math.prod(len(item.texts) for item in axes)
    if count > MOST_POINTS:
        raise ScenarioError(Problem(f"{count:,} combinations are too many: at most {MOST_POINTS:,}", "--set"))


def grid(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    """Positions on the axes of every point, the last axis fastest."""
    return itertools.product(*(range(len(item.texts)) for item in axes))


def _columns(plain: Sequence[Any], texts: Sequence[str]) -> Sequence[Any]:
    truths = [isinstance(value, bool) for value in plain]
    numbers = all(isinstance(value, int | float) for value in plain) and not any(truths)
    return plain if numbers or all(truths) else texts


def _text(key: str, value: Any) -> str:
    """A Python value as it is written after ``--set key=``."""
    if isinstance(value, str):
        return value
    if hasattr(value, "item"):
        value = value.item()
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ScenarioError(Problem(f"{value!r} is no value of a scenario", path=key)) from None
