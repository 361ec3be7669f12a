"""What a strategy is given, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from simulator.calibration.precision.problem import Choice, TuningProblem


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One answer: ``cost`` [unit of the problem], ``accuracy``, and whether it reaches the floor."""

    choice: Choice
    config: tuple[str, ...]
    cost: float
    accuracy: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Task:
    """``reference`` is evaluated already; ``floor`` the least accuracy that passes; ``budget`` the evaluations left.

    ``budget`` None is as many as it takes. ``losses`` are the accuracies lost by (layer, precision) alone, where known,
    and ``exact`` says that they add up exactly.
    """

    problem: TuningProblem
    reference: Evaluation
    floor: float
    budget: int | None
    seed: int = 0
    losses: Mapping[tuple[str, str], float] | None = None
    exact: bool = False


Proposals = Generator[Choice, Evaluation, str]
"""Yields what to evaluate next, is sent the answer, and returns why there is nothing left to ask."""
Strategy = Callable[[Task], Proposals]
