"""The Trace Event Format (JSON object form) that Perfetto and chrome://tracing open."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from simulator.files import write_whole

Event = dict[str, Any]


def write_events(events: Iterable[Event], path: Path) -> None:
    """Write the events to ``path``, one on each line, whole or not at all."""

    def write(draft: Path) -> None:
        with draft.open("w", encoding="utf-8") as out:
            out.write('{"displayTimeUnit": "ms", "traceEvents": [')
            for number, event in enumerate(events):
                out.write((",\n" if number else "\n") + json.dumps(event, allow_nan=False))
            out.write("\n]}\n")

    write_whole(path, write)


def metadata(kind: str, process: int, thread: int, args: Event) -> Event:
    """Names a process or a thread."""
    return {"name": kind, "ph": "M", "pid": process, "tid": thread, "args": args}


def span(start_s: float, end_s: float) -> dict[str, float]:
    """Start and length; the end is rounded, not the length, so that neighbours neither overlap nor part."""
    start, end = micros(start_s), micros(end_s)
    return {"ts": start, "dur": round(end - start, 3)}


def micros(instant_s: float) -> float:
    """An instant in microseconds."""
    return round(instant_s * 1e6, 3)
