"""Exit when the largest softmax probability reaches a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit.tables import ExitTable
from simulator.costs.early_exit.thresholds import Threshold, per_exit
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Confidence:
    """Exit k answers where ``conf_k >= threshold``; one threshold or one per exit, each within 0..1."""

    threshold: Threshold

    def fires(self, table: ExitTable, active: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(rows, exits); the rule looks at each exit alone, so ``active`` does not matter."""
        if table.confidence is None:
            raise ScenarioError(Problem("rule confidence needs columns conf_1, conf_2, ..", table.name))
        fired: NDArray[np.bool_] = table.confidence >= per_exit("confidence", self.threshold, table.exits, most=1.0)
        return fired
