"""What the figures of a point depend on: so much must be the same before an earlier answer is used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from simulator.planner.sweep.axes import Axis
from simulator.scenario import Scenario
from simulator.scenario.source import Source
from simulator.version import __version__

CHUNK = 1 << 20
DECIDING = ("scenario", "catalogue", "results", "costs", "workload", "cluster")


def base_identity(scenario: Scenario, replications: int | None) -> dict[str, Any]:
    """What all points share: the version, the scenario with what was applied to it, and the files that it names."""
    source = scenario.source
    return {
        "version": __version__,
        "program": _program(),
        "scenario": _digest([source.sha256, source.tree.plain()]),
        "files": files_named(scenario.model_dump(), source),
        "replications": replications,
    }


def value_identities(axis: Axis, source: Source) -> list[str]:
    """What each value of a key adds: the value, and the files that it names."""
    return [_digest([axis.key, text, files_named(plain, source)]) for text, plain in zip(axis.texts, axis.plain)]


def point_identity(values: Iterable[str]) -> str:
    """What the values of a point add together, in whatever order they are given."""
    return hashlib.sha256("".join(sorted(values)).encode()).hexdigest()[:32]


def files_named(tree: object, source: Source) -> dict[str, str]:
    """Every text that is the name of a file beside the scenario, with the SHA-256 of the file."""
    found = {}
    for text in sorted(set(_texts(tree))):
        with suppress(OSError, ValueError):  # a text too long for a name, or with a zero in it
            path = source.file(text)
            if path.is_file():
                stat = path.stat()
                found[text] = _file_digest(path, stat.st_mtime_ns, stat.st_size)
    return found


def _texts(tree: object) -> Iterator[str]:
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, str | Path):
        yield str(tree)
    elif isinstance(tree, Sequence):
        for item in tree:
            yield from _texts(item)


def _digest(tree: object) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _file_digest(path: Path, changed_ns: int, size: int) -> str:
    """SHA-256 of a file; looked up by when it changed, so that a file of a thousand points is read once."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            found.update(block)
    return found.hexdigest()


@cache
def _program() -> str:
    """Digest of the sources that decide the figures: one version may be worked on."""
    root = Path(__file__).resolve().parents[2]
    found = hashlib.sha256()
    for path in sorted(path for room in DECIDING for path in (root / room).rglob("*")):
        if path.suffix in (".py", ".csv"):
            found.update(path.read_bytes())
    return found.hexdigest()
