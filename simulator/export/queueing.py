"""What a plan yields as it was verified, and as its target really queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simulator.cluster import simulate
from simulator.errors import ScenarioError
from simulator.export.case import Case
from simulator.export.features import Feature, found_in
from simulator.export.target import Target
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment
from simulator.scenario.service import Queue, Service

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a simulation says of a service."""

    attainment: float | None
    """Share of the requests within the objective; None without one."""
    p99_s: float | None
    """99th percentile of the latency [s]; None where nothing was completed."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Both figures of a service, or of a class of its requests that has an objective of its own."""

    service: str
    """Its name; of a class ``SERVICE, class NAME``."""
    slo_s: float | None
    """Latency objective [s]."""
    asked: float | None
    """Share of the requests that must meet it."""
    verified: Figures
    """With the routing and queues of the plan."""
    target: Figures | None
    """As the target queues; None when that could not be simulated."""

    @property
    def misses(self) -> bool:
        """Whether the objective holds as verified and is missed as the target queues."""
        if self.asked is None or self.verified.attainment is None or self.target is None:
            return False
        return self.verified.attainment >= self.asked > (self.target.attainment or 0.0)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"misses": self.misses}


@dataclass(frozen=True, slots=True)
class Comparison:
    """All services, and whether the target queues otherwise than the plan was verified."""

    services: tuple[Compared, ...]
    otherwise: tuple[str, ...]
    """What is different, in words; empty where the target queues as verified."""
    failure: str | None = None
    """Why there are no figures of the target."""
    simulated_s: float | None = None
    """How much of the plan the run covers, where that is not all of it [s]."""


def compare(
    case: Case,
    target: Target,
    *,
    seed: int | None = None,
    replications: int | str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Simulate the case as verified and as ``target`` queues, with the same arrivals."""
    plain = case.scenario.model_copy(update={"trainings": {}, "streams": {}})
    other, otherwise = as_target(case, plain, target)

    def run(scenario: Scenario, number: int, of: int) -> Mapping[str, Figures]:
        tick = None if progress is None else lambda share: progress((number + share) / of)
        tree = simulate(scenario, seed=seed, replications=replications, progress=tick).to_dict()["services"]
        return {name: Figures(one["attainment"], one["latency"]["p99"]) for name, one in _with_classes(tree)}

    verified = run(plain, 0, 2 if otherwise else 1)
    failure, found = None, verified
    if otherwise:
        try:
            found = run(other, 1, 2)
        except ScenarioError as error:  # a queue without bound may not fit into memory
            failure, found = error.problems[0].message, {}
    end_s, run_s = case.windows[-1].end_s, plain.run.duration
    return Comparison(tuple(_compared(plain, verified, found)), otherwise, failure, run_s if run_s < end_s else None)


def _compared(scenario: Scenario, verified: Mapping[str, Figures], target: Mapping[str, Figures]) -> Sequence[Compared]:
    found = []
    for name, service in scenario.services.items():
        slo = service.slo
        latency_s, asked = (None, None) if slo is None else (slo.latency, slo.attainment)
        found.append(Compared(name, latency_s, asked, verified[name], target.get(name)))
        for kind in service.classes or ():
            if kind.slo is not None:
                share = asked if kind.slo.attainment is None else kind.slo.attainment
                key = _class_name(name, kind.name)
                found.append(Compared(key, kind.slo.latency, share, verified[key], target.get(key)))
    return found


def _with_classes(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Figures of every service, and of every class of its requests."""
    for name, one in tree.items():
        yield name, one
        yield from ((_class_name(name, kind), figures) for kind, figures in one.get("classes", {}).items())


def _class_name(service: str, kind: str) -> str:
    return f"{service}, class {kind}"


def as_target(case: Case, scenario: Scenario, target: Target) -> tuple[Scenario, tuple[str, ...]]:
    """The scenario with the queues of a target: its routing, and without what is lost there; and what changed."""
    lost = {(one.place, one.feature) for one in found_in(case) if target.verdict(one.feature).kind == "lost"}
    services, said = {}, []
    for name, service in scenario.services.items():
        changed = service
        was = sorted({one.routing for _, one in service.timeline} - {target.routing})
        if was and _any_choice(service):
            changed = _each(changed, lambda one: one.model_copy(update={"routing": target.routing}))
            said.append(f"service {name}: routing {' and '.join(was)} becomes {target.routing}")
        for feature, without in _WITHOUT.items():
            if (f"service {name}", feature) in lost:
                changed = without(changed)
                said.append(f"service {name}: without {feature.value}")
        services[name] = changed
    return scenario.model_copy(update={"services": services}), tuple(said)


def _any_choice(service: Service) -> bool:
    """Whether there ever are two replicas to choose from."""
    counts: dict[Any, int] = {}
    for index, (_, one) in enumerate(service.timeline):
        for portion in one.portions:
            key = (index, portion.layers)
            counts[key] = counts.get(key, 0) + (portion.replicas or one.replicas or 0)
    autoscaled = any(
        one.autoscale is not None or any(p.autoscale is not None for p in one.portions) for _, one in service.timeline
    )
    # replicas of the window before serve beside those of this one while they finish
    return autoscaled or max(counts.values()) > 1 or len(service.timeline) > 1


def _each(service: Service, change: Callable[[Deployment], Deployment]) -> Service:
    """A service with every deployment changed."""
    if service.deployments is not None:
        return service.model_copy(update={"deployments": tuple(change(one) for one in service.deployments)})
    assert service.deployment is not None
    return service.model_copy(update={"deployment": change(service.deployment)})


def _without_classes(service: Service) -> Service:
    kinds = tuple(kind.model_copy(update={"priority": 0}) for kind in service.classes or ())
    return service.model_copy(update={"classes": kinds})


def _without_autoscaler(service: Service) -> Service:
    def fixed(one: Deployment) -> Deployment:
        portions = tuple(portion.model_copy(update={"autoscale": None}) for portion in one.portions)
        return one.model_copy(update={"autoscale": None, "portions": portions})

    return _each(service, fixed)


def _without(**queue: Any) -> Callable[[Service], Service]:
    def changed(service: Service) -> Service:
        return service.model_copy(update={"queue": Queue.model_validate(service.queue.model_dump() | queue)})

    return changed


_WITHOUT: Mapping[Feature, Callable[[Service], Service]] = {
    Feature.CLASSES: _without_classes,
    Feature.CAPACITY: _without(capacity=None),
    Feature.DROP: _without(drop="never"),
    Feature.AUTOSCALE: _without_autoscaler,
}
"""How a service looks without what a target loses; only these features can be lost."""
