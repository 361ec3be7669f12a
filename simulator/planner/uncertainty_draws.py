"""Factors that measured times may be off by, drawn from the held-out errors of their fits."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from simulator.costs.base import CostGroup, costs_text
from simulator.costs.base.measured import read_measured
from simulator.files import write_text
from simulator.planner.uncertainty_sources import CostFigure, label
from simulator.scenario import Scenario
from simulator.streams import stream

Floats = NDArray[np.float64]
NORMAL = NormalDist()
LARGEST_ERROR = 10.0
"""Mean absolute relative errors beyond this are taken as this."""


def spread_of(error: float) -> float:
    """Standard deviation s of the logarithm of a factor of median 1 that is off by ``error`` on average.

    With ln X ~ N(0, s²): E|X - 1| = exp(s²/2) erf(s / √2), which is solved for s by bisection. X and 1/X have the same
    law, so that it does not matter whether an error was told of the prediction or of the measurement.

    >>> round(spread_of(0.1), 4), spread_of(0.0)
    (0.1247, 0.0)
    """
    if error <= 0.0:
        return 0.0
    low, high = 0.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2.0
        found = math.exp(middle**2 / 2.0) * math.erf(middle / math.sqrt(2.0))
        low, high = (middle, high) if found < min(error, LARGEST_ERROR) else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Fit:
    """A costs file that a model is timed by, and the held-out error of its groups that are used, by label."""

    model: str
    file: str
    errors: Mapping[str, float]

    def factor(self, group: str, score: float) -> float:
        """Factor of the times of a group at a normal score; 1 for a group that nobody uses or whose error is unknown.

        One score counts for all groups of a file, at all batch sizes and on all devices.
        """
        return math.exp(spread_of(self.errors.get(group, 0.0)) * score)


def fits_of(figures: Sequence[CostFigure]) -> tuple[Fit, ...]:
    """The fits that carry an error, one for each model and file."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for figure in figures:
        if figure.kind == "fit" and figure.error:
            found.setdefault((figure.model, figure.file), {})[figure.group] = figure.error
    return tuple(Fit(model, file, errors) for (model, file), errors in found.items())


def scores(seed: int, file: str, draws: int) -> Floats:
    """Normal scores (draws,) of one file: the middles of ``draws`` equally likely ranges, in an order of its own.

    A Latin hypercube (McKay, Beckman, Conover, Technometrics 21(2), 1979): a band needs far fewer draws than of
    independent ones.
    """
    middles = (np.arange(draws) + 0.5) / draws
    order = stream(seed, "uncertainty", file).permutation(draws)
    return np.array([NORMAL.inv_cdf(float(middles[place])) for place in order])


@contextmanager
def at_scores(scenario: Scenario, fits: Sequence[Fit], score: Mapping[str, float]) -> Iterator[Scenario]:
    """The scenario with the times of every fit multiplied by its factor at the score of its file.

    The laws are written to files that last as long as the context: so all that reads costs (services, twins, fill jobs,
    trainings, streams) sees the same ones.
    """
    with tempfile.TemporaryDirectory(prefix="plan-costs-") as folder:
        models = dict(scenario.models)
        for number, fit in enumerate(fits):
            path = Path(folder) / f"{number}.yaml"
            groups = read_measured(scenario.source.folder / fit.file)
            write_text(path, _document(groups, fit, score[fit.file]))
            models[fit.model] = models[fit.model].model_copy(update={"measured": str(path)})
        yield scenario.model_copy(update={"models": models})


def _document(groups: Sequence[CostGroup], fit: Fit, score: float) -> str:
    scaled = [(group, group.law.scaled(fit.factor(label(group), score))) for group in groups]
    return costs_text(
        {
            "version": 1,
            "kind": groups[0].kind,
            "groups": [
                {
                    "group": dict(group.group),
                    "rows": group.rows,
                    "law": law.name,
                    "parameters": law.parameters(),
                    "span": None if group.span is None else list(group.span),
                }
                for group, law in scaled
            ],
        }
    )
