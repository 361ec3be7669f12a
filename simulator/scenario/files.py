"""Reading a scenario's file: what cannot be a scenario is refused with one clear sentence."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from simulator.errors import Problem, ScenarioError
from simulator.scenario.base import nearest
from simulator.scenario.nodes import printable
from simulator.scenario.source import split_lines

MAX_BYTES = 2_000_000
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_bytes(path: Path) -> bytes:
    """The bytes of a scenario file, or a ScenarioError."""
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ScenarioError(Problem("no such file" + _similar(path), file=name)) from None
    except IsADirectoryError:
        raise ScenarioError(Problem("is a folder: name a scenario file in it", file=name)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioError(Problem(f"cannot be read: {reason.lower()}", file=name)) from None
    if len(data) > MAX_BYTES:
        raise ScenarioError(Problem(f"is too large for a scenario: more than {MAX_BYTES // 10**6} MB", file=name))
    return data


def decode(data: bytes, name: str) -> str:
    """The text of a scenario: UTF-8, printable, not empty."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ScenarioError(Problem("is UTF-16: save it as UTF-8", file=name))
    if b"\0" in data:
        raise ScenarioError(Problem("is not a text file (it holds NUL bytes): name a YAML file", file=name))
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = _end(before)
        message = f"is not UTF-8: byte 0x{data[error.start]:02x} (save the file as UTF-8)"
        raise ScenarioError(Problem(message, name, line, column)) from None
    bad = _UNPRINTABLE.search(text)
    if bad is not None:
        line, column = _end(text[: bad.start()])
        message = f"holds the control character U+{ord(bad[0]):04X}: remove it"
        raise ScenarioError(Problem(message, name, line, column))
    return text


def _end(text: str) -> tuple[int, int]:
    lines = split_lines(text)
    return len(lines), len(lines[-1]) + 1


def _similar(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()][:1000]
    except (OSError, ValueError):
        return f" (there is no folder {printable(str(path.parent))} either)"
    near = nearest(path.name, names)
    return f", did you mean {printable(near)!r}?" if near else ""
