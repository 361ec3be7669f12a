"""Scenarios, plans and results side by side: paired differences with their intervals."""

from simulator.planner.compare.difference import Difference, Estimate, paired, unpaired
from simulator.planner.compare.result import Comparison, Pair
from simulator.planner.compare.run import compare
from simulator.planner.compare.sides import Side, read_side

__all__ = ["Comparison", "Difference", "Estimate", "Pair", "Side", "compare", "paired", "read_side", "unpaired"]
