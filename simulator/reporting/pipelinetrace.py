"""A pipeline that was evaluated, not simulated, on a timeline that Perfetto and chrome://tracing open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simulator.cluster.training.figures import ops_of
from simulator.costs.pipeline import Timeline
from simulator.reporting.traceformat import write_events
from simulator.reporting.trainingtrace import training_events
from simulator.results.training import TrainingRun


def write_pipeline_trace(name: str, lines: Sequence[Timeline], path: Path) -> None:
    """Write iterations one after the other to ``path``, whole or not at all, as ``plan simulate --timeline`` does."""
    run = TrainingRun(name, {}, ops_of([[line] for line in lines]), (), ())
    write_events(training_events([run]), path)
