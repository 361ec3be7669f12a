"""Between two windows: the devices that both plans hold at once, and what those that stay have to carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simulator.cluster import lowered as low
from simulator.cluster.lower.capacity import capacities
from simulator.planner.optimize.problem import PlannedLoad


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a plan at ``at_s`` [s].

    ``together``: devices by pool while those that leave still serve and those that come already load, which
    ``devices`` of the pool bound; where they do not fit, old replicas go first and new ones load as devices come free
    (the simulation shows what that costs). ``shrinks``: by service that loses replicas, the share of what is left that
    the load takes from then on; above 1 the survivors cannot carry it.
    """

    at_s: float
    together: dict[str, int]
    devices: dict[str, int]
    shrinks: dict[str, float]

    @property
    def fits(self) -> bool:
        """Whether old and new find room together."""
        return all(count <= self.devices[pool] for pool, count in self.together.items())

    @property
    def carried(self) -> bool:
        """Whether all that shrinks can carry its load."""
        return all(share <= 1 for share in self.shrinks.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "fits": self.fits, "carried": self.carried}


Held = dict[tuple[str, int, int], int]
"""Replicas by service, station and kind."""


def transitions(lowered: low.Lowered, load: PlannedLoad) -> list[Transition]:
    """Every instant at which something changes."""
    starts = [window.start_s for window in load.windows]
    found = []
    for number, at_s in enumerate(starts[1:], start=1):
        before, after = _held(lowered.services, starts[number - 1]), _held(lowered.services, at_s)
        if before != after:
            found.append(_transition(lowered, load, number, before, after))
    return found


def _in_force(service: low.Service, at_s: float) -> low.Deployment:
    """The deployment of an instant."""
    return [one for one in service.deployments if one.from_s <= at_s][-1]


def _held(services: Sequence[low.Service], at_s: float) -> Held:
    return {
        (service.info.name, station, kind): count
        for service in services
        for deployment in [_in_force(service, at_s)]
        for station, counts in zip(deployment.stations, deployment.replicas)
        for kind, count in enumerate(counts)
        if count
    }


def _transition(lowered: low.Lowered, load: PlannedLoad, number: int, before: Held, after: Held) -> Transition:
    """Replicas that stay are held once; those that leave and those that come at the same time."""
    at_s, services = load.windows[number].start_s, {one.info.name: one for one in lowered.services}
    together = dict.fromkeys((pool.name for pool in lowered.pools), 0)
    for name, station, kind in before.keys() | after.keys():
        spec = services[name].stations[station].kinds[kind]
        most = max(before.get((name, station, kind), 0), after.get((name, station, kind), 0))
        together[lowered.pools[spec.pool].name] += most * spec.devices
    losing = {key[0] for key, count in before.items() if after.get(key, 0) < count}
    shrinks = {name: _taken(lowered, services[name], load, number) for name in sorted(losing & load.rates.keys())}
    return Transition(at_s, together, {pool.name: pool.count for pool in lowered.pools}, shrinks)


def _taken(lowered: low.Lowered, service: low.Service, load: PlannedLoad, number: int) -> float:
    """Share of what the survivors carry that the load of the window takes."""
    rate = float(load.rates[service.info.name][number])
    deployment = _in_force(service, load.windows[number].start_s)
    most = min(portion.rate for portion in capacities(service, deployment, lowered.overlap))
    return rate / most if most else float("inf")
