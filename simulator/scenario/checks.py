"""Rules between the parts of a scenario: names exist, layers are covered, devices suffice."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.scenario.autoscale_checks import autoscale_rules
from simulator.scenario.base import Rule, unknown
from simulator.scenario.cluster import Network, Pool
from simulator.scenario.deployment import Deployment, missing_layers
from simulator.scenario.exits import TableExits
from simulator.scenario.model import Model
from simulator.scenario.root import Scenario
from simulator.scenario.salvage import valid_entries, valid_one
from simulator.scenario.service import Service
from simulator.scenario.stream import Stream
from simulator.scenario.stream_checks import portion_rules, stream_rules, training_devices
from simulator.scenario.training import Training
from simulator.scenario.undeployed import tenants, undeployed_rules

Timeline = tuple[tuple[float, Deployment], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Names that exist outside the scenario."""

    devices: frozenset[str]
    """Devices in the catalogue."""
    models: Mapping[str, int]
    """Models in the catalogue, with their number of layers."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a scenario by name; None: it exists, but has problems of its own."""

    pools: Mapping[str, Pool | None]
    models: Mapping[str, Model | None]
    services: Mapping[str, Service | None]
    trainings: Mapping[str, Training | None]
    streams: Mapping[str, Stream | None]
    network: Network | None
    unreadable: frozenset[str] = frozenset()
    """Of "pool" and "model", those whose section is so wrong that not even the names are known."""
    has_server: bool = True
    """Whether there is a parameter server."""
    has_planner: bool = False
    """Whether there is a section `planner`: services may then wait for a plan."""

    @classmethod
    def of(cls, scenario: Scenario) -> Parts:
        """The parts of a valid scenario."""
        cluster = scenario.cluster
        return cls(
            cluster.pools,
            scenario.models,
            scenario.services,
            scenario.trainings,
            scenario.streams,
            cluster.network,
            has_server=cluster.parameter_server is not None,
            has_planner=scenario.planner is not None,
        )

    @classmethod
    def salvaged(cls, plain: Any) -> Parts:
        """What is valid in a scenario that is not, so that its other problems are told as well."""
        cluster = plain.get("cluster")
        cluster = cluster if isinstance(cluster, dict) else {}
        return cls(
            valid_entries(cluster.get("pools"), Pool),
            valid_entries(plain.get("models"), Model),
            valid_entries(plain.get("services"), Service),
            valid_entries(plain.get("trainings"), Training),
            valid_entries(plain.get("streams"), Stream),
            valid_one(cluster.get("network"), Network),
            frozenset(
                what
                for what, section in (("pool", cluster.get("pools")), ("model", plain.get("models")))
                if not isinstance(section, dict)
            ),
            "parameter_server" in cluster,
            "planner" in plain,
        )


def check(parts: Parts, known: Known | None) -> Iterator[Rule]:
    """Every broken rule between the parts, with its key path."""
    yield from _catalogue(parts, known)
    yield from _pairs(parts)
    for name, service in parts.services.items():
        if service is not None:
            yield from _service(parts, known, name, service)
    yield from _together(parts)
    yield from _trainings(parts)
    for name, stream in parts.streams.items():
        if stream is not None:
            yield from _named(parts, "model", stream.model, ("streams", name, "model"))
            yield from _named(parts, "pool", stream.pool, ("streams", name, "pool"))
    devices = training_devices(parts.trainings, parts.pools)
    held = {pool: devices[pool] + _most_for_services(parts, pool) for pool in parts.pools}
    yield from stream_rules(parts.streams, parts.pools, parts.has_server, held)
    yield from portion_rules(parts.services, parts.has_server)
    yield from undeployed_rules(parts.services, parts.trainings, parts.has_planner)
    yield from autoscale_rules(parts.services, parts.pools, parts.trainings)


def _named(parts: Parts, what: str, name: str, path: tuple[str | int, ...]) -> Iterator[Rule]:
    """The pool, model or service ``name`` exists, as far as that can be told."""
    known: Mapping[str, Any] = {"pool": parts.pools, "model": parts.models, "service": parts.services}[what]
    if name not in known and what not in parts.unreadable:
        yield path, unknown(what, name, known)


def _catalogue(parts: Parts, known: Known | None) -> Iterator[Rule]:
    if known is None:
        return
    for name, pool in parts.pools.items():
        if pool is not None and isinstance(pool.device, str) and pool.device not in known.devices:
            yield ("cluster", "pools", name, "device"), unknown("device", pool.device, known.devices)
    for name, model in parts.models.items():
        if model is None or model.catalogue is None:
            continue
        if model.catalogue not in known.models:
            yield (
                ("models", name, "catalogue"),
                unknown("model of the catalogue", model.catalogue, known.models),
            )
            continue
        for path, message in model.ramp_rules(known.models[model.catalogue]):
            yield ("models", name, *path), message


def _pairs(parts: Parts) -> Iterator[Rule]:
    for index, pair in enumerate(parts.network.pairs if parts.network else ()):
        path = ("cluster", "network", "pairs", index)
        yield from _named(parts, "pool", pair.from_, (*path, "from"))
        yield from _named(parts, "pool", pair.to, (*path, "to"))


def _service(parts: Parts, known: Known | None, name: str, service: Service) -> Iterator[Rule]:
    here = ("services", name)
    yield from _named(parts, "model", service.model, (*here, "model"))
    model = parts.models.get(service.model)
    for path, deployment in _windows(service):
        for rule, message in _deployment(parts, known, model, deployment):
            yield (*here, *path, *rule), message
    if service.twin is not None:
        twin = service.twin
        yield from _named(parts, "model", twin.model, (*here, "twin", "model"))
        for rule, message in _deployment(parts, known, parts.models.get(twin.model), twin.deployment):
            yield (*here, "twin", "deployment", *rule), message
        if twin.table is not None and model is not None:
            if not isinstance(model.exits, TableExits):
                yield (*here, "twin", "table"), "needs a model with `exits: {table: ..}`, row by row the same inputs"
            elif model.exits.router is not None:
                yield (*here, "twin", "table"), "goes not with a model whose exits a `router` chooses; say a `share`"


def _windows(service: Service) -> Iterator[tuple[tuple[str | int, ...], Deployment]]:
    if service.deployment is not None:
        yield ("deployment",), service.deployment
    for index, window in enumerate(service.deployments or ()):
        yield ("deployments", index), window


def _deployment(parts: Parts, known: Known | None, model: Model | None, deployment: Deployment) -> Iterator[Rule]:
    if model is not None:
        yield from _coverage(model, known, deployment)
        if deployment.exit_mode != "none" and model.exits is None:
            yield ("exit_mode",), f"`{deployment.exit_mode}` needs a model with `exits`"
    needed: Counter[str] = Counter()
    for index, portion in enumerate(deployment.portions):
        yield from _named(parts, "pool", portion.pool, ("portions", index, "pool"))
        pool = parts.pools.get(portion.pool)
        serial = deployment.execution == "serial"
        if pool is None or (serial and index > 0):
            continue
        replicas = (deployment.replicas if serial else portion.replicas) or 0
        before = needed[portion.pool]
        needed[portion.pool] += replicas * pool.devices_per_replica
        if before <= pool.count < needed[portion.pool]:
            place = ("replicas",) if serial else ("portions", index, "replicas")
            per = "" if pool.devices_per_replica == 1 else f" ({pool.devices_per_replica} per replica)"
            total = f"{needed[portion.pool]} devices{per}"
            yield place, f"needs {total} of pool {portion.pool!r} so far, which has {pool.count}"


def _coverage(model: Model, known: Known | None, deployment: Deployment) -> Iterator[Rule]:
    count = model.layer_count
    if count is None and known is not None and model.catalogue is not None:
        count = known.models.get(model.catalogue)
    if count is None:
        return
    last = deployment.portions[-1].layers.last
    for index, portion in enumerate(deployment.portions):
        if portion.layers.last > count:
            yield ("portions", index, "layers"), f"is beyond the last layer: the model has {count}"
            return
    if last < count:
        index = len(deployment.portions) - 1
        yield (
            ("portions", index, "layers"),
            f"must end at layer {count}: {missing_layers(last + 1, count)}",
        )


def _together(parts: Parts) -> Iterator[Rule]:
    """At every instant the deployments of all services, and of their twins, fit into the pools."""
    services = {name: service for name, service in parts.services.items() if service is not None}
    owners: list[tuple[tuple[str, ...], Timeline]] = []
    inside = tenants(parts.trainings)
    for name, service in services.items():
        if service.timeline and name not in inside:
            owners.append((("services", name), service.timeline))
        if service.twin is not None:
            owners.append((("services", name, "twin"), ((0.0, service.twin.deployment),)))
    if len(owners) < 2:
        return
    others = "the other services" if len(services) > 1 else "the main network"
    starts = sorted({start for _, timeline in owners for start, _ in timeline})
    told: set[str] = set()
    for now in starts:
        needed: Counter[str] = Counter()
        for path, timeline in owners:
            own = _devices(parts, _active(timeline, now))
            for pool_name, devices in own.items():
                pool = parts.pools.get(pool_name)
                needed[pool_name] += devices
                if pool is None or pool_name in told or devices > pool.count:
                    continue
                if needed[pool_name] > pool.count:
                    told.add(pool_name)
                    message = f"needs, with {others}, {needed[pool_name]} devices of pool {pool_name!r}"
                    yield path, f"{message} at {now:g}s, which has {pool.count}"


def _active(timeline: Timeline, now: float) -> Deployment:
    return timeline[max(bisect.bisect_right([start for start, _ in timeline], now) - 1, 0)][1]


def _devices(parts: Parts, deployment: Deployment) -> Counter[str]:
    needed: Counter[str] = Counter()
    serial = deployment.execution == "serial"
    for portion in deployment.portions[:1] if serial else deployment.portions:
        pool = parts.pools.get(portion.pool)
        if pool is not None:
            needed[portion.pool] += (
                (deployment.replicas if serial else portion.replicas) or 0
            ) * pool.devices_per_replica
    return needed


def _trainings(parts: Parts) -> Iterator[Rule]:
    needed: Counter[str] = Counter()
    for name, training in parts.trainings.items():
        if training is None:
            continue
        here = ("trainings", name)
        for what, named, path in training.names():
            yield from _named(parts, what, named, (*here, *path))
        pipeline = training.pipeline
        pool = parts.pools.get(pipeline.pool)
        if pool is None:
            continue
        per = "" if pool.devices_per_replica == 1 else f" ({pool.devices_per_replica} per stage)"
        devices = pipeline.stages * pipeline.replicas * pool.devices_per_replica
        needed[pipeline.pool] += devices
        total = needed[pipeline.pool] + _most_for_services(parts, pipeline.pool)
        has = f"pool {pipeline.pool!r} has {pool.count}"
        if pipeline.stages * pool.devices_per_replica > pool.count:
            yield (*here, "pipeline", "stages"), f"needs a device per stage{per}, {has}"
        elif devices > pool.count:
            yield (*here, "pipeline", "replicas"), f"needs {devices} devices, one per stage{per} and copy, {has}"
        elif total > pool.count:
            yield (*here, "pipeline", "pool"), f"needs, with other trainings and services, {total} devices, {has}"


def _most_for_services(parts: Parts, pool: str) -> int:
    """Devices of a pool that the services hold at most, those that live in idle windows left out."""
    inside, found = tenants(parts.trainings), 0
    for name, service in parts.services.items():
        if service is not None and name not in inside:
            found += max((_devices(parts, deployment)[pool] for _, deployment in service.timeline), default=0)
            found += _devices(parts, service.twin.deployment)[pool] if service.twin is not None else 0
    return found
