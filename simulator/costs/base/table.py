"""Laws that keep the measured rows: the table, and a trend corrected by the rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.law import BatchLaw, Bools, Floats, as_batch, numbers
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Table:
    """Piecewise linear through measured rows; not made monotone, real kernels are not.

    ``batches`` ascending [items], ``times`` [s]. A batch of 0 takes no time; below the first row its time
    holds; beyond the last row the slope of the last two goes on, never downwards, and never below ``floor``
    (the roofline, when the work of the layer is known). Everything beyond the last row is extrapolated and
    says so.

    >>> table = Table((1, 2, 4), (0.010, 0.012, 0.020))
    >>> table.seconds([0, 1, 3, 8])
    array([0.   , 0.01 , 0.016, 0.036])
    >>> table.extrapolates([4, 8])
    array([False,  True])
    """

    batches: tuple[float, ...]
    times: tuple[float, ...]
    floor: BatchLaw | None = None
    name: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        object.__setattr__(self, "batches", numbers(self.batches))
        object.__setattr__(self, "times", numbers(self.times))
        _check(self.name, self.batches, self.times)

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        b, known, times = as_batch(batch), np.array(self.batches), np.array(self.times)
        found = np.interp(b, known, times)
        if len(known) > 1:
            slope = max((times[-1] - times[-2]) / (known[-1] - known[-2]), 0.0)
            found = np.where(b > known[-1], times[-1] + slope * (b - known[-1]), found)
        if self.floor is not None:
            found = np.where(b > known[-1], np.maximum(found, self.floor.seconds(b)), found)
        return np.asarray(np.where(b <= 0, 0.0, found), dtype=np.float64)

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """True beyond the last measured row."""
        return np.asarray(as_batch(batch) > self.batches[-1], dtype=np.bool_)

    def scaled(self, factor: float) -> Table:
        """The law with every time multiplied by ``factor``."""
        floor = None if self.floor is None else self.floor.scaled(factor)
        return Table(self.batches, tuple(time * factor for time in self.times), floor)

    def parameters(self) -> dict[str, Any]:
        """Rows, and the floor when there is one."""
        found: dict[str, Any] = {"batches": list(self.batches), "times": list(self.times)}
        if self.floor is not None:
            found["floor"] = _nested(self.floor)
        return found


@dataclass(frozen=True, slots=True)
class Corrected:
    """A trend in closed form, multiplied by what the rows say it misses.

    .. math:: t(b) = g(b) \\, e^{r(\\log b)}

    ``trend`` g [s]; r is linear in log b between the rows and constant beyond them, so that the trend decides
    the slope where nothing was measured. ``batches`` ascending [items], ``residuals`` r [-]. Reference:
    utilisation-space interpolation as in NVIDIA aiconfigurator 0.12.

    >>> from simulator.costs.base.formulas import Affine
    >>> Corrected(Affine(0.0, 0.001), (1, 4), (0.0, 0.6931471805599453)).seconds([1, 2, 4, 8]).round(6)
    array([0.001   , 0.002828, 0.008   , 0.016   ])
    """

    trend: BatchLaw
    batches: tuple[float, ...]
    residuals: tuple[float, ...]
    name: ClassVar[str] = "corrected"

    def __post_init__(self) -> None:
        object.__setattr__(self, "batches", numbers(self.batches))
        object.__setattr__(self, "residuals", numbers(self.residuals))
        _check(self.name, self.batches, tuple(math.exp(min(value, 700.0)) for value in self.residuals))

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        b = as_batch(batch)
        with np.errstate(divide="ignore"):
            residual = np.interp(np.log(b), np.log(self.batches), self.residuals)
        return np.asarray(self.trend.seconds(b) * np.exp(residual), dtype=np.float64)

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """True beyond the last measured row."""
        return np.asarray(as_batch(batch) > self.batches[-1], dtype=np.bool_)

    def scaled(self, factor: float) -> Corrected:
        """The law with every time multiplied by ``factor``."""
        return Corrected(self.trend.scaled(factor), self.batches, self.residuals)

    def parameters(self) -> dict[str, Any]:
        """Trend and rows."""
        return {
            "trend": _nested(self.trend),
            "batches": list(self.batches),
            "residuals": list(self.residuals),
        }


def _nested(law: BatchLaw) -> Mapping[str, Any]:
    return {"law": law.name, "parameters": law.parameters()}


def _check(law: str, batches: tuple[float, ...], values: tuple[float, ...]) -> None:
    if not batches or len(batches) != len(values):
        message = f"needs as many values as batches and at least one, got {len(batches)} and {len(values)}"
        raise ScenarioError(Problem(f"law {law}: {message}", path="batches"))
    for before, after in pairwise(batches):
        if not after > before:
            message = f"batches must ascend, got {before:g} before {after:g}"
            raise ScenarioError(Problem(f"law {law}: {message}", path="batches"))
    if not batches[0] > 0 or not math.isfinite(batches[-1]):
        raise ScenarioError(
            Problem(f"law {law}: batches must be positive and finite, got {batches[0]:g}", path="batches")
        )
    for value in values:
        if not math.isfinite(value) or value < 0:
            raise ScenarioError(
                Problem(f"law {law}: times must be finite and not negative, got {value!r}", path="times")
            )
