"""Portions whose weights come from the parameter server for every batch, and replicas that start while theirs come."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.cluster.lower.capacity import rate_between, window_ends
from simulator.cluster.lower.exits import survival
from simulator.cluster.lower.layers import ModelCosts
from simulator.cluster.lowered import Deployment, Floats, Loads, Service
from simulator.cluster.streaming.work import carried
from simulator.costs.streaming import Layer, Link, Streamed, Visit, run
from simulator.costs.streaming.memory import fixed_bytes
from simulator.errors import Problem, ScenarioError
from simulator.scenario import Scenario
from simulator.scenario import deployment as written
from simulator.scenario.cluster import Faults, ParameterServer
from simulator.scenario.deployment import Portion
from simulator.scenario.stream_checks import NO_SERVER

SLOTS = 2
"""Layer slots of a streamed portion that does not say how many."""
MOST_REPEATS = 5.0
"""Failures to be expected during one copy, at most: with five, one in 148 arrives."""
MOST_OUTAGES = 1e5
"""Failures to be expected in one replication, at most."""


def server_of(scenario: Scenario, place: tuple[str | int, ...]) -> ParameterServer:
    """The parameter server; what needs one where there is none is a problem of its place."""
    server = scenario.cluster.parameter_server
    if server is None:
        raise ScenarioError(scenario.source.problem(place, NO_SERVER))
    return server


def sizes_of(costs: ModelCosts, portion: Portion) -> list[float]:
    """Bytes of every layer of a portion; one of unknown size cannot be streamed."""
    found = []
    for layer, precision in enumerate(costs.formats(portion), start=portion.layers.first - 1):
        size = costs.weight_bytes(layer, precision)
        if size is None and portion.weights == "streamed":
            message = f"layer {costs.names[layer]} says no `weights`: how much to load is not known"
            raise ScenarioError(Problem(message, path="weights"))
        found.append(size or 0.0)
    return found


def ends_with_loads(seconds: Floats, ramp: Sequence[int], sizes: Sequence[float], slots: int, link: Link) -> Floats:
    """When the steps of a portion end whose layers come meanwhile [s]; shapes as in ``Phase``.

    A step ends when the recurrence of ``costs.streaming`` says. Every batch begins with empty slots. Ramps are always
    there.
    """
    batches = seconds[:, 1:]
    left = iter(sizes)
    visits = [_visit(row, 0.0 if after else next(left), link) for row, after in zip(batches, ramp)]
    found = np.zeros_like(seconds)
    found[:, 1:] = run(visits, slots).compute_end
    return found


def with_loads(ends: Floats) -> Floats:
    """Times of the steps with their waits: each takes the time since the one before it."""
    return np.diff(ends, axis=0, prepend=0.0)


def loads_of(
    seconds: Floats, ramp: Sequence[int], sizes: Sequence[float], slots: int, link: Link, bandwidth: float
) -> Loads:
    """The layers that come over ``link``, one side of a server's link of ``bandwidth`` [B/s]."""
    left = iter(sizes)
    loaded = [0.0 if after else next(left) for after in ramp]
    numbers = itertools.count()
    return Loads(
        compute_s=seconds,
        needs=tuple(next(numbers) if size > 0.0 else -1 for size in loaded),
        copies=tuple(carried(link.seconds(size), link.latency_s, size, bandwidth) for size in loaded if size > 0.0),
        slots=slots,
    )


def _visit(compute_s: Floats, size: float, link: Link) -> Visit:
    loads = (np.full_like(compute_s, link.seconds(size)),) if size > 0.0 else ()
    return Visit(0, False, compute_s, loads, releases=size > 0.0)


def waits_for_first(seconds: Floats, ramp: Sequence[int], sizes: Sequence[float], bandwidth: float) -> float:
    """How much later a first batch ends whose layers come as it runs, than one whose layers are there [s].

    All layers stay, so there are as many slots as layers. That of a batch of one, the longest: a larger one hides more.
    """
    ends = ends_with_loads(seconds, ramp, sizes, max(len(sizes), 1), Link(bandwidth))
    return max(float(ends[-1, 1]) - float(np.cumsum(seconds[:, 1])[-1]), 0.0)


def slot_bytes(sizes: Sequence[float], slots: int) -> float:
    """Device memory for the weights: the largest layers that can be there together [B]."""
    return fixed_bytes(Streamed(tuple(Layer(size, 0.0) for size in sizes), Link(1.0), slots=slots))


def server_link(server: ParameterServer) -> Link:
    """What carries layers from the server to one device that is alone."""
    return Link(server.bandwidth, server.latency)


def start_link(server: ParameterServer | None, own: float | None) -> Link | None:
    """What carries the weights of a replica that starts while they come, alone; None where they take no time.

    They come at the device's ``own`` load bandwidth [B/s]; where there is a parameter server, over its link.
    """
    if own is None:
        return None
    return Link(own if server is None else min(own, server.bandwidth))


def served_bytes(scenario: Scenario) -> float:
    """Weights that the server holds for streamed portions: a layer of a model in each of its formats once [B]."""
    held: dict[tuple[str, int, str], float] = {}
    for spec in scenario.services.values():
        networks = [(spec.model, [one for _, one in spec.timeline])]
        networks += [(spec.twin.model, [spec.twin.deployment])] if spec.twin is not None else []
        for model, timeline in networks:
            costs = ModelCosts(scenario, model, scenario.models[model])
            streamed = (portion for one in timeline for portion in one.portions if portion.weights == "streamed")
            for portion in streamed:
                for layer, precision in enumerate(costs.formats(portion), start=portion.layers.first - 1):
                    held[model, layer, precision] = costs.weight_bytes(layer, precision) or 0.0
    return sum(held.values())


def check_server(scenario: Scenario) -> None:
    """Refuse streamed portions whose weights the server cannot hold, with the figures."""
    server, needed = scenario.cluster.parameter_server, served_bytes(scenario)
    if server is not None and needed > server.memory:
        message = f"streamed portions need {needed / 1e9:.4g} GB at the server, it has {server.memory / 1e9:.4g} GB"
        raise ScenarioError(scenario.source.problem(("cluster", "parameter_server", "memory"), message))


def check_outages(scenario: Scenario, faults: Faults, longest_s: float, run_s: float) -> None:
    """Refuse a server that would hardly ever carry a load, or fail more often than anybody could want to see.

    ``longest_s``: of a load, with all who share the link; ``run_s``: for which the server is used.
    """
    place, problem = ("cluster", "parameter_server", "faults"), scenario.source.problem
    if longest_s / faults.mtbf > MOST_REPEATS:
        message = f"a load of up to {longest_s:.3g}s would hardly ever arrive: mtbf is {faults.mtbf:.3g}s; raise it"
        raise ScenarioError(problem(place, message))
    if run_s / (faults.mtbf + faults.mttr) > MOST_OUTAGES:
        message = f"more than {MOST_OUTAGES:.0e} failures in one replication: raise mtbf"
        raise ScenarioError(problem(place, message))


@dataclass(frozen=True, slots=True)
class Demand:
    """What the ``replicas`` of a streamed portion ask of the server's link, as shares of it, in a window of the run.

    ``mean``: with full batches and no more of them than requests come; ``peak``: with all replicas busy.
    """

    start_s: float
    end_s: float
    replicas: int
    mean: float
    peak: float


def demands(scenario: Scenario, services: Sequence[Service]) -> list[Demand]:
    """Demands of the streamed portions of all services and their twins."""
    found: list[Demand] = []
    for spec, service in zip(scenario.services.values(), services):
        costs = ModelCosts(scenario, spec.model, scenario.models[spec.model])
        found += _demands(costs, [deployment for _, deployment in spec.timeline], service)
        if spec.twin is not None and service.twin is not None:
            costs = ModelCosts(scenario, spec.twin.model, scenario.models[spec.twin.model])
            found += _demands(costs, [spec.twin.deployment], service.twin.service)
    return found


def _demands(costs: ModelCosts, timeline: Sequence[written.Deployment], service: Service) -> Iterator[Demand]:
    server, duration_s = costs.scenario.cluster.parameter_server, costs.scenario.run.duration
    for asked, deployment, end in zip(timeline, service.deployments, window_ends(service, duration_s)):
        rate = rate_between(costs.scenario, service, deployment.from_s, end)
        for portion in asked.portions:
            if portion.weights != "streamed" or server is None:
                continue
            count = asked.replicas or portion.replicas or 1
            alike = [one for one in asked.portions if one.layers == portion.layers]
            part = count / sum(asked.replicas or one.replicas or 1 for one in alike)
            share = survival(service.exits, deployment.exit_layer, portion.layers.first)
            pass_s = _pass_s(service, deployment, portion)
            size = sum(sizes_of(costs, portion)) / server.bandwidth
            batches = min(rate * share * part / portion.batch, count / pass_s)
            yield Demand(deployment.from_s, end, count, batches * size, count * size / pass_s)


def at_once(found: Sequence[Demand]) -> list[Demand]:
    """The demands of the instant at which they are largest."""
    instants = [[one for one in found if one.start_s <= start.start_s < one.end_s] for start in found]
    return max(instants, key=lambda some: sum(one.mean for one in some), default=[])


def _pass_s(service: Service, deployment: Deployment, portion: Portion) -> float:
    """Shortest time of a full batch of a portion on any of its kinds of replica [s]."""
    phases = [
        phase
        for index in deployment.stations
        for kind in service.stations[index].kinds
        for phase in kind.phases
        if phase.first_layer == portion.layers.first and phase.batch == portion.batch
    ]
    return min(float(phase.time_s[-1]) for phase in phases)


def link_warnings(scenario: Scenario, services: Sequence[Service]) -> list[str]:
    """What the reader must know: streamed portions ask for more than the server's link has, and so wait there."""
    server = scenario.cluster.parameter_server
    if server is None or not server.shared:
        return []
    found = at_once(demands(scenario, services))
    mean, peak = sum(one.mean for one in found), sum(one.peak for one in found)
    if mean > 1.0:
        return [
            f"streamed portions ask {mean:.0%} of the parameter server's link even with full batches: it is always "
            "busy, their loads take as much longer, and the rest waits"
        ]
    if peak > 1.0 + 1e-9:
        return [
            f"streamed portions ask up to {peak:.0%} of the parameter server's link at once: batches that load "
            "together share it and take longer than alone"
        ]
    return []
