"""How good a rule is on a table: accuracy, layers run, where rows leave, each with a bootstrap interval.

A table is a sample: 872 rows carry about two points of accuracy up or down. Resampling n rows with replacement and
counting how many leave at each exit with a right answer is one multinomial draw over those few kinds of row, which is
what is drawn here: the same distribution, without copying rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.early_exit.depth import exit_layers
from simulator.costs.early_exit.rules import Rule, agreement, correct, fires, first_exit
from simulator.costs.early_exit.tables import ExitTable
from simulator.errors import Problem, ScenarioError
from simulator.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of a sample and the interval that holds that of all requests with the level asked for."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Score:
    """Figures of one rule on the ``rows`` rows of a table; intervals of probability ``level``."""

    rows: int
    level: float
    at: tuple[int, ...]
    """Layer that each exit follows; the last is the model's end."""
    accuracy: Estimate | None
    """Share of right answers; None without labels or predictions."""
    agreement: Estimate | None
    """Share of answers that the whole model would give too; None without predictions."""
    mean_layers: Estimate
    """Layers run per request, where nothing is run for the others of its batch."""
    leaving: tuple[Estimate, ...]
    """Share of requests that leave at each exit."""
    running: tuple[Estimate, ...]
    """Share of requests still running after each exit; 0 after the last."""

    @property
    def basis(self) -> str:
        """What the figures rest on, such as ``872 rows: accuracy 88.0% within +-2.2 points (95%)``."""
        text = f"{self.rows} row{'s' * (self.rows != 1)}"
        for name, one in (("accuracy", self.accuracy), ("agreement", self.agreement)):
            if one is not None:
                return f"{text}: {name} {one.value:.1%} within +-{100 * one.half_width:.1f} points ({self.level:.0%})"
        return (
            f"{text}: {self.mean_layers.value:.2f} layers within +-{self.mean_layers.half_width:.2f} ({self.level:.0%})"
        )


def score(
    table: ExitTable,
    rule: Rule | Mapping[str, object],
    *,
    at: Sequence[int] | None = None,
    active: Iterable[int] | None = None,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Score:
    """Score a rule on a table.

    ``at``: the layer that each exit follows (1, 2, .. unless given), ``active``: the exits that run, from 0 (all unless
    given). Intervals are percentiles of ``resamples`` bootstrap samples; equal seeds give equal intervals.
    """
    chosen = None if active is None else list(active)
    left = first_exit(fires(table, rule, chosen), chosen)
    layers = tuple(range(1, table.exits + 1)) if at is None else tuple(at)
    if len(layers) != table.exits:
        raise ScenarioError(Problem(f"has {table.exits} exits, but {len(layers)} layers were named", table.name))
    right, agrees = correct(table, left), agreement(table, left)
    kind = left * 4 + 2 * (right == 1.0) + (agrees == 1.0)
    counts = _bootstrap(np.bincount(kind, minlength=4 * table.exits), seed, resamples).reshape(-1, table.exits, 4)
    leaving = counts.sum(axis=2)
    depth = exit_layers(np.arange(table.exits), layers)
    running = 1.0 - np.cumsum(leaving, axis=1)
    running[:, -1] = 0.0
    return Score(
        table.rows,
        level,
        layers,
        None if np.isnan(right).any() else _estimate(counts[..., 2:].sum(axis=(1, 2)), level),
        None if np.isnan(agrees).any() else _estimate(counts[..., 1::2].sum(axis=(1, 2)), level),
        _estimate(leaving @ depth, level),
        tuple(_estimate(column, level) for column in leaving.T),
        tuple(_estimate(column, level) for column in np.maximum(running, 0.0).T),
    )


def resampled_reach(exit_layer: ArrayLike, layers: int, *, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """``S_l`` of bootstrap samples of the rows, shape (resamples, layers): carries a table's size into any figure.

    The capacity of a plan at the 2.5th and 97.5th percentile of these is its 95 % interval.
    """
    kinds = np.bincount(np.asarray(exit_layer, dtype=np.int64), minlength=layers + 1)
    leaving = _bootstrap(kinds, seed, resamples)[1:, 1:]
    share: Floats = np.minimum(np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1], 1.0)
    share[:, 0] = 1.0
    return share


def _bootstrap(counts: Ints, seed: int, resamples: int) -> Floats:
    """Shares of each kind of row: the table itself first, then its bootstrap samples."""
    rows = int(counts.sum())
    drawn = stream(seed, "exits", "bootstrap").multinomial(rows, counts / rows, size=resamples)
    return np.concatenate([counts[None, :], drawn]) / rows


def _estimate(values: Floats, level: float) -> Estimate:
    tail = (1.0 - level) / 2
    low, high = np.quantile(values[1:], [tail, 1.0 - tail])
    return Estimate(float(values[0]), float(low), float(high))
