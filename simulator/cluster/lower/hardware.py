"""Pools with their devices, whether these come from the catalogue or from the scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator import catalogue
from simulator.costs.base.precision import PRECISIONS
from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.cluster import Network, Pool


@dataclass(frozen=True, slots=True)
class Hardware:
    """One pool as the cluster model needs it; rates are what is reached, not what the data sheet says."""

    name: str
    index: int
    device: str | None
    """Name in the catalogue; None for a device described in the scenario."""
    memory_bytes: float
    bandwidth: float
    """Memory bandwidth [B/s] times its efficiency."""
    peak: Mapping[str, float]
    """Peak by precision [FLOP/s] times its efficiency."""
    overhead_s: float
    load_bandwidth: float | None
    price_per_hour: float
    pool: Pool


def pools_of(scenario: Scenario) -> dict[str, Hardware]:
    """Every pool by name."""
    return {
        name: _hardware(scenario, name, index, pool)
        for index, (name, pool) in enumerate(scenario.cluster.pools.items())
    }


def _hardware(scenario: Scenario, name: str, index: int, pool: Pool) -> Hardware:
    if not isinstance(pool.device, str):
        inline = pool.device
        return Hardware(
            name=name,
            index=index,
            device=None,
            memory_bytes=inline.memory,
            bandwidth=inline.memory_bandwidth,
            peak={str(precision): peak for precision, peak in inline.peak.items()},
            overhead_s=inline.overhead,
            load_bandwidth=pool.load_bandwidth,
            price_per_hour=pool.price_per_hour or 0.0,
            pool=pool,
        )
    try:
        known = catalogue.device(pool.device)
    except ScenarioError as error:
        place = ("cluster", "pools", name, "device")
        raise ScenarioError([scenario.source.problem(place, p.message) for p in error.problems]) from None
    return Hardware(
        name=name,
        index=index,
        device=known.name,
        memory_bytes=known.memory_bytes,
        bandwidth=known.memory_bandwidth * known.memory_efficiency,
        peak={precision: peak * known.compute_efficiency for precision, peak in known.peak.items()},
        overhead_s=known.overhead_s,
        load_bandwidth=pool.load_bandwidth or known.link_bandwidth,
        price_per_hour=known.price_per_hour if pool.price_per_hour is None else pool.price_per_hour,
        pool=pool,
    )


@dataclass(frozen=True, slots=True)
class Route:
    """Link from one pool to another: latency [s], bandwidth [B/s], and its number if it is shared (else -1)."""

    latency_s: float
    bandwidth: float
    link: int


def routes_of(network: Network | None) -> tuple[dict[tuple[str, str], Route], Route]:
    """Links by pair of pools, and the one for all other pairs. Without a network transfers take no time."""
    if network is None:
        return {}, Route(0.0, float("inf"), -1)
    base = Route(network.latency, network.bandwidth, 0 if network.shared else -1)
    pairs = {}
    for number, pair in enumerate(network.pairs, start=1):
        latency = network.latency if pair.latency is None else pair.latency
        bandwidth = network.bandwidth if pair.bandwidth is None else pair.bandwidth
        pairs[pair.from_, pair.to] = Route(latency, bandwidth, number if network.shared else -1)
    return pairs, base


def peak_at(hardware: Hardware, precision: str) -> float:
    """Peak of the arithmetic that a precision needs [FLOP/s or OP/s]; a device without it is a problem."""
    compute = PRECISIONS[precision].compute
    if compute != precision and compute not in hardware.peak and "bf16" in hardware.peak:
        compute = "bf16"  # weights of few bits are multiplied in 16 bits of either kind
    if compute not in hardware.peak:
        needs = "" if compute == precision else f", which {precision} weights need,"
        known = ", ".join(hardware.peak)
        raise ScenarioError(f"{hardware.device or hardware.name} has no {compute} arithmetic{needs} (it has {known})")
    return hardware.peak[compute]
