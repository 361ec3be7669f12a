"""What the plan may not touch: services that stay as they are, and the devices that they and others hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.cluster.lower.hardware import pools_of
from simulator.errors import ScenarioError
from simulator.planner.exits.whose import held
from simulator.planner.optimize.problem import PoolLimit
from simulator.scenario import Scenario
from simulator.scenario.planning import Planner
from simulator.scenario.service import Service
from simulator.scenario.stream_checks import training_devices
from simulator.scenario.undeployed import tenants
from simulator.scenario.workload import Closed


def planned_services(scenario: Scenario) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Services that a plan may change, and those that stay as written, with the reason.

    One that stays must say what is deployed; where none is left to plan, that is a problem.
    """
    inside = tenants(scenario.trainings)
    fixed = {name: why for name, spec in scenario.services.items() if (why := _fixed(name, spec, inside)) is not None}
    problem = scenario.source.problem
    missing = [name for name in fixed if not scenario.services[name].timeline]
    if missing:
        raise ScenarioError(
            [
                problem(("services", name), f"needs a `deployment`: {fixed[name]}, so it is not planned")
                for name in missing
            ]
        )
    planned = tuple(name for name in scenario.services if name not in fixed)
    if not planned:
        why = "; ".join(f"{name} {reason}" for name, reason in fixed.items()) or "there is none"
        raise ScenarioError(problem(("services",), f"there is no service to plan: {why}"))
    return planned, fixed


def _fixed(name: str, spec: Service, inside: set[str]) -> str | None:
    """Why a service stays as it is; None: it may be planned."""
    if name in inside:
        return "lives in the idle windows of a training"
    if spec.twin is not None:
        return "has a twin"
    if isinstance(spec.workload, Closed):
        return "has a closed load, which depends on its answers"
    scaled = any(one.autoscale or any(p.autoscale for p in one.portions) for _, one in spec.timeline)
    return "scales by itself" if scaled else None


def pool_limits(scenario: Scenario, services: Sequence[str] | None = None) -> tuple[PoolLimit, ...]:
    """Every pool in the scenario's order, with the devices left for the planned services (left out: all that may be).

    Trainings, streams and the other services keep what they hold at most.
    """
    planned = planned_services(scenario)[0] if services is None else tuple(services)
    inside = tenants(scenario.trainings)
    taken = training_devices(scenario.trainings, scenario.cluster.pools)
    for stream in scenario.streams.values():
        taken[stream.pool] += stream.devices * scenario.cluster.pools[stream.pool].devices_per_replica
    hardware = pools_of(scenario)
    found = []
    for name, pool in scenario.cluster.pools.items():
        others = (spec for other, spec in scenario.services.items() if other not in planned and other not in inside)
        replicas = sum(held(spec, name) for spec in others)
        left = pool.count - taken[name] - replicas * pool.devices_per_replica
        found.append(PoolLimit(name, max(left, 0), hardware[name].price_per_hour))
    return tuple(found)


def check_prices(scenario: Scenario, pools: Sequence[PoolLimit], planner: Planner | None = None) -> None:
    """Refuse to minimise a cost that nobody told: one message that names the pools without a price.

    A pool whose price is written as 0 is free, as long as another one is not.
    """
    planner = planner or scenario.planner or Planner()
    usable = [pool for pool in pools if planner.search.pools is None or pool.name in planner.search.pools]
    free = [pool.name for pool in usable if pool.price_per_hour <= 0]
    untold = [name for name in free if scenario.cluster.pools[name].price_per_hour is None]
    chosen = untold or (free if len(free) == len(usable) else [])
    if not chosen or planner.objective == "goodput":
        return
    names = ", ".join(chosen)
    message = f"prices are missing: devices of {names} cost nothing, so that there is no least cost; say what they cost"
    place = ("cluster", "pools", chosen[0], "price_per_hour")
    raise ScenarioError(scenario.source.problem(place, message))
