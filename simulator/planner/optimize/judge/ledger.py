"""The ledger of a search: every candidate that was judged, one line each, so that a restart asks only what is new."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from simulator.errors import Problem, ScenarioError
from simulator.files import check_output, reason
from simulator.planner.optimize.problem import Judgement
from simulator.planner.sweep.identity import base_identity
from simulator.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
COLUMNS = (
    "service", "window", "rate", "shape", "replicas", "price_per_hour", "holds", "attainment", "p99_s", "goodput",
    "accuracy", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A judged candidate. ``key`` says what the answer depends on; ``rate`` [1/s]."""

    key: str
    service: str
    window: int
    rate: float
    shape: str
    replicas: tuple[int, ...]
    price_per_hour: float
    judgement: Judgement

    def row(self) -> dict[str, Any]:
        """As a row for people."""
        found = {**asdict(self), **asdict(self.judgement), "replicas": " + ".join(map(str, self.replicas))}
        return {name: found[name] for name in COLUMNS}

    def line(self) -> bytes:
        """As a line of the file."""
        return json.dumps(asdict(self), allow_nan=False).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Entry | None:
        """From a line; None for one that was not finished, or is none."""
        found = _object(line)
        if found is None or not line.endswith(b"\n"):
            return None
        try:
            judgement = Judgement(**found.pop("judgement"))
            return cls(**{**found, "replicas": tuple(found["replicas"]), "judgement": judgement})
        except (TypeError, KeyError):
            return None


@dataclass(eq=False)
class Ledger:
    """Judged candidates in memory, and in a file where there is one; what is added is in the file at once."""

    stream: BinaryIO | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    note: str | None = None
    """Why earlier answers are not used, if there were some."""
    resumed: int = 0
    """Answers that were there before."""

    def answer(self, key: str) -> Judgement | None:
        """What is known already."""
        found = self.entries.get(key)
        return None if found is None else found.judgement

    def add(self, entries: Sequence[Entry]) -> None:
        """Note new answers."""
        if self.stream is not None:
            self.stream.write(b"".join(entry.line() for entry in entries))
            self.stream.flush()
        self.entries |= {entry.key: entry for entry in entries}

    def frame(self) -> pd.DataFrame:
        """One row per candidate: service, window, rate, shape, replicas, price, answer and its figures."""
        import pandas as pd

        return pd.DataFrame([entry.row() for entry in self.entries.values()], columns=list(COLUMNS))


@contextmanager
def opened(path: Path, scenario: Scenario) -> Iterator[Ledger]:
    """The ledger in a file, for this process alone. One of another search is kept beside it as ``.old``."""
    head = {"ledger": "optimize", "format": FORMAT, **identity(scenario)}
    check_output(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as stream:
            entries, note = _read(stream, head, path)
            if not stream.tell():
                stream.write(json.dumps(head).encode() + b"\n")
                stream.flush()
            yield Ledger(stream, entries, note, len(entries))
    except OSError as error:
        raise ScenarioError(Problem(reason(error), file=str(path))) from error


def identity(scenario: Scenario) -> dict[str, Any]:
    """What all answers depend on: the program, the scenario with what was applied to it, its files and its seed."""
    return {**base_identity(scenario, None), "seed": scenario.seed}


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The file open for reading and writing, locked as long as this process has it."""
    path.touch()
    with path.open("r+b") as stream:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = "another search is writing it; wait for its end, or name another file"
                raise ScenarioError(Problem(message, file=str(path))) from None
        yield stream


def _read(stream: BinaryIO, head: Mapping[str, Any], path: Path) -> tuple[dict[str, Entry], str | None]:
    """Answers in the file, with the stream after the last whole line; or why they are not used."""
    first = stream.readline()
    found = _object(first)
    if found is None or found.get("ledger") != "optimize":
        if first and not _cut_short(first):
            raise ScenarioError(Problem("is no ledger of a search; name another file", file=str(path)))
        _end_at(stream, 0)
        return {}, None
    entries, end = {}, stream.tell()
    while line := stream.readline():
        entry = Entry.read(line)
        if entry is not None:
            entries[entry.key] = entry
        if not line.endswith(b"\n"):
            break
        end = stream.tell()
    if any(found.get(key) != value for key, value in head.items()):
        old = path.with_name(path.name + ".old")
        stream.seek(0)
        old.write_bytes(stream.read())
        _end_at(stream, 0)
        said = "another scenario, another seed or another version of the program"
        return {}, f"{path} holds {len(entries)} answers of {said}: all is judged anew; they are kept in {old}"
    _end_at(stream, end)
    return entries, None


def _cut_short(line: bytes) -> bool:
    """Whether a file is the beginning of a ledger whose first line was not finished."""
    begin = b'{"ledger": "optimize"'
    return not line.endswith(b"\n") and (line.startswith(begin) or begin.startswith(line))


def _end_at(stream: BinaryIO, place: int) -> None:
    stream.seek(place)
    stream.truncate()


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
