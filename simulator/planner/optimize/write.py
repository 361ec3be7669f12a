"""From what a search chose to a plan file: deployments in the scenario's own form, and what they stand for."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.planner.optimize.problem import Judgement, PlannedLoad, Space
from simulator.planner.optimize.search.found import Choice
from simulator.planner.optimize.space.deploy import deployment_of
from simulator.planner.optimize.verify.plan import Verification, WindowFigures
from simulator.results.cohort import Json
from simulator.scenario import Scenario
from simulator.scenario.planfile import Plan, PlannedScenario, PlanWindow
from simulator.scenario.planparts import Predicted, SurvivalBand, stated

Choices = Sequence[Sequence[Choice]]
"""By service, then by window."""
MOST_TEXT = 200
"""Characters of a name in a plan file."""


def plan_of(
    scenario: Scenario,
    load: PlannedLoad,
    spaces: Sequence[Space],
    choices: Choices,
    certificate: Json | None = None,
    checked: Verification | None = None,
) -> Plan:
    """The plan: what is deployed in every window, what it is sized for and what is predicted of it.

    Predictions are those of the verification, where there is one, else what was judged of each window alone.
    """
    windows = [_window(scenario, load, spaces, choices, checked, number) for number in range(len(load.windows))]
    return Plan(
        version=1,
        scenario=_scenario(scenario),
        forecast=load.forecast,
        windows=tuple(windows),
        certificate=certificate,
        verification=None if checked is None else checked.to_dict(),
    )


def _scenario(scenario: Scenario) -> PlannedScenario:
    source = scenario.source
    name = str(source.path)[-MOST_TEXT:] if source.path is not None else None
    return PlannedScenario(path=name, sha256=source.sha256, variants=source.variants, sets=source.sets)


def _window(
    scenario: Scenario,
    load: PlannedLoad,
    spaces: Sequence[Space],
    choices: Choices,
    checked: Verification | None,
    number: int,
) -> PlanWindow:
    here, each = load.windows[number], {n: p.devices_per_replica for n, p in scenario.cluster.pools.items()}
    rate, services, said, bands, predicted = {}, {}, {}, {}, {}
    for space, line in zip(spaces, choices):
        name, choice = space.service, line[number]
        deployment = deployment_of(space, choice.shape, choice.replicas)
        rate[name], services[name] = float(load.rates[name][number]), deployment
        said[name] = stated(deployment, each)
        seen = checked.services[name].windows[number] if checked is not None and checked.services else None
        predicted[name] = _predicted(space, choice, seen)
        if found := _bands(space, choice):
            bands[name] = found
    # Built as they are: what is validated is text with units
    return PlanWindow.model_construct(
        start=here.start_s,
        end=here.end_s,
        rate=rate,
        services=services,
        stated=said,
        survival=bands,
        predicted=predicted,
    )


def _predicted(space: Space, choice: Choice, seen: WindowFigures | None) -> Predicted:
    figures: Judgement | WindowFigures = choice.judgement if seen is None else seen
    return Predicted(
        p99=figures.p99_s,
        attainment=figures.attainment,
        goodput=figures.goodput,
        accuracy=choice.judgement.accuracy,
        cost_per_hour=space.price_per_hour(choice.shape, choice.replicas),
    )


def _bands(space: Space, choice: Choice) -> tuple[SurvivalBand, ...]:
    """Shares that get past each cut; ``detail`` says the first layer behind it."""
    survival = getattr(space.shapes[choice.shape].detail, "survival", ())
    return tuple(
        SurvivalBand(after=first - 1, measured=measured, low=min(low, high), high=high)
        for first, measured, low, high in survival
    )
