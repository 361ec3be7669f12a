"""Everything that a search needs, made from a scenario; what cannot be planned is refused here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np

from simulator.planner.optimize.load import planned_load
from simulator.planner.optimize.problem import Floats, PlannedLoad, PlanProblem, PoolLimit, Space
from simulator.planner.optimize.space.build import AnyPlan, any_plan_bound, space_of
from simulator.planner.optimize.space.fixed import check_prices, planned_services, pool_limits
from simulator.scenario import Scenario
from simulator.scenario.planning import Planner
from simulator.scenario.service import Service, Slo

RESOLUTION, MOST_FACTOR = 1e-4, 2.0**30
"""Relative width at which the search for the highest possible load ends, and where it gives up."""


@dataclass(frozen=True, eq=False)
class Ready:
    """A scenario with its planner's section, the load, the pools, and the space of every planned service."""

    scenario: Scenario
    planner: Planner
    load: PlannedLoad
    pools: tuple[PoolLimit, ...]
    spaces: tuple[Space, ...]

    @property
    def services(self) -> tuple[str, ...]:
        """The planned services."""
        return tuple(space.service for space in self.spaces)

    @property
    def hours(self) -> float:
        """Length of the horizon [h]."""
        return sum(window.hours for window in self.load.windows)

    @cached_property
    def problem(self) -> PlanProblem:
        """What the program chooses from."""
        rates = np.array([self.load.rates[name] for name in self.services])
        hourly = self.planner.budget_per_hour
        budget = None if hourly is None else hourly * self.hours
        return PlanProblem(self.load.windows, self.pools, self.spaces, rates, self.planner.switch_cost, budget)

    @cached_property
    def judged(self) -> Scenario:
        """The scenario by which a plan is verified: for the most attainment of a budget nothing is demanded."""
        if self.planner.objective != "attainment":
            return self.scenario
        services = {name: _undemanding(spec) for name, spec in self.scenario.services.items()}
        return self.scenario.model_copy(update={"services": services})

    @cached_property
    def _bounds(self) -> dict[str, AnyPlan]:
        return {name: any_plan_bound(self.scenario, name, self.pools, self.planner) for name in self.services}

    @cached_property
    def any_factor(self) -> float | None:
        """No plan carries more than so many times the load; None where nothing is known."""

        def possible(factor: float) -> bool:
            return all(
                isfinite(self._bounds[name].cost_per_hour(float(self.load.rates[name].max()) * factor))
                for name in self.services
            )

        low, high = 0.0, 1.0
        while possible(high):
            low, high = high, 2 * high
            if high > MOST_FACTOR:
                return None
        while high - low > RESOLUTION * high:
            middle = (low + high) / 2
            low, high = (middle, high) if possible(middle) else (low, middle)
        return high

    @cached_property
    def any_plan(self) -> float | None:
        """No plan that meets the objectives in every window costs less, whatever its cuts, batches and formats."""
        total = 0.0
        for name in self.services:
            bound = self._bounds[name]
            rates: Floats = self.load.rates[name]
            least = {float(rate): bound.cost_per_hour(float(rate)) for rate in np.unique(rates)}
            total += sum(
                least[float(rate)] * window.hours for rate, window in zip(rates, self.load.windows) if rate > 0
            )
        return total if isfinite(total) else None


def _undemanding(spec: Service) -> Service:
    """A service whose attainment is measured, not demanded."""

    def without(slo: Slo | None) -> Slo | None:
        return None if slo is None else slo.model_copy(update={"attainment": None})

    classes = spec.classes and tuple(one.model_copy(update={"slo": without(one.slo)}) for one in spec.classes)
    return spec.model_copy(update={"slo": without(spec.slo), "classes": classes})


def ready(scenario: Scenario, load: PlannedLoad | None = None) -> Ready:
    """Bind everything; raises ScenarioError for what cannot be planned, with its place.

    Services without a deployment are planned, or all where every one has one.
    """
    planner = scenario.planner or Planner()
    scenario = scenario.model_copy(update={"planner": planner})
    able, _ = planned_services(scenario)
    names = tuple(name for name in able if name in scenario.undeployed) or able
    pools = pool_limits(scenario, names)
    check_prices(scenario, pools, planner)
    load = load or planned_load(scenario, services=names)
    spaces = tuple(space_of(scenario, name, pools, planner) for name in names)
    return Ready(scenario, planner, load, pools, spaces)
