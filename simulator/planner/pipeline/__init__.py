"""Schedules of a pipelined training side by side, and the search for the best one under a memory limit."""

from simulator.planner.pipeline.bounds import ideal_s, least_iteration_s
from simulator.planner.pipeline.case import PipelineCase, Stages, pipeline_case
from simulator.planner.pipeline.compare import Comparison, compare
from simulator.planner.pipeline.rows import Built, Candidate, Row, build, steady_s
from simulator.planner.pipeline.search import Found, search, settings

__all__ = [
    "Built",
    "Candidate",
    "Comparison",
    "Found",
    "PipelineCase",
    "Row",
    "Stages",
    "build",
    "compare",
    "ideal_s",
    "least_iteration_s",
    "pipeline_case",
    "search",
    "settings",
    "steady_s",
]
