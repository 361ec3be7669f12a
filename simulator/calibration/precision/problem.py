"""What is tuned: one precision per layer, the cost of each, and the accuracy that must remain."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from simulator.errors import Problem, ScenarioError

Choice = tuple[int, ...]
"""One index into the candidates per layer; all zeros is the reference."""
Config = tuple[str, ...]
"""One precision per layer."""


class Evaluator(Protocol):
    """Says how accurate a configuration is: the expensive question."""

    @property
    def identity(self) -> str:
        """Changes whenever an answer could: a hash of everything that decides it."""
        ...

    @property
    def predicted(self) -> bool:
        """Whether answers are predictions (a sum of measured losses), not measurements."""
        ...

    @property
    def losses(self) -> Mapping[tuple[str, str], float] | None:
        """Accuracy lost by (layer, precision) alone, where that is known beforehand."""
        ...

    def __call__(self, config: Config) -> float:
        """Accuracy of one precision per layer; higher is better."""
        ...


@dataclass(frozen=True)
class Measured:
    """An evaluator made of any function; ``identity`` must change when its answers do."""

    function: Callable[[Config], float]
    identity: str
    predicted: bool = False
    losses: Mapping[tuple[str, str], float] | None = None

    def __call__(self, config: Config) -> float:
        """Ask the function."""
        return float(self.function(config))


@dataclass(frozen=True, slots=True)
class TuningProblem:
    """Layers, the precisions that each may have, and what each costs.

    ``candidates[l]`` starts with the layer's reference precision; ``costs[l][k]`` is the cost of layer l at its k-th
    candidate [``unit``]. The cost of a configuration is the sum over its layers.

    >>> two = TuningProblem(("a", "b"), (("fp32", "int8"),) * 2, ((4.0, 1.0), (2.0, 3.0)))
    >>> two.cost((1, 0)), two.config((1, 0)), two.size
    (3.0, ('int8', 'fp32'), 4)
    """

    layers: tuple[str, ...]
    candidates: tuple[tuple[str, ...], ...]
    costs: tuple[tuple[float, ...], ...]
    unit: str = "s"

    def __post_init__(self) -> None:
        if not self.layers:
            raise ScenarioError(Problem("has no layers", path="layers"))
        if not len(self.layers) == len(self.candidates) == len(self.costs):
            raise ScenarioError(Problem("candidates and costs must have one entry per layer", path="layers"))
        problems = [Problem("is there twice", path=name) for name in sorted(_twice(self.layers))]
        for name, precisions, costs in zip(self.layers, self.candidates, self.costs):
            problems += [Problem(message, path=name) for message in _wrong(precisions, costs)]
        if problems:
            raise ScenarioError(problems)

    @property
    def size(self) -> int:
        """Number of configurations."""
        return math.prod(map(len, self.candidates))

    @property
    def reference(self) -> Choice:
        """Every layer at its reference precision."""
        return (0,) * len(self.layers)

    def cost(self, choice: Choice) -> float:
        """Cost of a configuration [``unit``], added from the first layer to the last."""
        return sum(costs[k] for costs, k in zip(self.costs, choice))

    def config(self, choice: Choice) -> Config:
        """The precisions that a choice names."""
        return tuple(names[k] for names, k in zip(self.candidates, choice))

    def choice(self, config: Sequence[str]) -> Choice:
        """The choice that names these precisions; ValueError when one is no candidate."""
        return tuple(names.index(name) for names, name in zip(self.candidates, config, strict=True))

    def faster(self) -> tuple[TuningProblem, tuple[tuple[str, str], ...]]:
        """The problem without candidates that save nothing, and those left out as (layer, precision).

        A precision that costs a layer as much as its reference, or more, makes no configuration faster: found
        without asking for a single accuracy.
        """
        kept = [[k for k, cost in enumerate(costs) if k == 0 or cost < costs[0]] for costs in self.costs]
        dropped = tuple(
            (layer, name)
            for layer, names, keep in zip(self.layers, self.candidates, kept)
            for k, name in enumerate(names)
            if k not in keep
        )
        candidates = tuple(tuple(names[k] for k in keep) for names, keep in zip(self.candidates, kept))
        costs = tuple(tuple(row[k] for k in keep) for row, keep in zip(self.costs, kept))
        return TuningProblem(self.layers, candidates, costs, self.unit), dropped

    def described(self, identity: str) -> dict[str, object]:
        """What an accuracy depends on, and the costs, as plain values: the head of a ledger."""
        body: dict[str, object] = {
            "layers": list(self.layers),
            "candidates": [list(names) for names in self.candidates],
            "costs": [list(costs) for costs in self.costs],
            "unit": self.unit,
            "evaluator": identity,
        }
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        return {"problem": digest, **body}


def _twice(names: Sequence[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}


def _wrong(precisions: Sequence[str], costs: Sequence[float]) -> list[str]:
    found = [f"names precision {name} twice" for name in sorted(_twice(precisions))]
    if not precisions or len(precisions) != len(costs):
        found.append(f"must have as many costs as precisions and at least one, got {len(costs)} and {len(precisions)}")
    for name, cost in zip(precisions, costs):
        if not (math.isfinite(cost) and cost >= 0):
            found.append(f"cost at {name} must be finite and not negative, got {cost!r}")
    return found
