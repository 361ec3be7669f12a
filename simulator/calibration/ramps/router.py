"""The exit chosen before the network runs, from features of the query (claim 2 of US12217172B2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.calibration.ramps.data import Data
from simulator.calibration.ramps.loss import Floats, Ints
from simulator.calibration.ramps.softmax import Scaling
from simulator.calibration.ramps.student import Shape, Weights, answers, fit_student, log_loss
from simulator.costs.early_exit import Confidence, ExitTable, correct, fires, first_exit
from simulator.streams import stream

WIDTHS = (32,)
L2_GRID = (3e-3, 1e-2, 3e-2, 1e-1)
"""Penalties that are tried."""


@dataclass(frozen=True, eq=False, slots=True)
class Router:
    """A trained router and what it does to the test rows; exits count from 0 here, from 1 in what it tells.

    ``true_exit`` is where the rule at ``threshold`` would leave, ``chosen`` what the router says; the request
    then leaves there, whatever the ramp thinks of it.
    """

    weights: Weights
    scaling: Scaling
    l2: float
    threshold: float
    true_exit: Ints
    chosen: Ints
    right: Floats
    layer: tuple[int, ...]

    @property
    def counts(self) -> Ints:
        """(exits, exits): test rows by true exit (row) and chosen exit (column)."""
        exits = len(self.layer)
        return np.bincount(self.true_exit * exits + self.chosen, minlength=exits**2).reshape(exits, exits)

    @property
    def confusion(self) -> Floats:
        """P(chosen exit | true exit); a true exit that no test row has gets the shares of all choices."""
        counts = self.counts.astype(np.float64)
        total = counts.sum(axis=1, keepdims=True)
        overall = counts.sum(axis=0) / counts.sum()
        confusion: Floats = np.where(total > 0, counts / np.maximum(total, 1.0), overall)
        return confusion

    def to_json(self) -> dict[str, Any]:
        """Confusion matrix, and accuracy and depth of routed requests beside the rule and blind choice."""
        rows, stands = np.arange(len(self.chosen)), np.asarray(self.layer, dtype=np.float64)
        most = int(np.bincount(self.true_exit).argmax())
        return {
            "threshold": self.threshold,
            "l2": self.l2,
            "confusion": self.confusion.tolist(),
            "counts": self.counts.tolist(),
            "hit_rate": float((self.chosen == self.true_exit).mean()),
            "hit_rate_most_frequent": float((self.true_exit == most).mean()),
            "too_early": float((self.chosen < self.true_exit).mean()),
            "too_late": float((self.chosen > self.true_exit).mean()),
            "accuracy": float(self.right[rows, self.chosen].mean()),
            "mean_layers": float(stands[self.chosen].mean()),
            "rule_accuracy": float(self.right[rows, self.true_exit].mean()),
            "rule_mean_layers": float(stands[self.true_exit].mean()),
            "shuffled_accuracy": self._blind(),
        }

    def _blind(self) -> float:
        """Expected accuracy when the same choices are dealt to the rows at random: what looking at the query adds."""
        shares = np.bincount(self.chosen, minlength=len(self.layer)) / len(self.chosen)
        return float(shares @ self.right.mean(axis=0))


def train_router(
    data: Data,
    tables: Sequence[ExitTable],
    threshold: float,
    seed: int,
    tick: Callable[[], object] = lambda: None,
) -> Router | None:
    """Learn where requests leave, from ``tables`` of training, validation and test rows; None without query features.

    It learns from the training rows, where too many leave early, as network and ramps know them: so the shares of
    the exits are then those of the validation rows, by which the penalty is chosen too.
    """
    if data.features.query is None:
        return None
    train, validation, test = data.split.train, data.split.validation, data.split.test
    leaving = np.zeros(data.features.rows, dtype=np.int64)
    for rows, table in zip((train, validation, test), tables):
        leaving[rows] = first_exit(fires(table, Confidence(threshold)))
    scaling = Scaling.of(data.features.query[train])
    design = scaling.design(data.features.query)
    shape = Shape(data.features.query.shape[1], WIDTHS, data.exits)
    found = []
    for l2 in L2_GRID:
        draws = stream(seed, "ramps", "router")
        weights = fit_student(shape, design[train], leaving[train], None, draws, l2=l2, tick=tick)
        weights[-1][-1] += np.log(_shares(leaving[validation], data.exits) / _shares(leaving[train], data.exits))
        log_p = answers(weights, design)[-1]
        found.append((log_loss(log_p, leaving, validation), l2, weights, log_p[test].argmax(axis=1)))
    _, l2, weights, chosen = min(found, key=lambda one: one[:2])
    right = correct(tables[-1])
    return Router(weights, scaling, l2, threshold, leaving[test], chosen, right, data.features.layer)


def _shares(leaving: Ints, exits: int) -> Floats:
    """Share of rows per exit, none of them 0: one more row is counted for each."""
    shares: Floats = (np.bincount(leaving, minlength=exits) + 1.0) / (len(leaving) + exits)
    return shares
