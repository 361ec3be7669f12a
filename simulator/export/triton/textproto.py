"""Protobuf text: what ``config.pbtxt`` is written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Word(str):
    """A name that is written without quotes: the value of an enumeration."""

    __slots__ = ()


def textproto(message: Mapping[str, Any]) -> str:
    """A message as text: mappings are messages, sequences of mappings repeated ones, other sequences lists.

    >>> print(textproto({"name": "a", "kind": Word("KIND_GPU"), "gpus": [0, 1], "x": [{"key": "k"}]}), end="")
    name: "a"
    kind: KIND_GPU
    gpus: [ 0, 1 ]
    x {
      key: "k"
    }
    """
    return "".join(f"{line}\n" for line in _lines(message))


def _lines(message: Mapping[str, Any]) -> Iterator[str]:
    for key, value in message.items():
        several = isinstance(value, Sequence) and not isinstance(value, str)
        if isinstance(value, Mapping) or (several and value and isinstance(value[0], Mapping)):
            for one in [value] if isinstance(value, Mapping) else value:
                yield f"{key} {{"
                yield from (f"  {line}" for line in _lines(one))
                yield "}"
        elif several:
            yield f"{key}: [ {', '.join(map(_scalar, value))} ]"
        else:
            yield f"{key}: {_scalar(value)}"


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Word) or not isinstance(value, str):
        return str(value)
    return f'"{"".join(map(_byte, value.encode()))}"'


def _byte(code: int) -> str:
    """A byte within quotes; octal where it would not be read as itself."""
    if chr(code) in '"\\':
        return "\\" + chr(code)
    return chr(code) if 32 <= code < 127 else f"\\{code:03o}"
