"""Shapes of a load over time: dimensionless factors of the rate, as functions of the time of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from simulator.workload.process import Floats, Workload


class Shape(Protocol):
    """A factor f(t) >= 0, smooth between its breaks."""

    @property
    def period_s(self) -> float | None:
        """Length of its cycle [s], None when it has none."""
        ...

    def factor(self, t_s: Floats) -> Floats:
        """f at the instants ``t_s`` [s], continuous from the right."""
        ...

    def breaks(self) -> tuple[float, ...]:
        """Instants [s] at which f or its slope jumps; of a cycle those of its first turn."""
        ...


@dataclass(frozen=True, slots=True)
class Diurnal:
    """A daily cycle of mean 1.

    .. math:: f(t) = 1 + a \\cos(2 \\pi (t - t_{peak}) / T)

    ``amplitude`` a (0..1), ``period_s`` T [s], ``peak_s`` an instant of highest load [s].
    """

    period_s: float
    amplitude: float
    peak_s: float

    def factor(self, t_s: Floats) -> Floats:
        """f at ``t_s``."""
        cycles = (t_s - self.peak_s) / self.period_s
        # Whole cycles are taken off first: the cosine of a large argument would lose digits.
        return 1.0 + self.amplitude * np.cos(2 * np.pi * (cycles - np.floor(cycles)))

    def breaks(self) -> tuple[float, ...]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class Spike:
    """``factor_in`` times the load in [``at_s``, ``at_s + length_s``), else the load as it is."""

    at_s: float
    length_s: float
    factor_in: float
    period_s: None = None

    def factor(self, t_s: Floats) -> Floats:
        """f at ``t_s``."""
        return np.where((t_s >= self.at_s) & (t_s < self.at_s + self.length_s), self.factor_in, 1.0)

    def breaks(self) -> tuple[float, ...]:
        """Its beginning and end."""
        return (self.at_s, self.at_s + self.length_s)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A straight line from factor ``first`` at 0 to ``last`` at ``over_s``; ``last`` from then on."""

    first: float
    last: float
    over_s: float
    period_s: None = None

    def factor(self, t_s: Floats) -> Floats:
        """f at ``t_s``."""
        share = np.clip(t_s / self.over_s, 0.0, 1.0)
        return self.first + (self.last - self.first) * share

    def breaks(self) -> tuple[float, ...]:
        """Its end."""
        return (self.over_s,)


@dataclass(frozen=True, slots=True)
class Steps:
    """``factors[k]`` in [k ``every_s``, (k + 1) ``every_s``); then anew with ``repeat``, else the last one stays."""

    every_s: float
    factors: tuple[float, ...]
    repeat: bool = False

    @property
    def period_s(self) -> float | None:
        """Length of all steps [s] where they are repeated."""
        return len(self.factors) * self.every_s if self.repeat else None

    def factor(self, t_s: Floats) -> Floats:
        """f at ``t_s``."""
        period = self.period_s
        inside = t_s if period is None else t_s - np.floor(t_s / period) * period
        step = np.searchsorted(self._starts(), inside, side="right") - 1
        found: Floats = np.asarray(self.factors, dtype=np.float64)[np.maximum(step, 0)]
        return found

    def breaks(self) -> tuple[float, ...]:
        """Where a step begins; of repeated steps those of the first cycle, and its end."""
        more = () if self.period_s is None else (self.period_s,)
        return (*self._starts().tolist(), *more)

    def _starts(self) -> Floats:
        return np.arange(len(self.factors), dtype=np.float64) * self.every_s


SHAPES: dict[str, Callable[[Any], Shape]] = {
    "diurnal": lambda shape: Diurnal(shape.period, shape.amplitude, shape.peak),
    "spike": lambda shape: Spike(shape.at, shape.length, shape.factor),
    "ramp": lambda shape: Ramp(shape.from_factor, shape.to_factor, shape.over),
    "steps": lambda shape: Steps(shape.every, tuple(shape.factors), shape.repeat),
}
"""How each ``kind`` of the scenario becomes a shape: a new shape is one class and one line here."""


def shapes_of(workload: Workload) -> tuple[Shape, ...]:
    """The shapes of a workload: none, one or several (which multiply)."""
    written = getattr(workload, "shape", None)
    if written is None:
        return ()
    several = written if isinstance(written, list | tuple) else (written,)
    return tuple(SHAPES[shape.kind](shape) for shape in several)
