"""Pipelines: schedules as values, when their ops run, where a device idles and what it holds.

``make`` a schedule, ``evaluate`` it with ``Times``, ``measure`` the timeline, take its ``idle_windows``.
"""

from __future__ import annotations

from simulator.costs.pipeline.closed import (
    FORMS,
    Case,
    closed_form,
    first_backward_bubble_s,
    published_hanayo_bubble,
    published_interleaved_s,
)
from simulator.costs.pipeline.csvformat import from_csv, load_csv, to_csv
from simulator.costs.pipeline.graph import Graph, graph_of
from simulator.costs.pipeline.measures import Breakdown, Measures, breakdown, measure, work_s
from simulator.costs.pipeline.memory import Curve, Memory, before_after, curve, memory_of, peaks, unit_memory
from simulator.costs.pipeline.ops import BW, Arrays, B, F, Kind, Op, Schedule, W, loop, one_way, wave
from simulator.costs.pipeline.schedules import SCHEDULES, make, refusal
from simulator.costs.pipeline.shape import Entry, Shape
from simulator.costs.pipeline.timeline import Ending, Timeline, back_to_back, durations, evaluate, holds
from simulator.costs.pipeline.times import Times, rank_times, times_of
from simulator.costs.pipeline.validate import problems_of, validate
from simulator.costs.pipeline.window_forms import gpipe_windows, one_f_one_b_windows
from simulator.costs.pipeline.windows import Window, Windows, idle_windows, windows_of

__all__ = [
    "BW",
    "FORMS",
    "SCHEDULES",
    "Arrays",
    "B",
    "Breakdown",
    "Case",
    "Curve",
    "Ending",
    "Entry",
    "F",
    "Graph",
    "Kind",
    "Measures",
    "Memory",
    "Op",
    "Schedule",
    "Shape",
    "Timeline",
    "Times",
    "W",
    "Window",
    "Windows",
    "back_to_back",
    "before_after",
    "breakdown",
    "closed_form",
    "curve",
    "durations",
    "evaluate",
    "first_backward_bubble_s",
    "from_csv",
    "gpipe_windows",
    "graph_of",
    "holds",
    "idle_windows",
    "load_csv",
    "loop",
    "make",
    "measure",
    "memory_of",
    "one_f_one_b_windows",
    "one_way",
    "peaks",
    "problems_of",
    "published_hanayo_bubble",
    "published_interleaved_s",
    "rank_times",
    "refusal",
    "times_of",
    "to_csv",
    "unit_memory",
    "validate",
    "wave",
    "windows_of",
    "work_s",
]
