"""Exit modes of one service side by side: the best plan of each in steady state, and what simulation says of it."""

from simulator.planner.exits.case import ExitCase, exit_case
from simulator.planner.exits.compare import ExitComparison, ModeFigures, compare_exits
from simulator.planner.exits.deployed import deployed
from simulator.planner.exits.steady import steady

__all__ = ["ExitCase", "ExitComparison", "ModeFigures", "compare_exits", "deployed", "exit_case", "steady"]
