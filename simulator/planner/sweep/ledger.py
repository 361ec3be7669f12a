"""The ledger of a sweep: finished points, one line each, so that a restart does only what is left."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from simulator.errors import Problem, ScenarioError
from simulator.files import check_output, reason
from simulator.results.cohort import Json

FORMAT = 1
ENDING = ".ledger"
_SAID = {
    "version": "another version of the program",
    "program": "another version of the program",
    "scenario": "another scenario",
    "files": "files that have changed since",
    "replications": "another number of replications",
}


def ledger_of(output: Path) -> Path:
    """The ledger beside a table."""
    return output.with_name(output.name + ENDING)


@dataclass
class Ledger:
    """Answers by identity of the point; what is added is in the file at once, whatever happens to the process."""

    path: Path
    stream: BinaryIO
    known: dict[str, Json]
    note: str | None = None
    """Why earlier answers are not used, if there were some."""

    def add(self, answers: Mapping[str, Json]) -> None:
        """Write finished points, each a line; a reader leaves out a line that was not finished."""
        lines = [json.dumps({"point": key, "answer": answer}, allow_nan=False) for key, answer in answers.items()]
        try:
            self.stream.write("".join(f"{line}\n" for line in lines).encode())
            self.stream.flush()
        except OSError as error:
            raise _refused(self.path, reason(error)) from error
        self.known |= answers


@contextmanager
def opened(path: Path, identity: Mapping[str, Any]) -> Iterator[Ledger]:
    """The ledger in a file, for this process alone. One of another sweep is kept beside it as ``.old``.

    ``identity`` is what its points share; a ledger with another one is of no use.
    """
    check_output(path)
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            stream = stack.enter_context(path.open("r+b"))
            _lock(stream, path)
            found = _begun(stream, identity, path)
        except OSError as error:
            raise _refused(path, reason(error)) from error
        yield found


def _lock(stream: BinaryIO, path: Path) -> None:
    """Nobody else may write. The lock ends with the process, however that comes about; children do not inherit it."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise _refused(path, "another sweep is writing it; wait for its end, or name another output") from None


def _begun(stream: BinaryIO, identity: Mapping[str, Any], path: Path) -> Ledger:
    known, note = _read(stream, identity, path)
    if note is not None:
        old = path.with_name(path.name + ".old")
        stream.seek(0)
        old.write_bytes(stream.read())
        _end_at(stream, 0)
        note = f"{note}; they are kept in {old}"
    if not stream.tell():
        stream.write(json.dumps({"ledger": FORMAT, **identity}).encode() + b"\n")
        stream.flush()
    return Ledger(path, stream, known, note)


def _read(stream: BinaryIO, identity: Mapping[str, Any], path: Path) -> tuple[dict[str, Json], str | None]:
    """Answers in the file, with the stream after the last whole line; or why they cannot be used."""
    head = _object(stream.readline())
    if head is None or head.get("ledger") is None:
        stream.seek(0)
        if stream.read(1) and not _cut_short(stream):
            raise _refused(path, "is no ledger of a sweep; name another output")
        _end_at(stream, 0)
        return {}, None
    known, end = {}, stream.tell()
    while line := stream.readline():
        entry = _object(line)
        if not line.endswith(b"\n"):
            break
        end = stream.tell()
        if entry is not None and isinstance(entry.get("answer"), dict):
            known[str(entry.get("point"))] = entry["answer"]
    differing = [key for key in ("ledger", *identity) if head.get(key) != {"ledger": FORMAT, **identity}[key]]
    if differing and known:
        said = dict.fromkeys(_SAID.get(key, "another version of the program") for key in differing)
        return {}, f"{path} holds {len(known)} points of {' and of '.join(said)}: all points are simulated anew"
    _end_at(stream, 0 if differing else end)
    return known, None


def _cut_short(stream: BinaryIO) -> bool:
    """Whether the file is the beginning of a ledger whose first line was not finished."""
    stream.seek(0)
    text = stream.read()
    return b"\n" not in text and (text.startswith(b'{"ledger"') or b'{"ledger"'.startswith(text))


def _end_at(stream: BinaryIO, place: int) -> None:
    stream.seek(place)
    stream.truncate()


def _refused(path: Path, message: str) -> ScenarioError:
    return ScenarioError(Problem(message, str(path)))


def _object(line: bytes) -> Json | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
