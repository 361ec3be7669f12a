"""Features in; trained ramps, twin and router out, with a comparison on rows that none of them has seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from simulator.calibration.ramps.adaptive import Settings
from simulator.calibration.ramps.data import Data
from simulator.calibration.ramps.features import Features, load_features
from simulator.calibration.ramps.independent import L2_GRID, choose_l2, train_alone
from simulator.calibration.ramps.result import RampStudy
from simulator.calibration.ramps.router import train_router
from simulator.calibration.ramps.split import split
from simulator.calibration.ramps.student import MAX_ITERATIONS
from simulator.calibration.ramps.tables import end_of_model
from simulator.calibration.ramps.twin import FITS, train_twin
from simulator.calibration.ramps.variants import VARIANTS, check_names, surely_best, train_variant
from simulator.errors import Problem, ScenarioError

Progress = Callable[[float], object]
BUDGET = 0.01
"""Accuracy that an operating point may cost, chosen on the validation rows."""
_TWIN = 60
"""What a twin counts in the progress, in fits of a ramp."""
_ROUTER = 4
"""What one fit of a router counts."""


class _Steps:
    """Counts fits towards a share of the whole work."""

    def __init__(self, total: float, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0.0, total, progress

    def tick(self, amount: float = 1.0) -> None:
        self.done = min(self.done + amount, self.total)
        if self.progress is not None:
            self.progress(self.done / self.total)


def train_ramps(
    source: Features | Path | str,
    *,
    variants: Sequence[str] = VARIANTS,
    settings: Settings | None = None,
    l2: float | None = None,
    seed: int = 0,
    twin: bool = True,
    budget: float = BUDGET,
    progress: Progress | None = None,
) -> RampStudy:
    """Train softmax off-ramps on stored layer states and compare the ways to train them.

    ``variants`` of ``VARIANTS`` (the independent one is always trained, to compare with); ``settings`` of the
    adaptive ones and the threshold of router and twin; ``l2`` the penalty of all ramps (None: chosen per exit on
    the validation rows for the independent ramps, the same for every variant); ``budget`` the accuracy that the
    operating point may cost. Deterministic in ``seed``. Raises ScenarioError for input that cannot be used.
    """
    names = check_names(variants)
    settings = settings or Settings()
    _check(l2, budget)
    features = source if isinstance(source, Features) else load_features(source)
    data = Data.of(features, split(features, seed))
    grid = L2_GRID if l2 is None else (l2,)
    steps = _Steps(data.exits * len(grid) + data.ramps * len(names) + _TWIN * twin + 4 * _ROUTER, progress)
    chosen = [l2] * data.exits if l2 is not None else choose_l2(data, grid, steps.tick)
    end = train_alone(data, data.exits - 1, chosen[-1]) if features.output is None else None
    last = end_of_model(data, end)
    trained = {name: train_variant(name, data, last, chosen, settings, seed, steps.tick) for name in names}
    best = trained[surely_best(trained, seed)]
    beside = None
    if twin:
        beside = train_twin(
            data,
            last,
            seed=seed,
            threshold=settings.threshold,
            mix=settings.mix,
            tick=lambda: steps.tick(_TWIN / (FITS * MAX_ITERATIONS)),
        )
    tables = (best.train, best.validation, best.test)
    router = train_router(data, tables, settings.threshold, seed, lambda: steps.tick(_ROUTER / MAX_ITERATIONS))
    steps.tick(steps.total)
    return RampStudy(data, seed, settings, budget, tuple(chosen), end, trained, best.name, beside, router)


def _check(l2: float | None, budget: float) -> None:
    if l2 is not None and not (math.isfinite(l2) and l2 > 0):
        raise ScenarioError(Problem(f"must be a finite number above 0, got {l2}", path="l2"))
    if not 0 <= budget < 1:
        raise ScenarioError(Problem(f"must be within 0..1, got {budget}", path="budget"))
