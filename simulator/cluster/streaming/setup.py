"""A stream of the scenario, ready to be simulated: its layers, links, memory and group."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.lower.layers import ModelCosts
from simulator.cluster.lower.streamed import server_of
from simulator.cluster.streaming.work import StepWork, at_share, work_of
from simulator.costs.base.precision import PRECISIONS
from simulator.costs.streaming import (
    MOST,
    Layer,
    Link,
    Server,
    Streamed,
    auto,
    device_bytes,
    grouped,
    largest_group,
    layer_of,
    server_bytes,
    step_seconds,
)
from simulator.errors import Problem, ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.cluster import ParameterServer
from simulator.scenario.stream import Stream

Place = tuple[str | int, ...]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class StreamSetup:
    """One stream. ``streamed``: on a link of its own; ``shared``: at its fair share of the server's link when all
    streaming devices copy at once, at which ``auto`` chooses. ``largest`` group that fits, up to the one chosen from.
    """

    name: str
    written: Stream
    streamed: Streamed
    shared: Streamed
    group: int
    largest: int
    work: StepWork
    pool: Hardware
    server_bytes: float
    is_shared: bool
    """Whether all devices share the server's link."""
    warnings: tuple[str, ...] = ()


def setup_of(scenario: Scenario, name: str, pools: Mapping[str, Hardware], devices: int) -> StreamSetup:
    """The stream ``name``; ``devices`` stream from the server in all. Raises ScenarioError, with its place."""
    written, server = scenario.streams[name], server_of(scenario, ("streams", name))
    pool = pools[written.pool]
    costs = ModelCosts(scenario, written.model, scenario.models[written.model])
    layers, warnings = _layers(scenario, name, costs, pool)
    output = written.microbatch * costs.output_bytes(len(costs.names) - 1, written.precision)
    streamed = _Placed(scenario, name)(lambda: _streamed(written, server, layers, output))
    link = at_share(streamed, devices, server.bandwidth) if server.shared else streamed.link
    memory = pool.memory_bytes * pool.pool.devices_per_replica
    pick = _picked(scenario, name, replace(streamed, link=link), memory)
    streamed, group = replace(streamed, spilled=pick.spilled), pick.group
    once = float(server_bytes(streamed))
    return StreamSetup(
        name=name,
        written=written,
        streamed=streamed,
        shared=replace(streamed, link=link),
        group=group,
        largest=pick.largest,
        work=work_of(streamed, group, server.bandwidth if server.shared else streamed.link.bandwidth),
        pool=pool,
        server_bytes=once + written.devices * (float(server_bytes(streamed, group)) - once),
        is_shared=server.shared,
        warnings=warnings,
    )


@dataclass(frozen=True)
class _Placed:
    """Calls, and gives the problems of what is called their place in the stream."""

    scenario: Scenario
    name: str

    def __call__(self, call: Callable[[], T], *key: str) -> T:
        try:
            return call()
        except ScenarioError as error:
            if any(problem.file for problem in error.problems):
                raise
            known = type(self.scenario.streams[self.name]).model_fields
            found = []
            for problem in error.problems:
                own = (problem.path,) if problem.path in known else key
                found.append(self.scenario.source.problem(("streams", self.name, *own), problem.message))
            raise ScenarioError(found) from None


def _layers(
    scenario: Scenario, name: str, costs: ModelCosts, pool: Hardware
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Layers of the model for one microbatch; the input of the first is taken to be as large as its output."""
    written = scenario.streams[name]
    found, beyond = [], False
    width = PRECISIONS[written.precision].weight_bytes
    for index, layer_name in enumerate(costs.names):
        size = costs.weight_bytes(index, written.precision)
        if size is None:
            message = f"layer {layer_name} of {written.model!r} says no `weights`: how much to load is not known"
            raise ScenarioError(scenario.source.problem(("streams", name, "model"), message))
        at = index
        cost = _Placed(scenario, name)(lambda: costs.cost(at, pool, written.precision), "precision")  # noqa: B023
        beyond |= cost.extrapolates(written.microbatch)
        full = costs.weight_bytes(index, "fp16")
        parameters = (size / width) if full is None else full / PRECISIONS["fp16"].weight_bytes
        layer = layer_of(
            parameters,
            float(cost.law.seconds(written.microbatch)),
            precision=written.precision,
            dequantize_s=written.dequantize,
            frozen=written.frozen or written.mode == "inference",
            backward=written.backward,
            activation_bytes=written.microbatch * costs.output_bytes(max(index - 1, 0), written.precision),
            name=layer_name,
        )
        found.append(replace(layer, weight_bytes=size))
    warnings = _warnings(costs, name, written, pool, beyond)
    return grouped(found, written.grouped_layers), warnings


def _warnings(costs: ModelCosts, name: str, written: Stream, pool: Hardware, beyond: bool) -> tuple[str, ...]:
    found = []
    if beyond:
        found.append(f"stream {name}: the times of {written.model} go beyond the largest measured batch")
    if costs.is_estimate(pool, written.precision):
        found.append(f"stream {name}: the times of {written.model} on {pool.name} are a data-sheet estimate")
    if pool.pool.faults is not None:
        found.append(f"stream {name}: devices of {pool.name} fail in services and trainings only, not here")
    return tuple(found)


def _streamed(written: Stream, server: ParameterServer, layers: tuple[Layer, ...], output: float) -> Streamed:
    link = link_of(server, math.inf if written.bandwidth is None else written.bandwidth)
    storage = written.storage
    return Streamed(
        layers,
        link.pageable() if written.pageable else link,
        training=written.mode == "training",
        slots=written.prefetch,
        kept=written.kept,
        spilled=written.spill is True,
        storage=None if storage is None else Link(storage.bandwidth, storage.latency),
        host_slots=2 if storage is None else storage.slots,
        server=Server(written.optimizer.bytes_per_parameter, server.memory, written.optimizer.rate),
        work_bytes=written.work,
        output_bytes=output,
    )


def link_of(server: ParameterServer, own: float = math.inf) -> Link:
    """The link of one device that is alone at the server; ``own`` bandwidth of its side [B/s]."""
    link = Link(min(server.bandwidth, own), server.latency)
    return link if server.duplex is None else replace(link, duplex=server.duplex)


class _Pick(NamedTuple):
    """A group, the largest that fits of those looked at, and whether inputs wait at the server."""

    group: int
    largest: int
    spilled: bool


def _picked(scenario: Scenario, name: str, streamed: Streamed, memory: float) -> _Pick:
    """The group that is written, or the best; inputs spilled or not, as it says or whichever is faster.

    Every device has inputs of its own at the server, so each has an equal part of what the parameters leave there.
    """
    written, given = scenario.streams[name], _Placed(scenario, name)
    limit, state = streamed.server.memory, float(server_bytes(streamed))
    if limit is not None and state <= limit:
        server = replace(streamed.server, memory=state + (limit - state) / written.devices)
        streamed = replace(streamed, server=server)
    if written.group == "auto":
        choice = given(lambda: auto(streamed, memory, inputs="either" if written.spill == "auto" else "as given"))
        return _Pick(choice.step.group, choice.largest, choice.spilled)
    ways = (False, True) if written.spill == "auto" else (streamed.spilled,)
    group = written.group
    return given(lambda: _fastest([replace(streamed, spilled=way) for way in ways], memory, group))


def _fastest(ways: list[Streamed], memory: float, group: int) -> _Pick:
    """The way of least time in which a group that is asked for fits; refused with the figures if none does."""
    found: list[tuple[float, _Pick]] = []
    refused: ScenarioError | None = None
    for way in ways:
        try:
            largest = largest_group(way, memory, max(group, MOST))
        except ScenarioError as error:
            refused = error
            continue
        if largest >= group:
            found.append((float(step_seconds(way, group)), _Pick(group, largest, way.spilled)))
        else:
            needed = float(device_bytes(way, group)) / 1e9
            message = f"needs {needed:.4g} GB on the device, which has {memory / 1e9:.4g} GB: at most {largest} fit"
            refused = ScenarioError(Problem(message, path="group"))
    if not found:
        assert refused is not None  # there is a way, and it was refused
        raise refused
    return min(found)[1]
