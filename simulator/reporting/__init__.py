"""Results for people and for other programs: text, CSV, data files, timelines."""

from __future__ import annotations

from simulator.reporting.chrometrace import trace_events
from simulator.reporting.csvtext import figures_csv, saturation_csv
from simulator.reporting.folder import write_frames
from simulator.reporting.saturation import saturation_table
from simulator.reporting.table import result_table
from simulator.reporting.timeline import write_timeline
from simulator.results.html import html_table

__all__ = [
    "figures_csv",
    "html_table",
    "result_table",
    "saturation_csv",
    "saturation_table",
    "trace_events",
    "write_frames",
    "write_timeline",
]
