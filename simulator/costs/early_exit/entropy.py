"""Exit when the output distribution is sharp enough (the rule of DeeBERT and BranchyNet)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit.tables import ExitTable
from simulator.costs.early_exit.thresholds import Threshold, per_exit
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Entropy:
    """Exit k answers where its entropy [nats] is below the threshold (one, or one per exit, each >= 0).

    A table holds only the largest probability c, which fixes the entropy for two classes and not for more:

    .. math:: H = -c \\ln c - (1 - c) \\ln(1 - c)
    """

    threshold: Threshold

    def fires(self, table: ExitTable, active: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(rows, exits); the rule looks at each exit alone, so ``active`` does not matter."""
        limits = per_exit("entropy", self.threshold, table.exits)
        fired: NDArray[np.bool_] = binary_entropy(_two_classes(table)) < limits
        return fired


def binary_entropy(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy [nats] of two classes whose larger probability is ``confidence``; 0 where that is 1.

    >>> binary_entropy(np.array([0.5, 1.0])).round(4).tolist()
    [0.6931, 0.0]
    """
    other = 1.0 - confidence
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(confidence > 0, confidence * np.log(confidence), 0.0)
        terms += np.where(other > 0, other * np.log(other), 0.0)
    entropy: NDArray[np.float64] = 0.0 - terms
    return entropy


def _two_classes(table: ExitTable) -> NDArray[np.float64]:
    if table.confidence is None:
        raise ScenarioError(Problem("rule entropy needs columns conf_1, conf_2, ..", table.name))
    remedy = "the entropy of more than two classes does not follow from the confidence: use the rule confidence"
    known = [array.ravel() for array in (table.prediction, table.label) if array is not None]
    if not known:
        raise ScenarioError(
            Problem(f"rule entropy needs predictions or labels that show two classes; {remedy}", table.name)
        )
    classes = np.unique(np.concatenate(known))
    if classes.size > 2:
        raise ScenarioError(Problem(f"rule entropy needs two classes, found {classes.size}; {remedy}", table.name))
    # A value below 0.5 cannot be the larger of two probabilities, yet measured tables have some (0.44).
    # It passes: H(c) = H(1 - c), so the entropy is right whichever of the two classes c belongs to.
    return table.confidence
