"""Fitting the laws of quantized products: tiles and waves, utilization of nearest rows, quantization of inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from simulator.calibration.folds import sample
from simulator.calibration.gemm_laws import Products, starts
from simulator.costs.quantized import GemmTiles, GemmUtilization, QuantizeInput

Floats = NDArray[np.float64]
_ENOUGH = 3000
"""Rows that settle eight parameters; more only cost time."""
_SCAN = 800
"""Rows that tell one tile, or one number of processors, from another."""
_PRIOR = 0.03
"""Weight of the start values: a parameter that the rows do not determine stays near them."""
_SPREAD = np.array([1.0, 1.0, 1.5, 1.5, 1.5, 0.7, 1.5, 1.5])
_TILES = ((128.0, 128.0), (64.0, 64.0), (64.0, 128.0), (128.0, 64.0), (128.0, 256.0), (256.0, 128.0))
_UNITS = (16, 24, 30, 40, 48, 58, 66, 72, 80, 84, 92, 100, 108, 114, 120, 128, 132, 142, 148, 160)
_USUAL_UNITS = 108.0
_WAVES = 100
"""Rows from which the tail of the last wave can be told from noise."""
_TRIED = 8
"""Numbers of processors that are tried with a fit."""
_STEPS = 15
"""Steps of such a fit: fewer leave the start where it is, and the first tile always wins."""
_SETTLED = 1e-4
"""A step that betters the cost by less than this share of it is the last."""
_DAMPING = 1e-2
"""Damping of the first step, relative to the curvature."""
_DAMPED = 6
"""How often a step that does not better the cost is shortened."""
_ROBUST = 0.1
"""Log error beyond which a row counts less than its square."""
_GAIN = 0.99
"""Another tile or number of processors must better the fit by this factor."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """What is searched by trying: the sides of a tile, and how many tiles run at once."""

    m: float
    n: float
    units: float


@dataclass(frozen=True, slots=True)
class _Solved:
    """Parameters and their robust cost."""

    x: Floats
    cost: float


def fit_tiles(rows: Products) -> GemmTiles:
    """Eight parameters by robust least squares of log times, held near their start values by a weak prior.

    Tile and processors are tried one after the other from short fits; with few rows the number of processors stays
    at its usual value, and ``stairs`` says how little the waves matter.
    """
    fine, coarse = (_Problem(rows.where(sample(len(rows), count))) for count in (_ENOUGH, _SCAN))
    grid = _Grid(*_TILES[0], _USUAL_UNITS)
    found = coarse.solve(grid, coarse.start, 25)
    grid, found = _better(coarse, [replace(grid, m=m, n=n) for m, n in _TILES[1:]], grid, found)
    if len(rows) >= _WAVES:
        tried = [replace(grid, units=float(units)) for units in _UNITS]
        # Times at unchanged parameters tell which numbers of processors are worth a fit.
        tried.sort(key=lambda other: coarse.cost(found.x, other))
        grid, found = _better(coarse, tried[:_TRIED], grid, found)
    return _law(fine.solve(grid, found.x, 40).x, grid)


def _better(rows: _Problem, grids: list[_Grid], grid: _Grid, found: _Solved) -> tuple[_Grid, _Solved]:
    """The best of some tiles or processors; what was there before stays unless it is clearly beaten."""
    start, limit = found.x, found.cost * _GAIN
    for other in grids:
        tried = rows.solve(other, start, _STEPS)
        if tried.cost < limit:
            grid, found, limit = other, tried, tried.cost
    return grid, found


class _Problem:
    """Log errors of the law on some rows, with their derivatives (tens of numerical ones would take most of a fit)."""

    def __init__(self, rows: Products) -> None:
        self.rows, self.y = rows, np.log(rows.t)
        self.moved = np.stack([rows.m * rows.k, rows.n * rows.k, rows.m * rows.n])
        launch, flop_s, element_s = starts(rows)
        self.start = np.array([launch, flop_s, element_s, element_s, element_s, np.log(1.5), np.log(64.0), 0.0])
        self.weight = _PRIOR * np.sqrt(len(self.y)) / 3 / _SPREAD

    def solve(self, grid: _Grid, start: Floats, steps: int) -> _Solved:
        """The least robust cost after some steps of Levenberg and Marquardt.

        Many short fits: those of a library spend nine tenths of such a step on their own checks.
        """
        x, errors, damping = start, self.errors(start, grid), _DAMPING
        cost = _robust(errors)
        for _ in range(steps):
            slopes = self.slopes(x, grid)
            weighted = slopes / np.sqrt(1 + (errors / _ROBUST) ** 2)[:, None]
            square, fall = weighted.T @ slopes, weighted.T @ errors
            before = cost
            for _ in range(_DAMPED):
                tried = x - np.linalg.solve(square + damping * np.diag(np.diag(square)), fall)
                found = self.errors(tried, grid)
                if _robust(found) < cost:
                    x, errors, cost, damping = tried, found, _robust(found), damping / 5
                    break
                damping *= 5
            if before - cost < _SETTLED * cost:
                break
        return _Solved(x, cost)

    def cost(self, x: Floats, grid: _Grid) -> float:
        """The robust cost, as the solver counts it."""
        return _robust(self.errors(x, grid))

    def errors(self, x: Floats, grid: _Grid) -> Floats:
        """Log errors of all rows, then what the prior asks for every parameter."""
        law = _law(x, grid)
        return np.concatenate([np.log(self.rows.predicted(law)) - self.y, self.weight * (x - self.start)])

    def slopes(self, x: Floats, grid: _Grid) -> Floats:
        """Derivatives of ``errors`` by the parameters, shape (rows + parameters, parameters)."""
        law, rows = _law(x, grid), self.rows
        waves = np.ceil(rows.m / grid.m) * np.ceil(rows.n / grid.n) / grid.units
        rest = rows.predicted(replace(law, launch_s=0.0))
        moving = np.array([law.input_s, law.weight_s, law.output_s])[:, None] * self.moved
        compute = np.maximum(
            replace(law, launch_s=0.0, input_s=0.0, weight_s=0.0, output_s=0.0).seconds(rows.m, rows.n, rows.k), 5e-324
        )
        total = np.maximum(moving.sum(axis=0), 5e-324)
        q = law.sharpness
        by_compute = (compute / rest) ** (q - 1)
        by_moving = (total / rest) ** (q - 1)
        share = by_compute * compute / rest
        round_ = (share * np.log(compute / rest) + (1 - share) * np.log(total / rest)) / q
        columns = [
            np.full(len(self.y), law.launch_s),
            by_compute * compute,
            *(by_moving * moving),
            rest * round_ * (q - 1),
            by_compute * compute * law.k_half / (rows.k + law.k_half),
            by_compute * compute * np.log(np.ceil(waves) / waves) * law.stairs * (1 - law.stairs),
        ]
        return np.vstack([(np.array(columns) / (law.launch_s + rest)).T, np.diag(self.weight)])


def _robust(errors: Floats) -> float:
    """Squares of small errors, absolute values of large ones, summed (soft L1)."""
    return float((_ROBUST**2 * (np.sqrt(1 + (errors / _ROBUST) ** 2) - 1)).sum())


def _law(x: Floats, grid: _Grid) -> GemmTiles:
    launch, flop_s, input_s, weight_s, output_s, sharp, k = (float(v) for v in np.exp(np.clip(x[:7], -300, 12)))
    return GemmTiles(
        launch_s=launch,
        peak_flops=1 / flop_s,
        k_half=k,
        input_s=input_s,
        weight_s=weight_s,
        output_s=output_s,
        sharpness=1 + min(sharp, 60.0),
        stairs=float(1 / (1 + np.exp(-np.clip(x[7], -30, 30)))),
        tile_m=grid.m,
        tile_n=grid.n,
        units=grid.units,
    )


def fit_utilization(rows: Products) -> GemmUtilization:
    """The utilization of every row; the speed of light is what the fastest two per cent of them reach."""
    _, flop_s, element_s = (float(value) for value in np.exp(starts(rows)))
    unscaled = GemmUtilization(flop_s, element_s, element_s, element_s, (1.0,), (1.0,), (1.0,), (1.0,))
    share = unscaled.light(rows.m, rows.n, rows.k) / rows.t
    return GemmUtilization(
        flop_s, element_s, element_s, element_s, tuple(rows.m), tuple(rows.n), tuple(rows.k), tuple(share)
    )


def fit_quantize(m: Floats, k: Floats, t: Floats) -> QuantizeInput:
    """Floor, two speeds, cache and corner, by robust least squares of log times from several sizes of the cache."""
    elements, y = m * k, np.log(t)
    floor = float(np.log(np.percentile(t, 5)))
    large = elements >= np.percentile(elements, 90)
    far = float(np.log(np.median(t[large] / elements[large])))

    def law(x: Floats) -> QuantizeInput:
        floor_s, near_s, slower, cache, sharp = (float(v) for v in np.exp(np.clip(x, -300, 60)))
        return QuantizeInput(floor_s, near_s, near_s * (1 + slower), cache, 1 + min(sharp, 60.0))

    found = []
    for size in np.percentile(elements, (50, 75, 95)):
        start = np.array([floor, far - 0.7, 0.0, np.log(size), np.log(2.0)])
        weight = _PRIOR * np.sqrt(len(y)) / 3

        def errors(x: Floats, start: Floats = start, weight: float = weight) -> Floats:
            return np.concatenate([np.log(law(x).seconds(m, k)) - y, weight * (x - start)])

        found.append(least_squares(errors, start, loss="soft_l1", f_scale=0.1, max_nfev=100))
    return law(min(found, key=lambda one: float(one.cost)).x)
