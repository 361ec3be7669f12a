"""Rules between streams, streamed portions and the rest of a scenario: there is a server, devices suffice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from simulator.scenario.base import Rule
from simulator.scenario.cluster import Pool
from simulator.scenario.deployment import Deployment
from simulator.scenario.service import Service
from simulator.scenario.stream import Stream
from simulator.scenario.training import Training

NO_SERVER = "needs a parameter server: say `cluster.parameter_server: {bandwidth, latency, memory}`"


def stream_rules(
    streams: Mapping[str, Stream | None],
    pools: Mapping[str, Pool | None],
    has_server: bool,
    held: Mapping[str, int],
) -> Iterator[Rule]:
    """Broken rules of streams. ``held``: devices of a pool that services and trainings hold at most."""
    needed: Counter[str] = Counter()
    for name, stream in streams.items():
        if stream is None:
            continue
        here = ("streams", name)
        if not has_server:
            yield here, NO_SERVER
        pool = pools.get(stream.pool)
        if pool is None:
            continue
        devices = stream.devices * pool.devices_per_replica
        needed[stream.pool] += devices
        total = needed[stream.pool] + held[stream.pool]
        if devices > pool.count:
            yield (*here, "devices"), f"needs {devices} devices, pool {stream.pool!r} has {pool.count}"
        elif total > pool.count:
            message = f"needs, with what else runs there, {total} devices, pool {stream.pool!r} has {pool.count}"
            yield (*here, "pool"), message


def training_devices(trainings: Mapping[str, Training | None], pools: Mapping[str, Pool | None]) -> Counter[str]:
    """Devices that all trainings hold, by pool."""
    held: Counter[str] = Counter()
    for training in trainings.values():
        pool = pools.get(training.pipeline.pool) if training is not None else None
        if training is not None and pool is not None:
            pipeline = training.pipeline
            held[pipeline.pool] += pipeline.stages * pipeline.replicas * pool.devices_per_replica
    return held


def portion_rules(services: Mapping[str, Service | None], has_server: bool) -> Iterator[Rule]:
    """Broken rules of streamed portions: without a server there is nothing to stream from."""
    if has_server:
        return
    for name, service in services.items():
        for place, deployment in deployments(name, service) if service is not None else ():
            for index, portion in enumerate(deployment.portions):
                if portion.weights == "streamed":
                    yield (*place, "portions", index, "weights"), NO_SERVER


def deployments(name: str, service: Service) -> Iterator[tuple[tuple[str | int, ...], Deployment]]:
    """All deployments of a service and of its twin, with their key paths."""
    here = ("services", name)
    for number, (_, deployment) in enumerate(service.timeline):
        yield ((*here, "deployment") if service.deployment is not None else (*here, "deployments", number)), deployment
    if service.twin is not None:
        yield (*here, "twin", "deployment"), service.twin.deployment
