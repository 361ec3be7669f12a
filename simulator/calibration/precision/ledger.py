"""Accuracies kept on disk, one JSON line each, so that interrupted work resumes and no question is asked twice.

The first line describes the problem; a file of another problem is refused. Every answer is on disk before the next
question is asked, so an interruption costs the evaluation under way and no more. A last line that was cut short is
dropped.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.calibration.precision.problem import Config
from simulator.errors import Problem, ScenarioError
from simulator.files import check_output, reason, write_text

FORMAT = "precision-ledger-1"
LARGEST = 256 * 2**20
_PARTS = ("layers", "candidates", "costs", "unit", "evaluator")


class Ledger:
    """Answers by configuration; without a file they live in memory only."""

    def __init__(self, path: Path | None, described: Mapping[str, Any]) -> None:
        self.path, self._head = path, {"format": FORMAT, **described}
        self.known: dict[Config, float] = {}
        if path is None:
            return
        check_output(path)
        self._open(path)

    def add(self, config: Config, accuracy: float) -> None:
        """Keep one answer; on disk before this returns."""
        self.known[config] = accuracy
        if self.path is None:
            return
        line = json.dumps({"config": list(config), "accuracy": accuracy}, allow_nan=False)
        try:
            with self.path.open("ab") as stream:
                stream.write(line.encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise ScenarioError(Problem(f"cannot be written: {reason(error)}", str(self.path))) from error

    def _open(self, path: Path) -> None:
        raw = self._read(path)
        if not raw:
            write_text(path, json.dumps(self._head) + "\n")
            return
        whole = raw[: raw.rfind(b"\n") + 1]
        lines = whole.split(b"\n")[:-1]
        self._check_head(path, lines[0] if lines else b"")
        for number, line in enumerate(lines[1:], start=2):
            if number == len(lines) and self._entry(line) is None:
                whole = whole[: -len(line) - 1]  # complete, yet not readable: a disk that was full or failed
            else:
                self._take(path, number, line)
        if len(whole) < len(raw):
            self._cut(path, len(whole))

    def _read(self, path: Path) -> bytes:
        try:
            if path.exists() and path.stat().st_size > LARGEST:
                raise ScenarioError(Problem(f"is larger than {LARGEST >> 20} MiB: no ledger", str(path)))
            return path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise ScenarioError(Problem(f"cannot be read: {reason(error)}", str(path))) from error

    def _check_head(self, path: Path, line: bytes) -> None:
        head = _object(line)
        if head is None or head.get("format") != FORMAT:
            message = "is not a ledger of precisions; name another file, it is left as it is"
            raise ScenarioError(Problem(message, str(path), 1))
        if head.get("problem") != self._head["problem"]:
            differs = [part for part in _PARTS if head.get(part) != self._head[part]]
            message = f"belongs to another problem ({', '.join(differs) or 'its head'} differ): name another file"
            raise ScenarioError(Problem(message, str(path), 1))

    def _entry(self, line: bytes) -> tuple[Config, float] | None:
        found = _object(line)
        if found is None or not isinstance(found.get("config"), list):
            return None
        config, accuracy = tuple(found["config"]), found.get("accuracy")
        if not isinstance(accuracy, int | float) or isinstance(accuracy, bool) or not math.isfinite(accuracy):
            return None
        candidates = self._head["candidates"]
        fits = len(config) == len(candidates) and all(name in names for name, names in zip(config, candidates))
        return (config, float(accuracy)) if fits else None

    def _take(self, path: Path, number: int, line: bytes) -> None:
        entry = self._entry(line)
        if entry is None:
            message = "is damaged: no answer of this problem; delete the line or name another file"
            raise ScenarioError(Problem(message, str(path), number))
        config, accuracy = entry
        if self.known.setdefault(config, accuracy) != accuracy:
            message = "gives another accuracy to a configuration that is there already; name another file"
            raise ScenarioError(Problem(message, str(path), number))

    def _cut(self, path: Path, size: int) -> None:
        try:
            with path.open("r+b") as stream:
                stream.truncate(size)
        except OSError as error:
            raise ScenarioError(Problem(f"cannot be written: {reason(error)}", str(path))) from error


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
