"""How much load each portion could carry in the steady state, and which are offered more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simulator.cluster.lower.exits import survival
from simulator.cluster.lowered import Deployment, Exits, Floats, Kind, Lowered, Phase, Service
from simulator.scenario import Scenario
from simulator.scenario.workload import Closed
from simulator.workload import mean_rate
from simulator.workload.clock import Clock
from simulator.workload.process import Binding, Place
from simulator.workload.registry import PROCESSES
from simulator.workload.shapes import shapes_of


@dataclass(frozen=True, slots=True)
class PortionCapacity:
    """Most requests per second of the service that one portion can carry, and what it needs of each request."""

    layers: str
    rate: float
    survival: float
    """Share of the service's requests that reach the portion."""


def capacities(service: Service, deployment: Deployment, overlap: bool = False) -> list[PortionCapacity]:
    """Upper bound of the rate by portion, in requests of the whole service per second.

    A kind of n replicas serves at most ``n max_b b / (T(b) + X(b))`` a second while they are up: T is the batch time, X
    the transfer of the expected survivors (with ``overlap`` the longer of both counts). Requests of the service divide
    that by the share that reaches the portion. Serial replicas pass through all portions, so their times add up. A
    compact batch counts each step at the number of requests expected to be left. Autoscaled replicas count as many as
    there may be.
    """
    found = []
    for place, (index, replicas) in enumerate(zip(deployment.stations, deployment.most)):
        station = service.stations[index]
        # Answered requests keep their slots in the modes that never shrink a batch: all need every layer.
        exits = None if station.exit_mode in ("none", "answer_early") else service.exits
        kinds = [
            replace(kind, phases=(*kind.phases[:-1], replace(kind.phases[-1], transfer_s=way.seconds, link=way.link)))
            for kind, way in zip(station.kinds, deployment.transfers[place])
        ]
        compact = station.exit_mode == "compact"
        rates = [
            count * _rate(kind, exits, deployment, compact, overlap) for kind, count in zip(kinds, replicas) if count
        ]
        phases = station.kinds[0].phases
        first, last = phases[0].first_layer, phases[-1].last_layer
        share = survival(exits, deployment.exit_layer, first)
        layers = str(first) if first == last else f"{first}-{last}"
        found.append(PortionCapacity(layers, sum(rates) / share if share else float("inf"), share))
    return found


def _rate(kind: Kind, exits: Exits | None, deployment: Deployment, compact: bool, overlap: bool) -> float:
    """Requests per second that enter one replica at its best batch sizes."""
    up = kind.mtbf_s / (kind.mtbf_s + kind.mttr_s) if kind.mtbf_s < float("inf") else 1.0
    per_request = 0.0
    for phase in kind.phases:
        sizes = np.arange(1, phase.batch + 1)
        first = survival(exits, deployment.exit_layer, phase.first_layer)
        going_on = survival(exits, deployment.exit_layer, phase.last_layer + 1) / first if first else 0.0
        busy = _shrinking(phase, exits, deployment, first) if compact and first else phase.time_s[1:]
        # A shared link is judged as a whole: what one transfer takes there depends on the others.
        sending = np.interp(sizes * going_on, np.arange(phase.batch + 1), phase.transfer_s)
        if phase.link < 0:
            busy = np.maximum(busy, sending) if overlap else busy + sending
        best = float(np.min(busy / sizes))
        per_request += (first if len(kind.phases) > 1 else 1.0) * best
    return up / per_request if per_request else float("inf")


def _shrinking(phase: Phase, exits: Exits | None, deployment: Deployment, first: float) -> Floats:
    """Time of compact batches of 1 .. batch requests, each step at the expected number of requests left [s]."""
    sizes, known = np.arange(1.0, phase.batch + 1), np.arange(phase.batch + 1)
    total, layer = np.zeros(phase.batch), phase.first_layer
    for step, ramp in zip(phase.steps_s, phase.step_ramp.tolist()):
        # A ramp runs on what its layer ran on; the next layer on what the ramp left.
        left = survival(exits, deployment.exit_layer, ramp or layer) / first
        total = total + np.interp(sizes * left, known, step)
        layer += not ramp
    return total


def expected_requests(service: Service, lowered: Lowered, folder: Path, problem: Place | None = None) -> float:
    """About how many requests come in one replication; of a closed load at most so many."""
    workload = service.workload
    if not isinstance(workload, Closed):
        rate = mean_rate(workload, lowered.duration_s, folder, service=service.info.name, problem=problem)
        return (rate or 0.0) * lowered.duration_s
    think_s = workload.think if isinstance(workload.think, float) else workload.think.mean
    most = max(
        min(portion.rate for portion in capacities(service, deployment, lowered.overlap))
        for deployment in service.deployments
    )
    if service.capacity is None or think_s <= 0:  # else who is rejected comes again at once
        most = min(workload.clients / think_s, most) if think_s > 0 else most
    else:
        most = workload.clients / think_s
    return most * lowered.duration_s


def expected_backlog(scenario: Scenario, service: Service, overlap: bool) -> float:
    """About how many requests of an open load wait at once in the end where nothing bounds or drops them."""
    if service.capacity is not None or service.drop != "never" or isinstance(service.workload, Closed):
        return 0.0
    left = 1.0 if service.twin is None else 1.0 - service.twin.share
    backlog = 0.0
    for deployment, end_s in zip(service.deployments, window_ends(service, scenario.run.duration)):
        rate = left * rate_between(scenario, service, deployment.from_s, end_s)
        carried = min(portion.rate for portion in capacities(service, deployment, overlap))
        length_s = min(end_s, scenario.run.duration) - min(deployment.from_s, scenario.run.duration)
        backlog = max(backlog + (rate - carried) * length_s, 0.0)
    return backlog


def overload_warnings(scenario: Scenario, service: Service) -> list[str]:
    """Statements about portions that are offered more than they can carry (allowed, but the reader must know)."""
    name = service.info.name
    offered = mean_rate(
        service.workload,
        scenario.run.duration,
        scenario.source.folder,
        service=name,
        problem=scenario.source.problem,
    )
    if offered is None:
        return []
    overlap = scenario.cluster.network is not None and scenario.cluster.network.overlap
    warnings = []
    left = 1.0 if service.twin is None else 1.0 - service.twin.share
    beside = "" if service.twin is None else ", even where the twin takes all that it can answer,"
    for deployment, end_s in zip(service.deployments, window_ends(service, scenario.run.duration)):
        rate = rate_between(scenario, service, deployment.from_s, end_s)
        when = f" from {deployment.from_s:g}s on" if len(service.deployments) > 1 else ""
        for portion in capacities(service, deployment, overlap):
            if left * rate > portion.rate:
                warnings.append(
                    f"service {name}, portion {portion.layers}{when}: the load of {left * rate:.4g}/s{beside} is "
                    f"{left * rate / portion.rate:.0%} of the {portion.rate:.4g}/s that it can carry; the rest waits, "
                    "is dropped or rejected"
                )
        warnings += _link_warnings(scenario, service, deployment, left * rate)
    return warnings


def _link_warnings(scenario: Scenario, service: Service, deployment: Deployment, rate: float) -> list[str]:
    """Shared links that this service alone asks for more bytes per second than they have."""
    network = scenario.cluster.network
    if network is None or not network.shared:
        return []
    bandwidths = [network.bandwidth, *(pair.bandwidth or network.bandwidth for pair in network.pairs)]
    asked = [0.0] * len(bandwidths)
    for place, index in enumerate(deployment.stations):
        station, way = service.stations[index], deployment.transfers[place][0]
        phase = station.kinds[0].phases[-1]
        exits = None if station.exit_mode in ("none", "answer_early") else service.exits
        if way.link >= 0:
            asked[way.link] += (
                rate * survival(exits, deployment.exit_layer, phase.last_layer + 1) * phase.transfer_bytes
            )
    return [
        f"service {service.info.name}: its transfers need {need / 1e9:.4g} GB/s "
        f"of a shared link of {have / 1e9:.4g} GB/s"
        for need, have in zip(asked, bandwidths)
        if need > have
    ]


def window_ends(service: Service, duration: float) -> list[float]:
    """When each deployment of a service ends [s]."""
    starts = [deployment.from_s for deployment in service.deployments]
    return [*starts[1:], max(duration, starts[-1])]


def rate_between(scenario: Scenario, service: Service, start_s: float, end_s: float) -> float:
    """Mean offered rate of an open load in a window [1/s].

    The load is bound to the whole run, for a trace may well begin after a window that it does not fill.
    """
    start_s, end_s = min(start_s, scenario.run.duration), min(end_s, scenario.run.duration)
    bind = PROCESSES[service.workload.process].bind
    if end_s <= start_s or bind is None:
        return 0.0
    source = scenario.source
    process = bind(service.workload, Binding(source.folder, service.info.name, source.problem))
    clock = Clock(shapes_of(service.workload), scenario.run.duration)
    before = process.expected(clock, start_s) if start_s > 0 else 0.0
    return (process.expected(clock, end_s) - before) / (end_s - start_s)
