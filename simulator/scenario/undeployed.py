"""Services that wait for a plan: a scenario may leave open what is deployed only where a plan can say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.scenario.base import Rule
from simulator.scenario.service import Service
from simulator.scenario.training import Training

MISSING = "must say either `deployment` or `deployments`"


def tenants(trainings: Mapping[str, Training | None]) -> set[str]:
    """Services that live in the idle windows of a training, on its devices."""
    known = (training for training in trainings.values() if training is not None)
    return {name for training in known for what, name, _ in training.names() if what == "service"}


def undeployed_rules(
    services: Mapping[str, Service | None], trainings: Mapping[str, Training | None], has_planner: bool
) -> Iterator[Rule]:
    """Broken rules of services without a deployment."""
    inside = tenants(trainings)
    for name, service in services.items():
        if service is None or service.timeline:
            continue
        if not has_planner:
            yield ("services", name), f"{MISSING}; `plan optimize` finds one where there is a section `planner`"
        elif name in inside:
            yield ("services", name), f"{MISSING}: a service in the idle windows of a training is not planned"
        elif service.twin is not None:
            yield ("services", name), f"{MISSING}: a service with a `twin` is not planned"
