"""All strategies by name. A new one is a file here and one line."""

from simulator.calibration.precision.strategies.accumulated import accumulated
from simulator.calibration.precision.strategies.additive import additive
from simulator.calibration.precision.strategies.exhaustive import exhaustive
from simulator.calibration.precision.task import Strategy

STRATEGIES: dict[str, Strategy] = {
    "additive": additive,
    "accumulated": accumulated,
    "exhaustive": exhaustive,
}
DEFAULT = "additive"

__all__ = ["DEFAULT", "STRATEGIES"]
