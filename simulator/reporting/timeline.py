"""The first replication of a result on one timeline: services, trainings and streams."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.reporting.chrometrace import trace_events
from simulator.reporting.streamtrace import stream_events, streams_of
from simulator.reporting.traceformat import write_events
from simulator.reporting.trainingtrace import training_events, trainings_of

if TYPE_CHECKING:
    from simulator.results import Result


def write_timeline(result: Result, path: Path) -> None:
    """Write the first replication to ``path``, whole or not at all."""
    services = trace_events(result.records[0]) if result.runs else ()
    write_events(chain(services, training_events(trainings_of(result)), stream_events(streams_of(result))), path)
