"""Whether loads of services from the parameter server can meet others, or its failures, so that they must be events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.lower.streamed import check_outages
from simulator.cluster.lowered import Kind, Server, Service
from simulator.scenario import Scenario
from simulator.scenario.cluster import Faults

if TYPE_CHECKING:
    from simulator.cluster.streaming.setup import StreamSetup
    from simulator.cluster.streaming.work import Carried

SHARING = "streamed weights that share the parameter server's link"
FAILING = "streamed weights that notice failures of the parameter server"


def server_of_services(scenario: Scenario, services: Sequence[Service], pools: Mapping[str, Hardware]) -> Server | None:
    """The server, as the reference engine runs it; None where no load of a service can meet anything.

    A single replica, with no stream beside it, has the link to itself: then its tables of time are exact.
    """
    server, users = scenario.cluster.parameter_server, sum(_users(service) for service in services)
    if server is None or not users:
        return None
    meets = server.shared and (users > 1 or bool(scenario.streams))
    if server.faults is None and not meets:
        return None
    if server.faults is not None:
        _check_faults(scenario, server.faults, services, users if server.shared else 1)
    return Server(
        reason=SHARING if meets else FAILING,
        shared=server.shared,
        faults=server.faults,
        streams=_streams(scenario, pools) if server.shared else {},
    )


def _streams(scenario: Scenario, pools: Mapping[str, Hardware]) -> dict[str, StreamSetup]:
    """Streams on the same link, ready to run."""
    if not scenario.streams:
        return {}
    from simulator.cluster.streaming.run import setups_of  # which is built on this package

    return setups_of(scenario, pools)


def _users(service: Service) -> int:
    """How many replicas of a service, and of its twin, can load from the server, in batches or as they start.

    Replicas are counted anew where windows add some: one that leaves may still be in its last batch. An autoscaler may
    take away those that were there at the start, and start them anew.
    """
    found, scaled = 0, service.autoscaled
    for index, station in enumerate(service.stations):
        for number, kind in enumerate(station.kinds):
            first, *later = _joining(service, index, number)
            if any(phase.streamed is not None for phase in kind.phases):
                found += first + sum(later)
            if any(phase.starting is not None for phase in kind.phases):
                found += sum(later) + (first if (index, number) in scaled else 0)
    return found + (_users(service.twin.service) if service.twin is not None else 0)


def _joining(service: Service, station: int, kind: int) -> Iterator[int]:
    """Replicas of a kind that are there at the start, then those that an autoscaler and each window may add."""
    written, most = [], []
    for deployment in service.deployments:
        place = deployment.stations.index(station) if station in deployment.stations else -1
        written.append(deployment.replicas[place][kind] if place >= 0 else 0)
        most.append(deployment.most[place][kind] if place >= 0 else 0)
    yield written[0]
    yield max(most[0] - written[0], 0)
    yield from (max(after - before, 0) for before, after in pairwise(most))


def _check_faults(scenario: Scenario, faults: Faults, services: Sequence[Service], sharing: int) -> None:
    """Refuse a server that would hardly ever carry a load, or fail more often than anybody could want to see."""
    longest = max((copy.seconds for kind in _kinds(services) for copy in _copies(kind)), default=0.0) * sharing
    check_outages(scenario, faults, longest, scenario.run.duration)


def _kinds(services: Sequence[Service]) -> Iterator[Kind]:
    for service in services:
        yield from (kind for station in service.stations for kind in station.kinds)
        if service.twin is not None:
            yield from _kinds([service.twin.service])


def _copies(kind: Kind) -> Iterator[Carried]:
    for phase in kind.phases:
        for loads in (phase.streamed, phase.starting):
            if loads is not None:
                yield from loads.copies
