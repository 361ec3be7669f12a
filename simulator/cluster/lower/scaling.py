"""Autoscalers of a deployment, by station and kind of replica."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.cluster.lowered import Scaling
from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.autoscale import Autoscale
from simulator.scenario.deployment import Deployment, Portion

MOST_LOOKS = 1e7


def scaling_of(
    deployment: Deployment, groups: Sequence[Mapping[Any, Sequence[Portion]]], kinds: Sequence[Sequence[Any]]
) -> tuple[tuple[Scaling | None, ...], ...]:
    """Autoscalers by station and kind; empty where a deployment has none.

    ``groups`` has the written portions of every kind of each station, ``kinds`` the keys of all kinds that a station
    ever has, in order.
    """
    if deployment.autoscale is None and not any(portion.autoscale for portion in deployment.portions):
        return ()
    return tuple(
        tuple(_limits(deployment, group[key][0]) if key in group else None for key in keys)
        for group, keys in zip(groups, kinds)
    )


def _limits(deployment: Deployment, portion: Portion) -> Scaling | None:
    serial = deployment.execution == "serial"
    rule, replicas = (deployment if serial else portion).autoscale, (deployment if serial else portion).replicas
    return None if rule is None else Scaling(rule.min or replicas or 1, rule.max, rule)


def check_looks(scenario: Scenario) -> None:
    """Every look at the replicas is an event: refuse more of them than any run could want to see."""
    run = scenario.run
    length_s = run.duration + (run.duration if run.drain is None else run.drain)
    rules = [(path, rule) for name in scenario.services for path, rule in _rules(scenario, name)]
    expected = sum(length_s / rule.period for _, rule in rules)
    if expected > MOST_LOOKS:
        path = min(rules, key=lambda found: found[1].period)[0]
        message = f"about {expected:.2g} looks of autoscalers in this run, at most {MOST_LOOKS:.0e} are simulated"
        raise ScenarioError(scenario.source.problem((*path, "period"), f"{message}: raise period"))


def _rules(scenario: Scenario, name: str) -> Iterator[tuple[tuple[str | int, ...], Autoscale]]:
    service = scenario.services[name]
    several = service.deployment is None
    for number, (_, deployment) in enumerate(service.timeline):
        here = ("services", name, *(("deployments", number) if several else ("deployment",)))
        if deployment.autoscale is not None:
            yield (*here, "autoscale"), deployment.autoscale
        for index, portion in enumerate(deployment.portions):
            if portion.autoscale is not None:
                yield (*here, "portions", index, "autoscale"), portion.autoscale
