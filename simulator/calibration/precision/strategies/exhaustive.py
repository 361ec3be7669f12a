"""Every configuration, cheapest first: exact, for small cases."""

from __future__ import annotations

from itertools import product

from simulator.calibration.precision.task import Proposals, Task
from simulator.errors import Problem, ScenarioError

MOST = 1_000_000
"""Configurations that are put in order of cost before the first is evaluated."""


def exhaustive(task: Task) -> Proposals:
    """All of them; refused when the budget, or the memory, does not hold them."""
    problem, others = task.problem, task.problem.size - 1
    if task.budget is not None and others > task.budget:
        message = (
            f"exhaustive needs {others + 1:,} evaluations, the budget has {task.budget + 1:,}: "
            "raise it, lift it (none), or take strategy additive"
        )
        raise ScenarioError(Problem(message, path="strategy"))
    if others > MOST:
        message = f"exhaustive would try {others + 1:.4g} configurations, at most {MOST:,} are possible: take additive"
        raise ScenarioError(Problem(message, path="strategy"))
    every = product(*(range(len(names)) for names in problem.candidates))
    for choice in sorted(every, key=problem.cost):
        if choice != problem.reference:
            yield choice
    return "every configuration was tried"
