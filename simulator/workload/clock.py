"""The time change that gives a load its shape.

A load with factor f(t) is the unshaped load read on a clock that runs at speed f:

.. math:: F(t) = \\int_0^t f(u) du, \\qquad t_i = F^{-1}(s_i)

for the instants :math:`s_i` of the unshaped load. This is the inversion method for non-homogeneous processes
(Cinlar, Introduction to Stochastic Processes, 1975); unlike thinning it needs no bound of the rate, draws
nothing, and keeps the variability of the gaps (their cv) in clock time.

The axis is cut into cells on which f is smooth: at every break of a shape, and into 64 cells per cycle. F is
integrated in each cell by Gauss-Legendre with four nodes: exact for piecewise polynomials up to degree
seven, and off by less than 1e-18 of a cycle for cosines. In each cell the inverse starts at the closed
form for a linear f (so it is already exact for spikes and ramps) and is polished by Newton's method inside
a bracket until it moves by less than 1e-15 of a cell.

All sums and products are homogeneous in time, so doubling every duration doubles every instant exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from simulator.workload.process import Binding, Floats
from simulator.workload.shapes import Shape

CELLS_PER_CYCLE = 64
MAX_CYCLES = 100_000
MAX_BREAKS = 10_000_000
MAX_ITERATIONS = 80
TOLERANCE = 1e-15
_X, _W = np.polynomial.legendre.leggauss(4)
NODES, WEIGHTS = (_X + 1) / 2, _W / 2


class Clock:
    """F and its inverse for the product of ``shapes``, over a run of ``until_s`` seconds.

    >>> from simulator.workload.shapes import Spike
    >>> clock = Clock([Spike(at_s=10.0, length_s=5.0, factor_in=3.0)], until_s=60.0)
    >>> clock.forward(np.array([10.0, 15.0, 20.0]))
    array([10., 25., 30.])
    >>> clock.inverse(np.array([10.0, 25.0, 30.0]))
    array([10., 15., 20.])
    """

    def __init__(self, shapes: Sequence[Shape], until_s: float) -> None:
        self.shapes, self.until_s = tuple(shapes), until_s
        if not self.shapes:
            return
        self._knots = self._cut(until_s)
        self._width = np.diff(self._knots)
        start = self._knots[:-1]
        values = [self._factor(start + self._width * node) for node in NODES]
        self._mean = _average(values)
        # Straight line of least squares (second Legendre coefficient): the first guess of the inverse.
        slope = 3 * sum(w * x * (v - values[0]) for w, x, v in zip(_W / 2, _X, values))
        self._first = np.clip(self._mean - slope, 0.0, 2 * self._mean)
        self._total = np.cumsum(np.concatenate(([0.0], self._width * self._mean)))
        # Without a cycle f stays as it is behind its last break. With one the table reaches beyond the
        # run, and what lies beyond the table only has to be later.
        cyclic = any(shape.period_s is not None for shape in self.shapes)
        self._tail = 1.0 if cyclic else float(self._factor(self._knots[-1:])[0])

    def forward(self, t_s: Floats) -> Floats:
        """F(``t_s``) [s of the clock]."""
        if not self.shapes:
            return t_s
        cell = np.clip(np.searchsorted(self._knots, t_s, side="right") - 1, 0, self._width.size - 1)
        start = self._knots[cell]
        inside = np.minimum(t_s - start, self._width[cell])
        beyond = np.maximum(t_s - self._knots[-1], 0.0)
        result: Floats = self._total[cell] + inside * self._average_from(start, inside) + beyond * self._tail
        return result

    def inverse(self, s: Floats) -> Floats:
        """The earliest t with F(t) = ``s``; infinity when the load stops before."""
        if not self.shapes:
            return s
        cell = np.clip(np.searchsorted(self._total, s, side="left") - 1, 0, self._width.size - 1)
        start, width, first, mean = (column[cell] for column in (self._knots, self._width, self._first, self._mean))
        rest = np.minimum(s - self._total[cell], width * mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            curved = np.sqrt(np.maximum(0.0, first * first + 4 * (mean - first) * (rest / width)))
            guess = np.nan_to_num(2 * rest / (first + curved), nan=0.0, posinf=0.0)
            t_s = start + self._polish(start, np.minimum(guess, width), rest, width)
            beyond = s - self._total[-1]
            return np.where(beyond > 0, self._knots[-1] + beyond / self._tail, t_s)

    def _polish(self, start: Floats, inside: Floats, rest: Floats, width: Floats) -> Floats:
        """Solve the integral over [start, start + u] = rest for u, each element by itself."""
        result = inside.copy()
        index = np.arange(inside.size)
        low, high = np.zeros_like(width), width.copy()
        for _ in range(MAX_ITERATIONS):
            if not index.size:
                break
            miss = inside * self._average_from(start, inside) - rest
            low, high = np.where(miss < 0, inside, low), np.where(miss > 0, inside, high)
            moved = inside - np.where(miss == 0, 0.0, miss / self._factor(start + inside))
            moved = np.where((moved >= low) & (moved <= high), moved, low + (high - low) / 2)
            result[index] = moved = np.where(miss == 0, inside, moved)
            going = np.abs(moved - inside) > TOLERANCE * width
            index, inside = index[going], moved[going]
            start, rest, width, low, high = start[going], rest[going], width[going], low[going], high[going]
        return result

    def _average_from(self, start: Floats, length: Floats) -> Floats:
        return _average([self._factor(start + length * node) for node in NODES])

    def _factor(self, t_s: Floats) -> Floats:
        value = self.shapes[0].factor(t_s)
        for shape in self.shapes[1:]:
            value = value * shape.factor(t_s)
        return value

    def _cut(self, until_s: float) -> Floats:
        """The instants between cells. A longer run has the same ones and more, so that no arrival moves."""
        breaks = sorted({0.0, *(at for shape in self.shapes for at in _breaks(shape, until_s) if at > 0)})
        periods = [shape.period_s for shape in self.shapes if shape.period_s is not None]
        if not periods:
            return np.array(breaks if len(breaks) > 1 else [0.0, until_s])
        step = min(periods) / CELLS_PER_CYCLE
        grid = np.arange(math.ceil(until_s / step) + 2) * step
        return np.union1d(grid, [at for at in breaks if at < grid[-1]])


def _breaks(shape: Shape, until_s: float) -> Iterator[float]:
    """Breaks of a shape, of one with a cycle in every turn that begins within the run."""
    own = shape.breaks()
    if shape.period_s is None or not own:
        yield from own
        return
    for turn in range(math.ceil(until_s / shape.period_s) + 1):
        yield from (turn * shape.period_s + at for at in own)


def _average(values: list[Floats]) -> Floats:
    """Gauss-Legendre mean of f over a cell, written so that a constant f is returned to the last bit."""
    first = values[0]
    return first + sum(
        (weight * (value - first) for weight, value in zip(WEIGHTS[1:], values[1:])), np.zeros_like(first)
    )


def check_cycles(shapes: Sequence[Shape], until_s: float, binding: Binding) -> None:
    """Refuse a cycle so short that its table would not fit: more than 100,000 cycles in the run."""
    for shape in shapes:
        if shape.period_s is not None and until_s / shape.period_s > MAX_CYCLES:
            raise binding.error(
                f"a cycle of {shape.period_s:g} s turns {until_s / shape.period_s:.3g} times in a run of "
                f"{until_s:g} s; at most {MAX_CYCLES:,} can be followed: give a longer `period`",
                "shape",
            )
        cycles = 1.0 if shape.period_s is None else until_s / shape.period_s + 1
        if cycles * len(shape.breaks()) > MAX_BREAKS:
            raise binding.error(
                f"{len(shape.breaks())} steps would be repeated {cycles:.3g} times; at most {MAX_BREAKS:,} steps are "
                "followed in a run: give longer ones",
                "shape",
            )
