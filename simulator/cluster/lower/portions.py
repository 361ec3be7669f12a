"""One portion on one kind of replica: its tables of time by batch size, its transfers, its memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.cluster.lower.exits import ModelExits
from simulator.cluster.lower.hardware import Hardware, Route
from simulator.cluster.lower.layers import ModelCosts, law_of
from simulator.cluster.lower.precision import spoken
from simulator.cluster.lower.streamed import (
    SLOTS,
    ends_with_loads,
    loads_of,
    server_link,
    sizes_of,
    slot_bytes,
    start_link,
    waits_for_first,
    with_loads,
)
from simulator.cluster.lowered import Floats, Loads, Phase, Transfer
from simulator.scenario.deployment import Deployment, Portion
from simulator.scenario.times import RelativeTime


@dataclass(frozen=True, slots=True)
class Steps:
    """Layers and active ramps of a portion in order of execution; see ``Phase`` for the columns."""

    seconds: Floats
    elapsed: Floats
    ramp: list[int]
    extrapolated: bool
    streamed: Loads | None = None
    starting: Loads | None = None


def steps_of(costs: ModelCosts, active: tuple[int, ...], portion: Portion, hardware: Hardware) -> Steps:
    """Times of every layer and active ramp at 0 .. batch items, with the waits for layers that are streamed; 0 items
    take no time."""
    batches = np.arange(portion.batch + 1, dtype=np.float64)
    rows: list[Floats] = []
    ramp: list[int] = []
    extrapolated = False
    for layer, precision in enumerate(costs.formats(portion), start=portion.layers.first):
        seconds = costs.seconds(layer - 1, hardware, precision, portion.batch)
        extrapolated |= costs.cost(layer - 1, hardware, precision).extrapolates(portion.batch)
        rows.append(seconds)
        ramp.append(0)
        if layer in active:
            ramp_seconds, beyond = _ramp(costs, seconds, batches)
            extrapolated |= beyond
            rows.append(ramp_seconds)
            ramp.append(layer)
    seconds = np.array(rows)
    if portion.weights == "streamed":
        return _streamed(costs, portion, seconds, ramp, extrapolated)
    start = _start(costs, portion, hardware, seconds, ramp) if portion.start_up == "streamed" else None
    return Steps(seconds, left_to_right(seconds), ramp, extrapolated, starting=start)


def _streamed(costs: ModelCosts, portion: Portion, seconds: Floats, ramp: list[int], extrapolated: bool) -> Steps:
    """Steps of a portion whose layers come with every batch."""
    server = costs.scenario.cluster.parameter_server
    assert server is not None  # the checks of the scenario refuse a streamed portion without
    sizes, slots, link = sizes_of(costs, portion), portion.prefetch or SLOTS, server_link(server)
    ends = ends_with_loads(seconds, ramp, sizes, slots, link)
    loads = loads_of(seconds, ramp, sizes, slots, link, server.bandwidth)
    return Steps(with_loads(ends), ends, ramp, extrapolated, streamed=loads)


def _start(costs: ModelCosts, portion: Portion, hardware: Hardware, seconds: Floats, ramp: list[int]) -> Loads | None:
    """What a replica loads from the parameter server as it starts; None where its weights come from elsewhere."""
    server = costs.scenario.cluster.parameter_server
    link = start_link(server, hardware.load_bandwidth)
    if server is None or link is None:
        return None
    sizes = sizes_of(costs, portion)
    return loads_of(seconds, ramp, sizes, max(len(sizes), 1), link, server.bandwidth)


def _none_for_nobody(seconds: Floats) -> Floats:
    seconds = np.asarray(seconds, dtype=np.float64).copy()
    seconds[0] = 0.0
    return seconds


def _ramp(costs: ModelCosts, layer_seconds: Floats, batches: Floats) -> tuple[Floats, bool]:
    """Times of a ramp by batch size, and whether the largest is extrapolated; some are relative to the layer's."""
    ramps = costs.model.ramps
    assert ramps is not None
    if isinstance(ramps.time, RelativeTime):
        return ramps.time.relative * layer_seconds, False
    law = law_of(ramps.time)
    return _none_for_nobody(law.seconds(batches)), bool(law.extrapolates(batches[-1]))


def left_to_right(rows: Floats) -> Floats:
    """Running sum over the rows, one addition after another (the order is part of the meaning)."""
    return np.cumsum(rows, axis=0)


def phase_of(
    steps: Steps,
    portion: Portion,
    *,
    index: int,
    ordinal: int,
    transfer_bytes: float,
    route: Route | None,
) -> Phase:
    """The lowered phase; ``floor_s`` is filled in once the portions after it are known. No route: nothing to send."""
    transfer = transfer_of(portion.batch, transfer_bytes, route)
    return Phase(
        portion=index,
        ordinal=ordinal,
        first_layer=portion.layers.first,
        last_layer=portion.layers.last,
        batch=portion.batch,
        max_wait_s=portion.max_wait,
        steps_s=steps.seconds,
        step_ramp=np.array(steps.ramp, dtype=np.int64),
        elapsed_s=steps.elapsed,
        time_s=steps.elapsed[-1],
        transfer_s=transfer.seconds,
        transfer_bytes=transfer_bytes,
        link=transfer.link,
        floor_s=math.inf,
        streamed=steps.streamed,
        starting=steps.starting,
    )


def transfer_of(batch: int, item_bytes: float, route: Route | None) -> Transfer:
    """Way of 0 .. batch survivors over a route: latency + bytes / bandwidth; none take no time, nor does no route."""
    if route is None:
        return Transfer(np.zeros(batch + 1), -1)
    seconds = route.latency_s + np.arange(batch + 1, dtype=np.float64) * item_bytes / route.bandwidth
    seconds[0] = 0.0
    return Transfer(seconds, route.link)


def active_ramps(exits: ModelExits, deployment: Deployment, portion: Portion) -> tuple[int, ...]:
    """Layers of this portion whose ramp runs: those in the portion, never the model's last."""
    return tuple(layer for layer in exits.active(deployment) if portion.layers.first <= layer <= portion.layers.last)


def needed_memory(costs: ModelCosts, portions: list[Portion]) -> float:
    """Least memory for the weights and for the largest output of a full batch [B]; unknown sizes count as nothing."""
    largest = 0.0
    for portion in portions:
        for layer, precision in enumerate(costs.formats(portion), start=portion.layers.first):
            largest = max(largest, portion.batch * costs.output_bytes(layer - 1, precision))
    return weights_of(costs, portions) + largest


def lacking_memory(costs: ModelCosts, members: list[Portion], hardware: Hardware) -> str | None:
    """What to say where the portions of a replica do not fit its memory; None where they do."""
    needed = needed_memory(costs, members)
    available = hardware.memory_bytes * hardware.pool.devices_per_replica
    if needed <= available:
        return None
    formats = spoken(one for member in members for one in costs.formats(member))
    return (
        f"does not fit: portion {members[0].layers.first}-{members[-1].layers.last} needs {needed / 1e9:.2f} GB at "
        f"{formats} and batch {members[0].batch}, a replica in pool {hardware.name!r} has "
        f"{available / 1e9:.2f} GB; cut the model, lower batch or precision, stream its weights or raise "
        "devices_per_replica"
    )


def weights_of(costs: ModelCosts, portions: list[Portion]) -> float:
    """Bytes of weights that a replica holds: all, or the slots of streamed ones; unknown sizes count as nothing."""
    resident = sum(size for one in portions if one.weights == "resident" for size in sizes_of(costs, one))
    streamed = [one for one in portions if one.weights == "streamed"]
    return resident + sum(slot_bytes(sizes_of(costs, one), one.prefetch or SLOTS) for one in streamed)


def load_seconds(
    costs: ModelCosts, portions: list[Portion], steps: list[Steps], bandwidth: float | None
) -> tuple[float, float]:
    """Time until a joining replica can serve, beside its start-up, and the part that a streamed start takes of it [s].

    Streamed weights come with each batch. Where a replica starts while its weights come, this is what its first batch
    takes longer: the batch then runs at its usual time, and ends when it really would.
    """
    link = start_link(costs.scenario.cluster.parameter_server, bandwidth)
    if bandwidth is None or link is None:
        return 0.0, 0.0
    pairs = [(one, step) for one, step in zip(portions, steps) if one.weights == "resident"]
    whole = sum(size for one, _ in pairs if one.start_up == "whole" for size in sizes_of(costs, one))
    waits = sum(
        waits_for_first(step.seconds, step.ramp, sizes_of(costs, one), link.bandwidth)
        for one, step in pairs
        if one.start_up == "streamed"
    )
    return whole / bandwidth + waits, waits


def warnings_of(costs: ModelCosts, steps: Steps, portion: Portion, hardware: Hardware, service: str) -> list[str]:
    """What the reader must know of the times of a portion: those beyond measured rows, and those that are estimates."""
    where = f"service {service}, portion {portion.layers} on {hardware.name}"
    found = []
    if steps.extrapolated:
        found.append(f"{where}: batch {portion.batch} is beyond the measured rows, its time is extrapolated")
    for precision in dict.fromkeys(costs.formats(portion)):
        if costs.is_estimate(hardware, precision):
            found.append(
                f"{where}: {costs.model.catalogue} is not measured there at {precision}, "
                "its time is a data-sheet roofline and may be off by half"
            )
    return found


def way_of(portion: Portion) -> tuple[object, ...]:
    """How the weights of a portion come: replicas that differ in it are not the same."""
    return portion.weights, portion.prefetch, portion.start_up


def to_first_exit(phase: Phase, after: float | None) -> float:
    """Time at batch 1 from this portion to the first exit that may answer; ``after`` is that of the next portion."""
    ramps = np.flatnonzero(phase.step_ramp)
    if ramps.size:
        return float(phase.elapsed_s[ramps[0], 1])
    return float(phase.time_s[1]) + (0.0 if after is None else float(phase.transfer_s[1]) + after)
