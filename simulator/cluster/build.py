"""Runtime stations and first replicas of a service, from its lowered form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.cluster import lowered
from simulator.cluster.dispatch import discipline_of
from simulator.cluster.draws import uniform
from simulator.cluster.passes import PASSES
from simulator.cluster.requests import RequestTable
from simulator.cluster.routing import RANDOM_ROUTINGS, ROUTINGS, WATCHFUL_ROUTINGS
from simulator.cluster.state import PhaseState, Station
from simulator.cluster.twins import PairedTable
from simulator.cluster.windows import set_waits

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine


def hands_on_at_once(service: lowered.Service) -> bool:
    """Whether survivors may enter the next portion with the completion: no transfer takes time, and none could tell."""
    phases = [phase for station in service.stations for kind in station.kinds for phase in kind.phases]
    watchful = any(station.routing in WATCHFUL_ROUTINGS for station in service.stations)
    return not watchful and not any(phase.transfer_s.any() for phase in phases)


def build_stations(engine: Engine, table: RequestTable) -> None:
    """Make every station of the service, over all windows, and the replicas of its first deployment."""
    spec = table.spec
    by_event = engine.server is not None
    table.stations = [_station(table, index, station, by_event) for index, station in enumerate(spec.stations)]
    table.paths = [[table.stations[index] for index in deployment.stations] for deployment in spec.deployments]
    table.entries = [path[0] for path in table.paths]
    at_once = hands_on_at_once(spec)
    for station in table.stations:
        station.hands_on_at_once = at_once
    if not table.tracked:
        for station, successor in zip(table.paths[0], table.paths[0][1:]):
            station.successor = successor
    if spec.capacity is not None:
        table.entries[0].bounded = True
        engine.bounded.append(table.entries[0])
    for station, replicas, waits in zip(table.paths[0], spec.deployments[0].replicas, spec.deployments[0].waits_s):
        set_waits(station, waits)
        for kind, count in enumerate(replicas):
            for _ in range(count):
                engine.pools.add(station, kind, 0.0, 0.0)
        station.refresh_open_lines()


def _station(table: RequestTable, index: int, spec: lowered.Station, by_event: bool) -> Station:
    """One station; ``by_event``: its loads from the parameter server are events."""
    factors = _factors(table)
    phases = [
        [PhaseState(phase, place, table.spec.layers, factors(phase.ordinal)) for place, phase in enumerate(kind.phases)]
        for kind in spec.kinds
    ]
    for phase in (phase for kind in phases if by_event for phase in kind):
        phase.streamed, phase.starting = phase.spec.streamed, phase.spec.starting
    passing = table.passing(PASSES[spec.exit_mode]) if isinstance(table, PairedTable) else PASSES[spec.exit_mode]
    station = Station(table, index, spec, phases, passing, discipline_of(spec))
    ordinal = spec.kinds[0].phases[0].ordinal
    if spec.routing in RANDOM_ROUTINGS:
        first, second = (table.numbers(purpose, uniform, ordinal) for purpose in ("routing", "second-choice"))
    else:
        first = second = _no_number
    station.route = ROUTINGS[spec.routing](station, first, second)
    return station


def _factors(table: RequestTable) -> Callable[[int], Callable[[int], float] | None]:
    """Jitter factors by portion: made once for each portion's ordinal and shared by all kinds and windows."""
    sampler, made = table.draws.jitter, table.jitter

    def of(ordinal: int) -> Callable[[int], float] | None:
        if sampler is None:
            return None
        if ordinal not in made:
            made[ordinal] = table.numbers("jitter", sampler, ordinal)
        return made[ordinal]

    return of


def _no_number(request: int) -> float:
    raise AssertionError("this routing draws no numbers")
