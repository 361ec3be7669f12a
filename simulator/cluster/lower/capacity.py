"""How much load each portion could carry in the steady state, and which are offered more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.cluster.lower.exits import survival
from simulator.cluster.lowered import Deployment, Exits, Kind, Service
from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.workload import mean_rate

MOST_REQUESTS = 4e7
"""Requests of one service in one replication; each takes about half a kilobyte while the run lasts."""


@dataclass(frozen=True, slots=True)
class PortionCapacity:
    """Most requests per second of the service that one portion can carry, and what it needs of each request."""

    layers: str
    rate: float
    survival: float
    """Share of the service's requests that reach the portion."""


def capacities(service: Service, deployment: Deployment) -> list[PortionCapacity]:
    """Upper bound of the rate by portion, in requests of the whole service per second.

    A kind of n replicas serves at most ``n max_b b / T(b)`` a second (transfers would only lower it); requests of the
    service divide that by the share that reaches the portion. Serial replicas pass through all portions, so their times
    add up. Compact batches shrink inside a portion, for which this is only a lower bound: they are left out.
    """
    found = []
    for index, replicas in zip(deployment.stations, deployment.replicas):
        station = service.stations[index]
        if station.exit_mode == "compact":
            return []
        # Answered requests keep their slots in the modes that never shrink a batch: all need every layer.
        exits = None if station.exit_mode in ("none", "answer_early") else service.exits
        rates = [count * _rate(kind, exits, deployment) for kind, count in zip(station.kinds, replicas) if count]
        phases = station.kinds[0].phases
        first, last = phases[0].first_layer, phases[-1].last_layer
        share = survival(exits, deployment.exit_layer, first)
        layers = str(first) if first == last else f"{first}-{last}"
        found.append(PortionCapacity(layers, sum(rates) / share if share else float("inf"), share))
    return found


def _rate(kind: Kind, exits: Exits | None, deployment: Deployment) -> float:
    """Requests per second that enter one replica at its best batch sizes."""
    per_request = 0.0
    for phase in kind.phases:
        sizes = np.arange(1, phase.batch + 1)
        best = float(np.min(phase.time_s[1:] / sizes))
        share = survival(exits, deployment.exit_layer, phase.first_layer) if len(kind.phases) > 1 else 1.0
        per_request += share * best
    return 1.0 / per_request if per_request else float("inf")


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
    if offered is not None and offered * scenario.run.duration > MOST_REQUESTS:
        message = (
            f"about {offered * scenario.run.duration:.2g} requests in this run, at most {MOST_REQUESTS:.0e} are "
            "simulated at once: shorten run.duration or lower the load"
        )
        raise ScenarioError(scenario.source.problem(("services", name, "workload"), message))
    if offered is None or len(service.deployments) > 1:
        return []
    warnings = []
    for portion in capacities(service, service.deployments[0]):
        if offered > portion.rate:
            warnings.append(
                f"service {name}, portion {portion.layers}: the load of {offered:.4g}/s is "
                f"{offered / portion.rate:.0%} of the {portion.rate:.4g}/s that it can carry; the rest waits, "
                "is dropped or rejected"
            )
    return warnings
