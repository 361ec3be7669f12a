"""Rules between the planner's section and the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from simulator.scenario.base import Rule, unknown
from simulator.scenario.exits import ProfileExits
from simulator.scenario.model import Model
from simulator.scenario.planning import LoadHistories, LoadHistory, SurvivePool

if TYPE_CHECKING:
    from simulator.scenario.root import Scenario


def planner_rules(scenario: Scenario) -> Iterator[Rule]:
    """What the planner names exists, and what it may choose can be chosen by some service."""
    planner = scenario.planner
    if planner is None:
        return
    pools, search = scenario.cluster.pools, planner.search
    for index, pool in enumerate(search.pools or ()):
        if pool not in pools:
            yield ("planner", "search", "pools", index), unknown("pool", pool, pools)
    if isinstance(planner.survive, SurvivePool) and len(pools) < 2:
        yield ("planner", "survive"), "needs two pools: the cluster has one"
    if "streamed" in search.weights and scenario.cluster.parameter_server is None:
        message = "`streamed` needs `cluster.parameter_server`, from which the layers come"
        yield ("planner", "search", "weights"), message
    yield from _forecasts(scenario, planner.forecast)
    yield from _exits(scenario, planned_models(scenario))


def planned_models(scenario: Scenario) -> Mapping[str, Model]:
    """Models of the services, those that are unknown left out."""
    named = (service.model for service in scenario.services.values())
    return {name: scenario.models[name] for name in named if name in scenario.models}


def _forecasts(scenario: Scenario, forecast: LoadHistory | LoadHistories | None) -> Iterator[Rule]:
    here = ("planner", "forecast")
    if isinstance(forecast, LoadHistories):
        for name in forecast.services:
            if name not in scenario.services:
                yield (*here, "services", name), unknown("service", name, scenario.services)
    elif forecast is not None and len(scenario.services) != 1:
        names = ", ".join(scenario.services) or "none"
        yield here, f"must say whose load it is, {{services: {{NAME: {{series: ..}}}}}}: the services are {names}"


def _exits(scenario: Scenario, models: Mapping[str, Model]) -> Iterator[Rule]:
    assert scenario.planner is not None
    search, here = scenario.planner.search, ("planner", "search")
    early = [mode for mode in search.exit_mode or () if mode != "none"]
    if early and models and not any(model.exits is not None for model in models.values()):
        yield (*here, "exit_mode"), f"`{early[0]}` needs a model with `exits`: no service has one"
    if search.exit_rules is None or not models:
        return
    if not any(model.exits is not None and not isinstance(model.exits, ProfileExits) for model in models.values()):
        yield (*here, "rules"), "need a model whose exits come from a table: a profile has no rule, it says who leaves"
