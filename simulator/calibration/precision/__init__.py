"""Mixed precision: the fastest configuration that keeps the accuracy, within a budget of evaluations."""

from simulator.calibration.precision.floor import Floor
from simulator.calibration.precision.problem import Evaluator, Measured, TuningProblem
from simulator.calibration.precision.result import Tuned
from simulator.calibration.precision.strategies import DEFAULT, STRATEGIES
from simulator.calibration.precision.tune import BUDGET, tune

__all__ = ["BUDGET", "DEFAULT", "STRATEGIES", "Evaluator", "Floor", "Measured", "Tuned", "TuningProblem", "tune"]
