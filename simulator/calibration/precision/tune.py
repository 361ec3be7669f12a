"""Asks a strategy, an evaluator and a ledger in turn, and keeps the books: budget, floor, best so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from simulator.calibration.precision.floor import Floor
from simulator.calibration.precision.ledger import Ledger
from simulator.calibration.precision.problem import Choice, Config, Evaluator, TuningProblem
from simulator.calibration.precision.result import Tuned
from simulator.calibration.precision.strategies import DEFAULT, STRATEGIES
from simulator.calibration.precision.task import Evaluation, Strategy, Task
from simulator.errors import Problem, ScenarioError

BUDGET = 25
Progress = Callable[[float, float | None], object]


def tune(
    problem: TuningProblem,
    evaluate: Evaluator,
    floor: Floor,
    *,
    strategy: str = DEFAULT,
    budget: int | None = BUDGET,
    seed: int = 0,
    ledger: Path | str | None = None,
    stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """The cheapest configuration whose accuracy reaches ``floor``, within ``budget`` evaluations.

    The reference configuration is evaluated first and counts. ``budget`` None is as many as it takes. ``ledger`` names
    a file that keeps every accuracy; answers that it holds already are not asked again, but count as if they were, so
    that interrupted work ends where it would have ended. ``stop`` is asked before every evaluation (a time limit, say).
    An interruption (Ctrl-C) after the first answer returns the best so far. Deterministic in ``seed``.
    """
    chosen = _strategy(strategy)
    if budget is not None and budget < 1:
        raise ScenarioError(Problem(f"must be at least 1 evaluation, got {budget}", path="budget"))
    books = _Books(
        problem, evaluate, Ledger(None if ledger is None else Path(ledger), problem.described(_id(evaluate)))
    )
    books.budget, books.stop, books.progress = budget, stop, progress
    reference = books.ask(problem, problem.reference, -math.inf)
    least = floor.at(reference.accuracy)
    books.asked = [_judged(reference, least)]
    smaller, dropped = problem.faster() if books.asked[0].passed else (problem, ())
    left = None if budget is None else budget - 1
    task = Task(smaller, books.asked[0], least, left, seed, evaluate.losses, evaluate.predicted)
    ended = books.run(task, chosen)
    return Tuned(
        problem=problem,
        strategy=strategy,
        seed=seed,
        floor=floor,
        least=least,
        budget=budget,
        asked=tuple(books.asked),
        known_before=books.from_ledger,
        others=books.others(least),
        dropped=dropped,
        predicted=evaluate.predicted,
        identity=evaluate.identity,
        ended=ended,
        interrupted=books.interrupted,
    )


class _Books:
    """What was asked, what was known, and what is left."""

    budget: int | None
    stop: Callable[[], bool] | None
    progress: Progress | None

    def __init__(self, problem: TuningProblem, evaluate: Evaluator, ledger: Ledger) -> None:
        self.problem, self.evaluate, self.ledger = problem, evaluate, ledger
        self.asked: list[Evaluation] = []
        self.from_ledger = 0
        self.interrupted = False

    def run(self, task: Task, strategy: Strategy) -> str:
        """Ask until the strategy, the budget or the user ends it; why it ended."""
        try:
            return self._run(task, strategy)
        except KeyboardInterrupt:
            self.interrupted = True
            return "interrupted: the best so far"

    def _run(self, task: Task, strategy: Strategy) -> str:
        proposals = strategy(task)
        answer: Evaluation | None = None
        while True:
            try:
                choice = next(proposals) if answer is None else proposals.send(answer)
            except StopIteration as end:
                return str(end.value)
            if (known := self._asked(task.problem.config(choice))) is not None:
                answer = known
                continue
            if self.budget is not None and len(self.asked) >= self.budget:
                return "the budget is used up"
            if self.stop is not None and self.stop():
                return "the time limit is reached"
            answer = self.ask(task.problem, choice, task.floor)
            self.asked.append(answer)

    def ask(self, problem: TuningProblem, choice: Choice, least: float) -> Evaluation:
        """One answer, of the ledger if it has it."""
        config = problem.config(choice)
        if config in self.ledger.known:
            accuracy = self.ledger.known[config]
            self.from_ledger += 1
        else:
            accuracy = float(self.evaluate(config))
            if not math.isfinite(accuracy):
                shown = ", ".join(f"{layer}: {name}" for layer, name in zip(problem.layers, config))
                raise ScenarioError(
                    Problem(f"the accuracy is {accuracy}, not a number that can be compared, at {shown}")
                )
            self.ledger.add(config, accuracy)
        if self.progress is not None:
            self.progress(len(self.asked) + 1, self.budget)
        return Evaluation(choice, config, self.problem.cost(self.problem.choice(config)), accuracy, accuracy >= least)

    def others(self, least: float) -> tuple[Evaluation, ...]:
        """What the ledger knows beyond what was asked: it costs nothing to choose from it too."""
        asked = {one.config for one in self.asked}
        found = []
        for config, accuracy in self.ledger.known.items():
            if config not in asked:
                choice = self.problem.choice(config)
                found.append(Evaluation(choice, config, self.problem.cost(choice), accuracy, accuracy >= least))
        return tuple(found)

    def _asked(self, config: Config) -> Evaluation | None:
        return next((one for one in self.asked if one.config == config), None)


def _judged(one: Evaluation, least: float) -> Evaluation:
    return Evaluation(one.choice, one.config, one.cost, one.accuracy, one.accuracy >= least)


def _strategy(name: str) -> Strategy:
    if name not in STRATEGIES:
        message = f"unknown strategy {name!r}; there is {', '.join(STRATEGIES)}"
        raise ScenarioError(Problem(message, path="strategy"))
    return STRATEGIES[name]


def _id(evaluate: Evaluator) -> str:
    return evaluate.identity
