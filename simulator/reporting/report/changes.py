"""Clusters in which one thing is otherwise, as arrays: nothing is bound to catalogue and costs again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from simulator.cluster.lowered import Deployment, Kind, Lowered, Phase, Service
from simulator.workload import scaled


def louder(lowered: Lowered, factor: float, names: Collection[str] | None = None) -> Lowered:
    """The cluster with the load of services (all, unless some are named) multiplied."""
    services = (
        replace(one, workload=scaled(one.workload, factor)) if names is None or one.info.name in names else one
        for one in lowered.services
    )
    return replace(lowered, services=tuple(services))


def tightened(lowered: Lowered, factor: float) -> Lowered:
    """The cluster with every latency objective multiplied; what is dropped follows it."""

    def service(one: Service) -> Service:
        classes = tuple(replace(item, slo_s=item.slo_s * factor) for item in one.info.classes)
        twin = None if one.twin is None else replace(one.twin, service=service(one.twin.service))
        return replace(one, info=replace(one.info, classes=classes), twin=twin)

    return replace(lowered, services=tuple(map(service, lowered.services)))


def slower(lowered: Lowered, pool: int, factor: float) -> Lowered:
    """The cluster where every layer and ramp on a pool takes ``factor`` times as long."""

    def kind(one: Kind) -> Kind:
        if one.pool != pool:
            return one
        return replace(one, phases=tuple(_phase(phase, factor) for phase in one.phases))

    return _changed(lowered, kind)


def sending(lowered: Lowered, factor: float) -> Lowered:
    """The cluster where every transfer over a link of its own takes ``factor`` times as long."""

    def kind(one: Kind) -> Kind:
        phases = (replace(phase, transfer_s=phase.transfer_s * factor) for phase in one.phases)
        return replace(one, phases=tuple(phases))

    def window(one: Deployment) -> Deployment:
        ways = (tuple(replace(way, seconds=way.seconds * factor) for way in kinds) for kinds in one.transfers)
        return replace(one, transfers=tuple(ways))

    changed = _changed(lowered, kind)
    services = (replace(one, deployments=tuple(map(window, one.deployments))) for one in changed.services)
    return replace(changed, services=tuple(services))


def transfers(lowered: Lowered) -> bool:
    """Whether anything is handed from portion to portion over a link of its own."""
    return any(phase.transfer_s.any() for phase in _phases(lowered))


def _phases(lowered: Lowered) -> Iterator[Phase]:
    for service in lowered.services:
        for station in service.stations:
            for kind in station.kinds:
                yield from kind.phases


def _phase(phase: Phase, factor: float) -> Phase:
    return replace(
        phase,
        steps_s=phase.steps_s * factor,
        elapsed_s=phase.elapsed_s * factor,
        time_s=phase.time_s * factor,
        floor_s=phase.floor_s * factor,
    )


def _changed(lowered: Lowered, kind: Callable[[Kind], Kind]) -> Lowered:
    """The cluster with every kind of replica changed, those of twins too."""

    def service(one: Service) -> Service:
        stations = tuple(replace(station, kinds=tuple(map(kind, station.kinds))) for station in one.stations)
        twin = None if one.twin is None else replace(one.twin, service=service(one.twin.service))
        return replace(one, stations=stations, twin=twin)

    return replace(lowered, services=tuple(map(service, lowered.services)))
