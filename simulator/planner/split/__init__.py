"""Where to cut a model with exits, how many replicas each portion gets, and when not to split: steady state, exact."""

from simulator.planner.split.advise import Recommendation, compare_at_rate, recommend, winning_batches
from simulator.planner.split.cutsets import CutSets, cut_sets
from simulator.planner.split.exits import ExitModel, Exits, ExitsByCuts
from simulator.planner.split.plans import ModePlan
from simulator.planner.split.problem import DeviceType, Limits, SplitProblem
from simulator.planner.split.search import (
    best_at_cuts,
    best_tagged,
    cheapest_at_cuts,
    cheapest_tagged,
    fractional_at_cuts,
)
from simulator.planner.split.whole import best_whole, cheapest_whole

__all__ = [
    "CutSets",
    "DeviceType",
    "ExitModel",
    "Exits",
    "ExitsByCuts",
    "Limits",
    "ModePlan",
    "Recommendation",
    "SplitProblem",
    "best_at_cuts",
    "best_tagged",
    "best_whole",
    "cheapest_at_cuts",
    "cheapest_tagged",
    "cheapest_whole",
    "compare_at_rate",
    "cut_sets",
    "fractional_at_cuts",
    "recommend",
    "winning_batches",
]
