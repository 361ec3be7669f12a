"""Which training is meant."""

from __future__ import annotations

from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.base import unknown


def chosen_training(scenario: Scenario, asked: str | None) -> str:
    """The training of that name; unless one is named, the only one."""
    problem = scenario.source.problem
    if not scenario.trainings:
        raise ScenarioError(problem((), "there is no training: add `trainings`"))
    if asked is not None:
        if asked not in scenario.trainings:
            raise ScenarioError(problem(("trainings",), unknown("training", asked, scenario.trainings)))
        return asked
    if len(scenario.trainings) > 1:
        listed = ", ".join(scenario.trainings)
        raise ScenarioError(problem(("trainings",), f"there are several: name one of {listed}"))
    return next(iter(scenario.trainings))
