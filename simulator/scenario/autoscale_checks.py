"""Rules between autoscalers and the rest of a scenario: the pool holds their most, nothing else changes replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.scenario.autoscale import Autoscale
from simulator.scenario.base import Rule
from simulator.scenario.cluster import Pool
from simulator.scenario.deployment import Deployment
from simulator.scenario.service import Service
from simulator.scenario.stream_checks import deployments
from simulator.scenario.training import Training

Found = tuple[tuple[str | int, ...], Autoscale, str]
"""Key path of an autoscaler within its deployment, the autoscaler, and the pool of its replicas."""


def autoscale_rules(
    services: Mapping[str, Service | None],
    pools: Mapping[str, Pool | None],
    trainings: Mapping[str, Training | None],
) -> Iterator[Rule]:
    """Broken rules of autoscalers. Several together may ask for more than a pool has: who comes late then waits."""
    inside = {
        name
        for training in trainings.values()
        if training is not None
        for what, name, _ in training.names()
        if what == "service"
    }
    for name, service in services.items():
        for place, deployment in deployments(name, service) if service is not None else ():
            for path, rule, pool_name in autoscalers(deployment):
                if service is not None and service.twin is not None:
                    yield (*place, *path), "goes not with `twin`: its replicas and the main network's stand"
                elif name in inside:
                    yield (*place, *path), "goes not with a service that lives in the idle windows of a training"
                yield from _fits((*place, *path, "max"), rule, pool_name, pools.get(pool_name))


def autoscalers(deployment: Deployment) -> Iterator[Found]:
    """Every autoscaler of a deployment."""
    if deployment.autoscale is not None:
        yield ("autoscale",), deployment.autoscale, deployment.portions[0].pool
    for index, portion in enumerate(deployment.portions):
        if portion.autoscale is not None:
            yield ("portions", index, "autoscale"), portion.autoscale, portion.pool


def _fits(path: tuple[str | int, ...], rule: Autoscale, name: str, pool: Pool | None) -> Iterator[Rule]:
    if pool is None or rule.max * pool.devices_per_replica <= pool.count:
        return
    per = "" if pool.devices_per_replica == 1 else f" ({pool.devices_per_replica} per replica)"
    yield path, f"needs {rule.max * pool.devices_per_replica} devices{per} of pool {name!r}, which has {pool.count}"
