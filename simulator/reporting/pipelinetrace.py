"""A pipeline that was evaluated, not simulated, on a timeline that Perfetto and chrome://tracing open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from simulator.cluster.training.figures import ops_of
from simulator.costs.pipeline import Timeline
from simulator.files import write_text
from simulator.reporting.trainingtrace import training_events
from simulator.results.training import TrainingRun


def write_pipeline_trace(name: str, lines: Sequence[Timeline], path: Path) -> None:
    """Write iterations one after the other to ``path``, whole or not at all, as ``plan simulate --timeline`` does."""
    run = TrainingRun(name, {}, ops_of([[line] for line in lines]), (), ())
    events = [json.dumps(event, allow_nan=False) for event in training_events([run])]
    write_text(path, '{"displayTimeUnit": "ms", "traceEvents": [\n' + ",\n".join(events) + "\n]}\n")
