"""What-if sweeps: every combination of some values of a scenario, resumable, as one tidy table."""

from simulator.planner.sweep.axes import Axis, axes_of, parse_axis
from simulator.planner.sweep.ledger import ledger_of
from simulator.planner.sweep.result import SweepResult, check_ending
from simulator.planner.sweep.run import sweep

__all__ = ["Axis", "SweepResult", "axes_of", "check_ending", "ledger_of", "parse_axis", "sweep"]
