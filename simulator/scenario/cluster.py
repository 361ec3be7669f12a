"""Section ``cluster``: pools of devices, the links between them, the parameter server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_shape
from simulator.scenario.quantities import (
    Count,
    Duration,
    Name,
    PositiveBandwidth,
    PositiveCompute,
    PositiveDuration,
    PositiveShare,
    PositiveSize,
    Precision,
    Price,
    Text,
)


class InlineDevice(Strict):
    """A device described in the scenario instead of the catalogue."""

    memory: PositiveSize
    """Device memory [bytes], such as 8GiB."""
    memory_bandwidth: PositiveBandwidth
    """Memory bandwidth [bytes/s], such as 68GB/s."""
    peak: Annotated[dict[Precision, PositiveCompute], Field(min_length=1)]
    """Peak speed by precision [FLOP/s or OP/s], such as {fp32: 1.3TFLOPS, int8: 5TOPS}."""
    overhead: Duration = 0.0
    """Fixed time per kernel or layer launch [s]."""


class Faults(Strict):
    """Failures and repairs of each replica (or of the server); both times are exponential on calendar time."""

    mtbf: PositiveDuration
    """Mean time between the end of a repair and the next failure [s]."""
    mttr: PositiveDuration
    """Mean time to repair [s]."""


class Pool(Strict):
    """Devices of one type."""

    device: Annotated[
        Text | InlineDevice, by_shape("the name of a device, or {memory, memory_bandwidth, peak, overhead}")
    ]
    """Name of a device in the catalogue, or a device described here."""
    count: Count
    """Devices in the pool."""
    price_per_hour: Price | None = None
    """Price of one device for one hour; left out: the catalogue's default."""
    faults: Faults | None = None
    """Failures of a replica; left out: none."""
    load_bandwidth: PositiveBandwidth | None = None
    """Speed at which weights reach a joining device [bytes/s]; left out: the catalogue's link, or no time at all."""
    start_up: Duration = 0.0
    """Time a joining replica needs beside loading its weights [s]."""
    devices_per_replica: Count = 1
    """Devices that one replica occupies."""


class Pair(Strict):
    """The link from one pool to another, where it differs from the rest of the network."""

    from_: Annotated[Name, Field(alias="from")]
    """Pool of the sender."""
    to: Name
    """Pool of the receiver."""
    bandwidth: PositiveBandwidth | None = None
    """Bandwidth of this link [bytes/s]; left out: the network's."""
    latency: Duration | None = None
    """Latency of this link [s]; left out: the network's."""


class Network(Strict):
    """Links between replicas."""

    bandwidth: PositiveBandwidth
    """Bandwidth of a replica's link [bytes/s], such as 12GB/s or 10Gbps."""
    latency: Duration = 0.0
    """Time before the first byte arrives [s]."""
    overlap: bool = False
    """Whether a replica computes its next batch while it sends the last one."""
    shared: bool = False
    """Whether all transfers share one link fairly (reference engine only)."""
    pairs: Annotated[tuple[Pair, ...], Field(strict=False)] = ()
    """Links that differ, by pool of sender and receiver."""

    def rules(self) -> Iterator[Rule]:
        """One entry per pair of pools."""
        seen: set[tuple[str, str]] = set()
        for index, pair in enumerate(self.pairs):
            if (pair.from_, pair.to) in seen:
                yield ("pairs", index), f"the link from {pair.from_!r} to {pair.to!r} is given twice"
            seen.add((pair.from_, pair.to))


class ParameterServer(Strict):
    """Host that holds the layers of streamed models."""

    bandwidth: PositiveBandwidth
    """Bandwidth from the server to a device [bytes/s]."""
    latency: Duration = 0.0
    """Time before the first byte arrives [s]."""
    memory: PositiveSize
    """Memory of the server [bytes]."""
    shared: bool = True
    """Whether all devices share the bandwidth fairly, in each direction; else each has a link of that bandwidth."""
    duplex: PositiveShare | None = None
    """Share of its bandwidth that a direction of a device's link keeps while the other is busy; left out: 0.72."""
    faults: Faults | None = None
    """Failures of the server or of its link; left out: none."""


class Cluster(Strict):
    """The hardware."""

    pools: Annotated[dict[Name, Pool], Field(min_length=1)]
    """Pools of devices by name."""
    network: Network | None = None
    """Links between replicas; left out: transfers take no time."""
    parameter_server: ParameterServer | None = None
    """Server of the layers of streamed models."""
