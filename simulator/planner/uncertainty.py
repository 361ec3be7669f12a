"""What the calibration error of the costs does to the answer: bands of the figures of a simulation.

The times of every fit are multiplied by a factor drawn from its held-out error, and the scenario is simulated again
with the same arrivals, exits and jitter. The error is taken as common to a fit: one score moves all batch sizes,
layers, devices and precisions of a costs file together. Errors that differ from row to row would partly cancel along
a model, so the bands are rather too wide than too narrow. What no fit tells the error of is taken as exact, and said
to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.cluster.simulate import simulate
from simulator.errors import Problem, ScenarioError
from simulator.planner.uncertainty_draws import Fit, at_scores, fits_of, scores
from simulator.planner.uncertainty_sources import CostFigure, cost_figures
from simulator.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]
Progress = Callable[[float], None]
DRAWS = 20
LEAST_DRAWS, MOST_DRAWS = 10, 1000
"""Of fewer draws none would lie beyond the ends of a band."""
LOW, HIGH = 0.05, 0.95
"""Shares of the draws below the ends of a band."""
FIGURES: dict[str, tuple[str, ...]] = {
    "services": (
        "latency.mean",
        "latency.p50",
        "latency.p99",
        "attainment",
        "goodput",
        "throughput",
        "accuracy",
        "cost_per_hour",
        "cost_per_million",
    ),
    "trainings": ("iteration", "utilization", "bubble_fraction.makespan", "cost_per_iteration"),
    "streams": ("step", "throughput", "utilization", "cost_per_step"),
}
"""Figures with a band, by section of the result."""


@dataclass(frozen=True, slots=True)
class Band:
    """One figure over the draws: with the costs as told, and between the 5th and the 95th percentile."""

    section: str
    name: str
    figure: str
    told: float | None
    low: float | None
    high: float | None
    draws: tuple[float | None, ...]

    def to_dict(self) -> Json:
        """As JSON values."""
        return {"told": self.told, "low": self.low, "high": self.high, "draws": list(self.draws)}


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Bands of every figure; ``factors``: of each fit, by draw (its largest group error counts for what is shown)."""

    seed: int
    draws: int
    figures: tuple[CostFigure, ...]
    fits: tuple[Fit, ...]
    bands: tuple[Band, ...]

    def to_dict(self) -> Json:
        """As JSON values: ``{"services": {name: {figure: {told, low, high, draws}}}, ...}``."""
        tree: Json = {
            "draws": self.draws,
            "low": LOW,
            "high": HIGH,
            "correlation": "common to all laws of a costs file",
            "varied": [
                {"file": fit.file, "model": fit.model, "group": group, "error": error}
                for fit in self.fits
                for group, error in fit.errors.items()
            ],
            "exact": [f"{one.what}: {one.note}" for one in self.figures if one.error is None],
            **{section: {} for section in FIGURES},
        }
        for band in self.bands:
            tree[band.section].setdefault(band.name, {})[band.figure] = band.to_dict()
        return tree

    @property
    def frame(self) -> pd.DataFrame:
        """One row per figure with its band."""
        from simulator.results.shown_table import frame_of

        return frame_of(
            {"section": one.section, "name": one.name, "figure": one.figure, **one.to_dict()} for one in self.bands
        )

    def _repr_html_(self) -> str:
        from simulator.planner.shown import uncertainty_html

        return uncertainty_html(self.to_dict())


def uncertainty(
    scenario: Scenario,
    *,
    draws: int = DRAWS,
    seed: int | None = None,
    engine: str | None = None,
    replications: int | str | None = None,
    progress: Progress | None = None,
) -> Uncertainty:
    """Simulate the scenario with its costs as told and ``draws`` times with costs off by their held-out errors.

    All runs share their arrivals, exits and jitter, so that the costs alone make the difference. Without a fit that
    tells its error there is nothing to draw: no band, and ``to_dict()["exact"]`` says why.
    """
    if not isinstance(draws, int) or isinstance(draws, bool) or not LEAST_DRAWS <= draws <= MOST_DRAWS:
        message = f"must be a whole number from {LEAST_DRAWS} to {MOST_DRAWS}, got {draws!r}"
        raise ScenarioError(Problem(message, path="draws"))
    figures = cost_figures(scenario)
    fits = fits_of(figures)
    used = scenario.seed if seed is None else seed
    if not fits:
        return Uncertainty(used, 0, figures, (), ())
    drawn = {file: scores(used, file, draws) for file in dict.fromkeys(fit.file for fit in fits)}
    trees = []
    for number in range(-1, draws):
        score = {file: 0.0 if number < 0 else float(found[number]) for file, found in drawn.items()}
        with at_scores(scenario, fits, score) as changed:
            found = simulate(changed, seed=seed, engine=engine, replications=replications)
        trees.append(found.to_dict())
        if progress is not None:
            progress((number + 2) / (draws + 1))
    return Uncertainty(used, draws, figures, fits, tuple(_bands(trees)))


def _bands(trees: Sequence[Json]) -> Iterator[Band]:
    """Bands of the first tree's figures over the others."""
    for section, wanted in FIGURES.items():
        for name in trees[0][section]:
            for figure in wanted:
                told, *found = (_value(tree[section][name], figure) for tree in trees)
                known = [value for value in found if value is not None]
                if told is None and not known:
                    continue
                low, high = quantiles(known) if known else (None, None)
                yield Band(section, name, figure, told, low, high, tuple(found))


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a band: 5th and 95th percentile of the draws.

    The i-th smallest of n stands for the share (i - 1/2) / n, as the draws do (Hazen); straight lines in between.

    >>> quantiles([1.0, 2.0, 3.0])
    (1.0, 3.0)
    """
    low, high = np.quantile(np.asarray(values, dtype=np.float64), [LOW, HIGH], method="hazen")
    return float(low), float(high)


def _value(tree: Json, figure: str) -> float | None:
    value: Any = tree
    for part in figure.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else float(value)
