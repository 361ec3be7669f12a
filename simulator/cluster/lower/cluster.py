"""The whole scenario, lowered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.cluster.lower.capacity import overload_warnings
from simulator.cluster.lower.exits import ModelExits
from simulator.cluster.lower.hardware import Hardware, Route, pools_of, routes_of
from simulator.cluster.lower.layers import ModelCosts
from simulator.cluster.lower.scaling import check_looks
from simulator.cluster.lower.server import server_of_services
from simulator.cluster.lower.stations import StationBuilder
from simulator.cluster.lower.streamed import check_server, link_warnings
from simulator.cluster.lower.twins import answers_of
from simulator.cluster.lowered import Deployment, Jitter, Link, Lowered, Service
from simulator.errors import ScenarioError
from simulator.results.record import ClassInfo, PoolInfo, PortionInfo, ServiceInfo
from simulator.scenario import Scenario, deployment
from simulator.scenario import service as written

Place = tuple[str | int, ...]
"""Key path in the scenario."""
Timeline = Sequence[tuple[float, deployment.Deployment]]
"""Deployments with their start [s]."""
INFINITY = float("inf")
MOST_FAULTS = 1e6


def lower(scenario: Scenario) -> Lowered:
    """Arrays for the engines; raises ScenarioError for whatever cannot work, with its place in the file."""
    _check_deployed(scenario)
    lowering = _Lowering(scenario, pools_of(scenario), routes_of(scenario.cluster.network), [], [])
    services = tuple(lowering.service(index, name) for index, name in enumerate(scenario.services))
    _check_faults(scenario, [*services, *(service.twin.service for service in services if service.twin)])
    check_looks(scenario)
    check_server(scenario)
    lowering.warnings.extend(link_warnings(scenario, services))
    run, network = scenario.run, scenario.cluster.network
    return Lowered(
        seed=scenario.seed,
        duration_s=run.duration,
        warmup_s=0.0 if run.warmup == "auto" else run.warmup,
        drain_s=run.duration if run.drain is None else run.drain,
        overlap=network is not None and network.overlap,
        services=services,
        portions=tuple(lowering.portions),
        pools=tuple(PoolInfo(h.name, h.pool.count, h.price_per_hour) for h in lowering.pools.values()),
        links=_links(scenario),
        warnings=tuple(dict.fromkeys(lowering.warnings)),
        server=server_of_services(scenario, services, lowering.pools),
    )


def _check_deployed(scenario: Scenario) -> None:
    """Refuse services that wait for a plan."""
    if scenario.undeployed:
        names = ", ".join(scenario.undeployed)
        message = f"nothing is deployed for {names}: `plan optimize` finds a plan, --plan FILE uses it"
        raise ScenarioError(scenario.source.problem(("services", scenario.undeployed[0]), message))


def _check_faults(scenario: Scenario, services: Sequence[Service]) -> None:
    """Failures are events: refuse more of them than any run could want to see."""
    for index, (name, pool) in enumerate(scenario.cluster.pools.items()):
        if pool.faults is None:
            continue
        replicas = sum(max(_in_pool(service, d, index) for d in service.deployments) for service in services)
        expected = replicas * 2 * scenario.run.duration / (pool.faults.mtbf + pool.faults.mttr)
        if expected > MOST_FAULTS:
            message = f"about {expected:.2g} failures in this run, at most {MOST_FAULTS:.0e} are simulated: raise mtbf"
            raise ScenarioError(scenario.source.problem(("cluster", "pools", name, "faults"), message))


def _in_pool(service: Service, deployment: Deployment, pool: int) -> int:
    """Most replicas that a deployment has in a pool."""
    pairs = zip(deployment.stations, deployment.most)
    return sum(n for i, counts in pairs for kind, n in zip(service.stations[i].kinds, counts) if kind.pool == pool)


@dataclass(frozen=True)
class _Lowering:
    scenario: Scenario
    pools: dict[str, Hardware]
    routes: tuple[dict[tuple[str, str], Route], Route]
    portions: list[PortionInfo]
    warnings: list[str]

    def service(self, index: int, name: str) -> Service:
        spec = self.scenario.services[name]
        base = ("services", name)
        several = spec.deployment is None
        places = [(*base, *(("deployments", n) if several else ("deployment",))) for n in range(len(spec.timeline))]
        exits = self._exits(spec.model)
        service = self._built(index, spec, _info(name, spec, exits.accuracy_full), exits, spec.timeline, places)
        if spec.twin is not None:
            info = replace(service.info, name=f"{name}/twin", accuracy_full=None)
            timeline, place = ((0.0, spec.twin.deployment),), (*base, "twin", "deployment")
            answers = answers_of(self.scenario, name, spec.twin, exits)
            of_twin = replace(self._exits(spec.twin.model), told=answers.accuracy)
            beside = self._built(index, spec, info, of_twin, timeline, [place], twin=True)
            beside = replace(beside, exits=None, capacity=None)
            service = replace(service, twin=answers.given_by(beside))
        self.warnings.extend(overload_warnings(self.scenario, service))
        return service

    def _exits(self, model: str) -> ModelExits:
        return ModelExits(ModelCosts(self.scenario, model, self.scenario.models[model]))

    def _built(
        self,
        index: int,
        spec: written.Service,
        info: ServiceInfo,
        exits: ModelExits,
        timeline: Timeline,
        places: Sequence[Place],
        twin: bool = False,
    ) -> Service:
        """One network of a service on its stations."""
        self._check_layers(timeline, places, exits.layers)
        builder = StationBuilder(
            info.name, places, index, exits.costs, exits, self.pools, self.routes, self.portions, self.warnings, twin
        )
        stations, deployments = builder.build(timeline)
        return Service(
            info=info,
            workload=spec.workload,
            class_shares=np.cumsum([c.share for c in spec.classes] if spec.classes else [1.0]),
            layers=exits.layers,
            exits=exits.lowered,
            jitter=Jitter(spec.jitter.distribution, spec.jitter.cv or 0.0),
            capacity=spec.queue.capacity,
            drop=spec.queue.drop,
            retries=0 if spec.on_fault == "drop" else spec.on_fault.retries,
            stations=tuple(stations),
            deployments=tuple(deployments),
        )

    def _check_layers(self, timeline: Timeline, places: Sequence[Place], layers: int) -> None:
        """Portions must end at the model's last layer (the loader cannot know it for measured models)."""
        for (_, window), place in zip(timeline, places):
            last = window.cuts[-1].last
            if last != layers:
                path = (*place, "portions", len(window.portions) - 1, "layers")
                message = f"must end at layer {layers}, the model's last; it ends at {last}"
                raise ScenarioError(self.scenario.source.problem(path, message))


def _info(name: str, spec: written.Service, accuracy: float | None) -> ServiceInfo:
    classes = tuple(_class(c.name, c.priority, c.slo or spec.slo) for c in spec.classes or ())
    return ServiceInfo(
        name=name,
        classes=classes or (_class(name, 0, spec.slo),),
        named_classes=bool(classes),
        attainment_target=spec.slo.attainment if spec.slo else None,
        accuracy_full=accuracy,
    )


def _class(name: str, priority: int, slo: written.Slo | None) -> ClassInfo:
    return ClassInfo(name, priority, slo.latency if slo else INFINITY, slo.attainment if slo else None)


def _links(scenario: Scenario) -> tuple[Link, ...]:
    network = scenario.cluster.network
    if network is None or not network.shared:
        return ()
    pairs, base = routes_of(network)
    named = [Link(f"{a} -> {b}", route.bandwidth, route.latency_s) for (a, b), route in pairs.items()]
    return (Link("network", base.bandwidth, base.latency_s), *named)
