"""Small problems whose accuracies are known in closed form, and what a search asked of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from hypothesis import strategies as st

from simulator.calibration.precision import Measured, TuningProblem
from simulator.calibration.precision.problem import Choice, Config

NAMES = ("fp32", "int8", "int4", "int3")


@dataclass
class Case:
    """Accuracy = 0.95 less single losses less losses of pairs, in steps of 1/200; remembers every question."""

    problem: TuningProblem
    single: np.ndarray
    pairs: np.ndarray
    asked: list[Config] = field(default_factory=list)

    def accuracy(self, choice: Choice) -> float:
        loss = sum(self.single[layer, k] for layer, k in enumerate(choice))
        for layer, k in enumerate(choice[:-1]):
            loss += self.pairs[layer] * (k > 0 and choice[layer + 1] > 0)
        return float(np.round((0.95 - loss) * 200) / 200)

    @property
    def evaluate(self) -> Measured:
        def answer(config: Config) -> float:
            self.asked.append(config)
            return self.accuracy(self.problem.choice(config))

        return Measured(answer, "case")

    def choices(self, problem: TuningProblem | None = None) -> list[Choice]:
        return list(product(*(range(len(names)) for names in (problem or self.problem).candidates)))


def case(layers: int, kinds: int, seed: int, spread: float = 0.02) -> Case:
    """A case with ``kinds`` precisions per layer; costs that now and then do not fall with the precision."""
    draws = np.random.default_rng(seed)
    factors = draws.uniform(0.1, 1.1, (layers, kinds))
    factors[:, 0] = 1.0
    costs = (draws.lognormal(0, 0.7, layers)[:, None] * factors).round(3)
    single = draws.normal(spread / 2, spread, (layers, kinds))
    single[:, 0] = 0.0
    names = (NAMES[:kinds],) * layers
    problem = TuningProblem(tuple(f"l{k}" for k in range(layers)), names, tuple(map(tuple, costs.tolist())), "s")
    return Case(problem, single, draws.normal(0, spread / 3, layers))


cases = st.builds(
    case, st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([0.002, 0.02, 0.1])
)
