"""Exit when several exits in a row agree (the rule of PABEE)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit.tables import ExitTable
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Patience:
    """Exit k answers after ``agreements`` consecutive agreements with the exit before it.

    That is ``agreements`` + 1 equal predictions in a row; a different prediction starts the count anew. Only
    active exits are compared: a ramp that does not run predicts nothing.
    """

    agreements: int

    def __post_init__(self) -> None:
        if isinstance(self.agreements, bool) or not isinstance(self.agreements, int) or self.agreements < 1:
            raise ScenarioError(Problem(f"rule patience: must be a whole number of at least 1, got {self.agreements}"))

    def fires(self, table: ExitTable, active: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(rows, exits); False at exits that are not active."""
        if table.prediction is None:
            raise ScenarioError(Problem("rule patience needs columns pred_1, pred_2, .. or preds", table.name))
        fired = np.zeros(table.shape, dtype=np.bool_)
        run = np.zeros(table.rows, dtype=np.int64)
        for before, here in pairwise(active.tolist()):
            run = np.where(table.prediction[:, here] == table.prediction[:, before], run + 1, 0)
            fired[:, here] = run >= self.agreements
        return fired
