"""Additive sensitivities that learn: cheapest first, each answer changes what is thought of every layer.

One question per layer and precision, as additive sensitivity is usually measured, spends the budget where nothing is
decided: far from the floor. Here the first questions lower all layers together, step by step from the cheapest, until
something passes; each later one is the configuration with the largest expected saving,

    (cost of the best that passed - cost) x P(loss within what is tolerated)

by the model of ``surrogate`` (constrained expected improvement: Schonlau, Welch, Jones 1998). As long as nothing has
passed, the most probable to pass is next.
"""

from __future__ import annotations

import numpy as np

from simulator.calibration.precision.candidates import front, neighbours, proposed, whole
from simulator.calibration.precision.problem import Choice, TuningProblem
from simulator.calibration.precision.surrogate import Floats, Ints, Space, Surrogate
from simulator.calibration.precision.task import Evaluation, Proposals, Task

LEAST_GAIN = 1e-5
"""Share of the best cost below which an expected saving is not worth an evaluation: the budget is there to be used."""
LEAST_UNIT = 5e-3
"""Smallest tolerated loss, as a share of the reference's accuracy, that scales the model's priors."""
EXACT_LABELS = 4096
"""Partial configurations kept per layer where losses are known to add up."""
_CLIMBS, _TOPS = 20, 3


def additive(task: Task) -> Proposals:
    """Levels from the cheapest, then the largest expected saving, until none is worth an evaluation."""
    search = _Search(task)
    if not search.exact:
        for choice in levels(task.problem):
            if search.worth(choice):
                search.tell((yield choice))
    while True:
        best, why = search.best_next()
        if best is None:
            return why
        search.tell((yield best))


def levels(problem: TuningProblem) -> list[Choice]:
    """All layers at their cheapest, all at their second cheapest, and so on, the reference left out."""
    order = [sorted(range(len(costs)), key=costs.__getitem__) for costs in problem.costs]
    deepest = max(map(len, order))
    found = [tuple(row[min(step, row.index(0))] for row in order) for step in range(deepest)]
    return [choice for choice in dict.fromkeys(found) if choice != problem.reference]


class _Search:
    """Answers so far and what the model makes of them."""

    def __init__(self, task: Task) -> None:
        self.task, self.exact = task, task.exact and task.losses is not None
        self.space = Space(task.problem, task.losses)
        self.every = whole(self.space)
        self.told: list[Evaluation] = []
        self.best = task.reference if task.reference.passed else None
        self.tolerated = task.reference.accuracy - task.floor
        self.unit = max(self.tolerated, LEAST_UNIT * max(abs(task.reference.accuracy), 1e-9))

    def tell(self, answer: Evaluation) -> None:
        self.told.append(answer)
        if answer.passed and (self.best is None or answer.cost < self.best.cost):
            self.best = answer

    def worth(self, choice: Choice) -> bool:
        """Whether a choice would be cheaper than what has passed, and is not known."""
        known = any(answer.choice == choice for answer in self.told)
        return not known and (self.best is None or self.task.problem.cost(choice) < self.best.cost)

    def best_next(self) -> tuple[Choice | None, str]:
        """The next question, or None and why there is none."""
        losses = self.task.reference.accuracy - np.array([answer.accuracy for answer in self.told])
        asked = np.array([answer.choice for answer in self.told], dtype=np.int64)
        asked = asked.reshape(len(self.told), len(self.space.start))
        model = Surrogate(self.space, asked, losses, self.unit, self.exact)
        choices = self.open(self.every) if self.every is not None else self.climbed(model)
        if not len(choices):
            return None, "nothing cheaper is left to try"
        value = self.value(model, choices)
        place = int(value.argmax())
        if self.best is not None and value[place] < LEAST_GAIN * self.best.cost:
            return None, f"no expected saving reaches {100 * LEAST_GAIN:g} %"
        return tuple(choices[place].tolist()), ""

    def open(self, choices: Ints) -> Ints:
        """Those that are cheaper than what has passed and not known; cheapest first, so that equals go to it."""
        cost = self.space.cost(choices)
        keep = choices.any(axis=1) if self.best is None else cost < self.best.cost
        for answer in self.told:
            keep &= (choices != np.array(answer.choice)).any(axis=1)
        found: Ints = choices[keep][np.argsort(cost[keep], kind="stable")]
        return found

    def value(self, model: Surrogate, choices: Ints) -> Floats:
        """Expected saving [unit of the costs]; before anything has passed, how many deviations it is inside."""
        from scipy.special import ndtr

        mean, deviation = model.predict(choices)
        inside = (self.tolerated - mean) / np.maximum(deviation, 1e-12 * self.unit)
        if self.best is None:
            return np.asarray(inside, dtype=np.float64)
        return np.asarray((self.best.cost - self.space.cost(choices)) * ndtr(inside), dtype=np.float64)

    def climbed(self, model: Surrogate) -> Ints:
        """What the additive part proposes in a large space, and then the best of it changed layer by layer."""
        if self.exact:
            return self.open(front(self.space, model.sensitivities()[0], EXACT_LABELS))
        passed = [answer.choice for answer in self.told if answer.passed]
        near = np.array([(self.best or self.task.reference).choice, *passed[-2:]], dtype=np.int64)
        found = self.open(proposed(self.space, model, near, self.task.seed, len(self.told)))
        reached = -np.inf
        for _ in range(_CLIMBS):
            if not len(found):
                break
            value = self.value(model, found)
            if value.max() <= reached:
                break
            reached = float(value.max())
            tops = found[np.argsort(-value, kind="stable")[:_TOPS]]
            found = np.unique(np.concatenate([tops, self.open(neighbours(self.space, tops))]), axis=0)
            found = self.open(found)
        return found
