"""Factors of shapes and layouts: what stays of the measured times after the physical law, shrunk towards nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.pipeline.descent import SOFT
from simulator.costs.pipeline.iteration import Factors, IterationLaw, Work
from simulator.costs.pipeline.setups import Setups

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Spread:
    """How far factors are believed to lie from 1, as multiples of the typical error of one row; 0: none are used."""

    shape: float
    layout: float


def with_factors(law: IterationLaw, rows: Setups, amounts: Work, seconds: Floats, spread: Spread) -> IterationLaw:
    """``law`` with factors of every measured shape and layout.

    A factor is the robust mean of what the law leaves over in the rows that share it (weighted by the share of the
    time that it multiplies), shrunk by n / (n + 1 / spread^2): one odd row does not become a property of its shape.
    Both kinds are found in turn until they settle.
    """
    if not (spread.shape or spread.layout):
        return law
    layers, rest = law.parts(amounts)
    left = np.log(seconds / (layers + rest))
    shapes, of_shape = _codes(rows.shapes())
    layouts, of_layout = _codes(rows.layouts())
    share = layers / (layers + rest)
    u, w = np.zeros(len(shapes)), np.zeros(len(layouts))
    for _ in range(_ROUNDS):
        shaped = np.log(1.0 + share * np.expm1(u[of_shape]))
        weight = 1.0 / np.sqrt(1.0 + ((left - shaped - w[of_layout]) / SOFT) ** 2)
        if spread.layout:
            w = _means(of_layout, left - shaped, np.ones_like(left), weight, spread.layout)
        if spread.shape:
            # Where the factor multiplies a share g of the time, ln(1 + g (e^u - 1)) grows by this slope.
            slope = share * np.exp(u[of_shape] - shaped)
            goal = left - w[of_layout] - shaped + slope * u[of_shape]
            u = np.clip(_means(of_shape, goal, slope, weight, spread.shape), -2.0, 2.0)
    return replace(
        law,
        shapes=_rows(shapes, u) if spread.shape else (),
        layouts=_rows(layouts, w) if spread.layout else (),
    )


def _codes(keys: Floats) -> tuple[Floats, Ints]:
    found, codes = np.unique(keys, axis=0, return_inverse=True)
    return found, codes.ravel().astype(np.int64)


def _means(codes: Ints, goal: Floats, slope: Floats, weight: Floats, spread: float) -> Floats:
    """Ridge regression of ``goal`` on ``slope`` within each code."""
    above = np.bincount(codes, weights=weight * slope * goal)
    below = np.bincount(codes, weights=weight * slope**2)
    return np.asarray(above / (below + spread**-2))


def _rows(keys: Floats, values: Floats) -> Factors:
    return tuple((*key, value) for key, value in zip(keys.tolist(), values.tolist(), strict=True))
