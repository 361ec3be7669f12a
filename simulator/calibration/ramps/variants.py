"""The variants of training off-ramps, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simulator.calibration.ramps.adaptive import FORMS, Form, Settings, train_adaptive
from simulator.calibration.ramps.curves import Bootstrap, Curve, cheapest, common_depths, curve, interval, resampled
from simulator.calibration.ramps.data import Data, Ramps
from simulator.calibration.ramps.independent import train_independent
from simulator.calibration.ramps.loss import Floats
from simulator.calibration.ramps.tables import all_answers, exit_table
from simulator.costs.early_exit import ExitTable
from simulator.errors import Problem, ScenarioError

BASELINE = "independent"
ADAPTIVE: dict[str, Form] = {f"adaptive-{form}": form for form in FORMS}
VARIANTS = (BASELINE, *ADAPTIVE)


@dataclass(frozen=True, eq=False, slots=True)
class Variant:
    """One way of training: the ramps, and what every exit says of the rows of each part."""

    name: str
    ramps: Ramps
    train: ExitTable
    validation: ExitTable
    test: ExitTable
    validation_curve: Curve
    test_curve: Curve

    def within(self, budget: float) -> int:
        """Index of the lowest threshold that costs at most ``budget`` accuracy on the validation rows."""
        assert self.validation.prediction is not None
        full = float((self.validation.prediction[:, -1] == self.validation.label).mean())
        return cheapest(self.validation_curve, full - budget)


def check_names(names: Sequence[str]) -> list[str]:
    """The variants to train, in the order of ``VARIANTS``; the baseline is always among them."""
    for name in names:
        if name not in VARIANTS:
            raise ScenarioError(Problem(f"unknown variant {name!r} (known: {', '.join(VARIANTS)})"))
    return [name for name in VARIANTS if name == BASELINE or name in names]


def surely_best(trained: Mapping[str, Variant], seed: int) -> str:
    """The variant of largest gain at equal layers on the validation rows whose 95 % interval is above 0.

    The baseline when there is none: a variant has to earn its place.
    """
    curves = {name: one.validation_curve for name, one in trained.items()}
    bootstrap = Bootstrap(resampled(trained[BASELINE].validation.rows, seed))
    depths = common_depths(list(curves.values()))
    sampled = {name: bootstrap.mean_accuracy(one, depths) for name, one in curves.items()}
    gains = {name: values - sampled[BASELINE] for name, values in sampled.items() if name != BASELINE}
    sure = {name: float(values.mean()) for name, values in gains.items() if interval(values)[0] > 0}
    return max(sure, key=lambda name: sure[name], default=BASELINE)


def train_variant(
    name: str,
    data: Data,
    last: Floats,
    l2: list[float],
    settings: Settings,
    seed: int,
    tick: Callable[[], object] = lambda: None,
) -> Variant:
    """Train one variant; ``last`` is ln of the probabilities at the model's end, of all rows."""
    if name == BASELINE:
        ramps = train_independent(data, l2, tick)
    else:
        ramps = train_adaptive(data, l2, ADAPTIVE[name], settings, seed, tick)
    answers = all_answers(data, ramps, last)
    parts = (data.split.train, data.split.validation, data.split.test)
    train, validation, test = (exit_table(answers, data.label, rows, settings.mix, name) for rows in parts)
    layer = data.features.layer
    return Variant(name, ramps, train, validation, test, curve(validation, layer), curve(test, layer))
