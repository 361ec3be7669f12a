"""Who decides what is deployed on a day: one entry of STRATEGIES each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from simulator.planner.backtest.days import Day
from simulator.planner.optimize.problem import PlannedLoad
from simulator.scenario.autoscale import Autoscale
from simulator.scenario.deployment import Deployment, TimedDeployment
from simulator.scenario.planfile import Plan


@dataclass(frozen=True)
class Decided:
    """What is deployed over a day; ``verified`` says whether the planner vouches for it, ``reason`` why not."""

    deployments: tuple[TimedDeployment, ...]
    verified: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What the planner found for a load."""

    plan: Plan
    holds: bool
    reason: str | None


Planning: TypeAlias = Callable[[PlannedLoad], Made]
Decide: TypeAlias = Callable[[Day, Planning, "Reaction"], Decided]


@dataclass(frozen=True, slots=True)
class Reaction:
    """The autoscaler: its target utilization, and how many devices each pool has."""

    target: float
    devices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to decide, with a line about it for people."""

    name: str
    about: str
    decide: Decide
    paired: bool = True
    """Whether it is what others are compared with (the plan) or is compared with it."""


def _planned(day: Day, planning: Planning, reaction: Reaction) -> Decided:
    del reaction
    return _decided(day, planning(day.forecast_load))


def _clairvoyant(day: Day, planning: Planning, reaction: Reaction) -> Decided:
    del reaction
    return _decided(day, planning(day.known_load))


def _naive(day: Day, planning: Planning, reaction: Reaction) -> Decided:
    del reaction
    return _decided(day, planning(day.naive_load))


def _static(day: Day, planning: Planning, reaction: Reaction) -> Decided:
    del reaction
    return _decided(day, planning(day.peak_load))


def _reactive(day: Day, planning: Planning, reaction: Reaction) -> Decided:
    """The static plan's portions; at midnight as many replicas as the plan of the first window has at least."""
    static, planned = _static(day, planning, reaction), _planned(day, planning, reaction)
    start, first = static.deployments[0], planned.deployments[0]
    if (start.execution, start.cuts) == (first.execution, first.cuts) and len(start.portions) == len(first.portions):
        counts = [portion.replicas for portion in first.portions]
        portions = [own.model_copy(update={"replicas": count}) for own, count in zip(start.portions, counts)]
        start = start.model_copy(update={"portions": tuple(portions), "replicas": first.replicas})
    scaled = autoscaled(start, reaction, least=1)
    return Decided((scaled,), static.verified, static.reason)


def _both(day: Day, planning: Planning, reaction: Reaction) -> Decided:
    """The plan is the floor, the autoscaler adds to it."""
    planned = _planned(day, planning, reaction)
    return Decided(
        tuple(autoscaled(one, reaction, least=None) for one in planned.deployments), planned.verified, planned.reason
    )


STRATEGIES: dict[str, Strategy] = {
    one.name: one
    for one in (
        Strategy("planned", "forecast at the planning quantile, plan by window", _planned),
        Strategy("clairvoyant", "the same planner, the load known beforehand", _clairvoyant),
        Strategy("static", "the same planner, one window: the forecast's peak all day", _static),
        Strategy("seasonal-naive", "the same planner, the day before as forecast", _naive),
        Strategy("reactive", "autoscaler alone (HorizontalPodAutoscaler's rule)", _reactive),
        Strategy("planned+reactive", "the plan as floor, the autoscaler adds to it", _both),
    )
}
"""By name; the first is the one that the others are compared with."""


def autoscaled(deployment: TimedDeployment, reaction: Reaction, least: int | None) -> TimedDeployment:
    """The deployment with replicas that follow the load; every portion may fill its share of the pool by itself."""
    if deployment.execution == "serial":
        most = _most(reaction, deployment.portions[0].pool, deployment.replicas or 1)
        rule = Autoscale(min=least, max=most, target=reaction.target)
        return deployment.model_copy(update={"autoscale": rule})
    portions = [
        portion.model_copy(
            update={
                "autoscale": Autoscale(
                    min=least, max=_most(reaction, portion.pool, portion.replicas or 1), target=reaction.target
                )
            }
        )
        for portion in deployment.portions
    ]
    return deployment.model_copy(update={"portions": tuple(portions)})


def _most(reaction: Reaction, pool: str, replicas: int) -> int:
    return max(reaction.devices.get(pool, replicas), replicas)


def _decided(day: Day, made: Made) -> Decided:
    """The windows of a plan as deployments with a start; equal neighbours are one."""
    found: list[TimedDeployment] = []
    for window in made.plan.windows:
        written = window.services[day.case.service]
        fields = {name: getattr(written, name) for name in Deployment.model_fields}
        if found and all(getattr(found[-1], name) == value for name, value in fields.items()):
            continue
        found.append(TimedDeployment.model_construct(**fields, from_=window.start))
    return Decided(tuple(found), made.holds, made.reason)
