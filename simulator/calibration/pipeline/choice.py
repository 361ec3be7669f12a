"""Choosing the law of training iterations, and scoring that choice on rows that had no part in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.folds import shape_folds
from simulator.calibration.pipeline.factors import Spread, with_factors
from simulator.calibration.pipeline.trend import ALL, FEW, fit_trend
from simulator.costs.pipeline.iteration import IterationLaw, work
from simulator.costs.pipeline.setups import Setups

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SMALLEST = len(FEW) + 1
"""Different setups that a fit needs: one more than the small law has parameters."""
ESTIMABLE = SMALLEST + 1
"""Different setups from which some can be held out."""
FULL = len(ALL) + len(FEW)
"""Different setups from which the full law is tried; its priors carry what so few rows leave open."""
SPREADS = (Spread(0, 0), Spread(1, 0), Spread(3, 0), Spread(1, 1), Spread(3, 1))
"""Factors that are tried on the full law, of shapes and layouts: none, shrunk, hardly shrunk."""
_INNER = 3
_SALTS = 1000
"""Inner folds of seed i are shuffled by i + 1000, so they cut across the outer ones."""


@dataclass(frozen=True, slots=True)
class Iterations:
    """Measured iterations: setups and seconds."""

    setups: Setups
    seconds: Floats

    def __len__(self) -> int:
        return len(self.seconds)

    def where(self, picked: Bools | Ints) -> Iterations:
        """Some of the iterations."""
        return Iterations(self.setups.where(picked), self.seconds[picked])

    def families(self, by_shape: bool = False) -> Ints:
        """Number of the setup (or of the shape of its layers) of every iteration: repeats stay together."""
        keys = self.setups.shapes() if by_shape else self.setups.table()
        return np.unique(keys, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A law that may be fitted: the small or the full one, and how far factors may go."""

    few: bool
    spread: Spread


@dataclass(frozen=True, slots=True)
class FittedIterations:
    """The law, and the held-out prediction of each row [s] (NaN where there is none)."""

    law: IterationLaw
    held_out: Floats


def calibrate(rows: Iterations, folds: int, *, seed: int = 0, by_shape: bool = False) -> FittedIterations:
    """Fit the iterations; hold out each fold and repeat the WHOLE procedure, choice included.

    ``seed`` shuffles the folds. With at most ``2 * folds`` different setups each is a fold of its own. ``by_shape``
    holds out all iterations whose layers have one shape: the error at shapes that were never measured.
    """
    family = rows.families(by_shape)
    families = int(family.max()) + 1
    held_out = np.full(len(rows), np.nan)
    if families >= (2 if by_shape else ESTIMABLE):
        part = shape_folds(family, families if families <= 2 * folds else folds, salt=seed)
        for fold in range(int(part.max()) + 1):
            known = part != fold
            law = choose(rows.where(known), seed=seed, by_shape=by_shape)
            held_out[~known] = law.seconds(rows.setups.where(~known))
    return FittedIterations(choose(rows, seed=seed, by_shape=by_shape), held_out)


def choose(rows: Iterations, *, seed: int = 0, by_shape: bool = False) -> IterationLaw:
    """The law of least error on inner folds of these rows, refitted on all of them."""
    possible = _candidates(int(rows.families().max()) + 1)
    family = rows.families(by_shape)
    if len(possible) == 1 or not family.any():
        return _fit(rows, possible[:1])[0]
    part = shape_folds(family, min(_INNER, int(family.max()) + 1), salt=seed + _SALTS)
    errors = np.zeros(len(possible))
    for fold in range(int(part.max()) + 1):
        known, asked = rows.where(part != fold), rows.where(part == fold)
        for i, law in enumerate(_fit(known, possible)):
            errors[i] += np.minimum(np.abs(law.seconds(asked.setups) / asked.seconds - 1.0), 1.0).sum()
    return _fit(rows, [possible[int(np.argmin(errors))]])[0]


def _candidates(count: int) -> list[Candidate]:
    small = [Candidate(True, SPREADS[0])]
    return small if count < FULL else small + [Candidate(False, spread) for spread in SPREADS]


def _fit(rows: Iterations, asked: list[Candidate]) -> list[IterationLaw]:
    """Every asked law; candidates that differ in their factors only share one trend."""
    amounts = work(rows.setups)
    trends = {few: fit_trend(amounts, rows.seconds, few) for few in {one.few for one in asked}}
    return [with_factors(trends[one.few], rows.setups, amounts, rows.seconds, one.spread) for one in asked]
