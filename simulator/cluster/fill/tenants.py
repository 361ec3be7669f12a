"""Inference services that live in the idle windows of a training: what is covered, and where their replicas are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from simulator.cluster.lower import lower
from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.lower.layers import ModelCosts
from simulator.cluster.lower.portions import needed_memory
from simulator.cluster.lowered import Lowered, Phase, Service
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import peaks
from simulator.costs.pipeline.filling import Fit, cycle_of, steady_lines
from simulator.costs.pipeline.times import Floats
from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario import service as written
from simulator.scenario.deployment import Deployment
from simulator.scenario.fill import ServicesFill

Place: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, eq=False)
class Tenant:
    """A service of one portion, alone in ``lowered``; ``devices`` of the training that hold a replica, in order."""

    lowered: Lowered
    devices: tuple[int, ...]
    memory_bytes: float
    folder: Path

    @property
    def service(self) -> Service:
        """The service."""
        return self.lowered.services[0]

    @property
    def name(self) -> str:
        """Its name."""
        return self.service.info.name

    @property
    def phase(self) -> Phase:
        """Times and batch size of a replica."""
        return self.service.stations[0].kinds[0].phases[0]

    @property
    def max_wait_s(self) -> float:
        """Longest time that a request waits for its batch to fill [s]."""
        return self.service.deployments[0].waits_s[0][0][0]


def inside(scenario: Scenario) -> frozenset[str]:
    """Services that live in the windows of a training."""
    fills = (training.fill for training in scenario.trainings.values())
    return frozenset(name for fill in fills if isinstance(fill, ServicesFill) for name in fill.services)


def without_tenants(scenario: Scenario) -> Scenario:
    """The scenario with those services only that have replicas of their own."""
    tenants = inside(scenario)
    if not tenants:
        return scenario
    rest = {name: service for name, service in scenario.services.items() if name not in tenants}
    return scenario.model_copy(update={"services": rest})


def tenants_of(
    scenario: Scenario, setup: TrainingSetup, pools: Mapping[str, Hardware], fill: ServicesFill
) -> tuple[Tenant, ...]:
    """All services of a fill; raises ScenarioError for what is not covered, or has no room."""
    here = ("trainings", setup.name, "fill", "services")
    first = peaks(setup.schedule, setup.memory) if setup.memory is not None else np.zeros(setup.ranks)
    room = np.tile(setup.room - first, setup.replicas)
    cycle = cycle_of(steady_lines(setup.schedule, setup.times, setup.ending))
    idle = np.tile(cycle.idle_s, setup.replicas)
    _check_length(scenario, setup, cycle.period_s)
    if scenario.run.warmup == "auto":
        raise _refused(
            scenario, ("run", "warmup"), "must be a duration where services live in the windows of a training"
        )
    found = []
    for index, name in enumerate(fill.services):
        for place, message in _refusals(scenario, setup, pools, name):
            raise _refused(scenario, ("services", name, *place), f"in idle windows of a training, {message}")
        found.append(_tenant(scenario, setup, (*here, index), name, Fit(fill.switch, fill.margin), room, idle))
    return tuple(found)


def _refused(scenario: Scenario, place: Place, message: str) -> ScenarioError:
    return ScenarioError(scenario.source.problem(place, message))


def _check_length(scenario: Scenario, setup: TrainingSetup, period_s: float) -> None:
    """The windows are there as long as requests come."""
    needed = math.ceil(scenario.run.duration / period_s) + 1
    if setup.iterations < needed:
        message = (
            f"the services in its windows run for {scenario.run.duration:g}s, which needs at least {needed} iterations"
        )
        raise _refused(scenario, ("trainings", setup.name, "iterations"), message)


def _refusals(
    scenario: Scenario, setup: TrainingSetup, pools: Mapping[str, Hardware], name: str
) -> Iterator[tuple[Place, str]]:
    """What a service asks for that is not covered: place in it, and why."""
    service: written.Service = scenario.services[name]
    if service.deployment is None:
        yield ("deployments",), "a service has one deployment"
        return
    checks: tuple[tuple[bool, Place, str], ...] = (
        (service.twin is not None, ("twin",), "a service has no twin"),
        (service.workload.process == "closed", ("workload", "process"), "a service has an open load"),
        (service.classes is not None, ("classes",), "a service has no classes"),
        (service.jitter.distribution != "deterministic", ("jitter",), "service times are exact: batches have to fit"),
        (pools[setup.pool.name].pool.faults is not None, ("deployment",), "devices do not fail (no `faults`)"),
    )
    yield from ((place, message) for wrong, place, message in checks if wrong)
    for place, message in _not_covered(service.deployment, setup.pool.name):
        yield ("deployment", *place), message


def _not_covered(deployment: Deployment, pool: str) -> Iterator[tuple[Place, str]]:
    if len(deployment.portions) != 1:
        yield ("portions",), "a service is one portion"
        return
    portion = deployment.portions[0]
    if portion.weights != "resident":
        yield ("portions", 0, "weights"), "weights are resident"
    if deployment.exit_mode != "none":
        yield ("exit_mode",), "a service has no early exits (`exit_mode: none`)"
    if deployment.execution != "parallel":
        yield ("execution",), "execution is parallel"
    if deployment.routing != "shared":
        yield ("routing",), "all replicas share one queue (`routing: shared`)"
    if portion.pool != pool:
        yield ("portions", 0, "pool"), f"a portion lies on the pool of the training, {pool!r}"


def _tenant(
    scenario: Scenario, setup: TrainingSetup, here: Place, name: str, fit: Fit, room: Floats, idle: Floats
) -> Tenant:
    service = scenario.services[name]
    assert service.deployment is not None
    portion = service.deployment.portions[0]
    needed = needed_memory(ModelCosts(scenario, service.model, scenario.models[service.model]), [portion])
    lowered = lower(scenario.model_copy(update={"services": {name: service}}))
    fitting = [number for number in range(len(room)) if room[number] >= needed and idle[number] > 0.0]
    count = lowered.services[0].deployments[0].replicas[0][0]
    if count > len(fitting):
        message = (
            f"service {name!r} needs {needed / 1e9:.4g} GB beside the training for each of its {count} replicas, which "
            f"{len(fitting)} of {len(room)} stages have (the training itself counted with its peak)"
        )
        raise _refused(scenario, here, message)
    chosen = sorted(sorted(fitting, key=lambda number: (-round(float(idle[number]), 9), -room[number], number))[:count])
    room[chosen] -= needed
    return Tenant(lowered, tuple(chosen), needed, scenario.source.folder)
