"""Which service is meant, and which devices it may have."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.errors import Problem, ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.base import unknown
from simulator.scenario.deployment import Deployment
from simulator.scenario.service import Service


def chosen_service(scenario: Scenario, asked: str | None) -> str:
    """The service of that name; unless one is named, the only one whose model has ramps and exits."""
    problem = scenario.source.problem
    if not scenario.services:
        raise ScenarioError(problem(("services",), "there is no service"))
    if asked is not None:
        if asked not in scenario.services:
            raise ScenarioError(problem(("services",), unknown("service", asked, scenario.services)))
        return asked
    having = [name for name, spec in scenario.services.items() if _has_exits(scenario, spec)]
    if len(having) > 1:
        listed = ", ".join(having)
        raise ScenarioError(problem(("services",), f"several have a model with exits: name one of {listed}"))
    if not having and len(scenario.services) > 1:
        raise ScenarioError(problem(("services",), "none has a model with `ramps` and `exits`"))
    return having[0] if having else next(iter(scenario.services))


def _has_exits(scenario: Scenario, spec: Service) -> bool:
    model = scenario.models[spec.model]
    return model.ramps is not None and model.exits is not None


def devices_for(scenario: Scenario, name: str, asked: int | Mapping[str, int] | None) -> dict[str, int]:
    """Replicas of a whole model by pool: as many as were asked for, else what other services leave of the pools."""
    spec = scenario.services[name]
    used = list(dict.fromkeys(portion.pool for _, window in spec.timeline for portion in window.portions))
    wanted = _by_pool(used, asked)
    found = {}
    for pool in used:
        written = scenario.cluster.pools[pool]
        others = sum(held(other, pool) for key, other in scenario.services.items() if key != name)
        free = wanted.get(pool, written.count - others * written.devices_per_replica)
        found[pool] = free // written.devices_per_replica
        if found[pool] < 1:
            taken = f" ({others} replicas of other services are there)" if others and pool not in wanted else ""
            message = f"{max(free, 0)} devices are no replica of {written.devices_per_replica} for {name}{taken}"
            raise ScenarioError(scenario.source.problem(("cluster", "pools", pool, "count"), message))
    return found


def _by_pool(used: list[str], asked: int | Mapping[str, int] | None) -> Mapping[str, int]:
    if asked is None:
        return {}
    if isinstance(asked, int):
        if len(used) > 1:
            example = " ".join(f"{pool}=8" for pool in used)
            raise ScenarioError(Problem(f"the service uses several pools: say how many of each, as in {example}"))
        asked = {used[0]: asked}
    for pool, count in asked.items():
        if pool not in used:
            raise ScenarioError(Problem(f"devices: {unknown('pool of the service', pool, used)}"))
        if count < 1:
            raise ScenarioError(Problem(f"devices: must be at least 1 in {pool}, got {count}"))
    return asked


def held(spec: Service, pool: str) -> int:
    """Most replicas that a service, its twin included, has in a pool in any of its windows."""
    most = max((_in(window, pool) for _, window in spec.timeline), default=0)
    return most + (0 if spec.twin is None else _in(spec.twin.deployment, pool))


def _in(window: Deployment, pool: str) -> int:
    """Replicas of a deployment in a pool."""
    if window.execution == "serial":
        return window.replicas or 0 if window.portions[0].pool == pool else 0
    return sum(portion.replicas or 0 for portion in window.portions if portion.pool == pool)
