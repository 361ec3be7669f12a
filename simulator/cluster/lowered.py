"""A scenario as plain arrays: what every engine of the cluster model consumes, with no name left to look up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit import RowSource
from simulator.results.record import PoolInfo, PortionInfo, ServiceInfo
from simulator.scenario import Workload
from simulator.scenario.autoscale import Autoscale
from simulator.scenario.cluster import Faults

if TYPE_CHECKING:
    from simulator.cluster.streaming.setup import StreamSetup
    from simulator.cluster.streaming.work import Carried

MOST_INSIDE = 1 << 24
"""Requests inside at one time of a run that keeps no tables; each takes about 350 bytes."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ExitMode = Literal["none", "compact", "at_cut", "answer_early"]
DropPolicy = Literal["never", "expired", "hopeless"]


@dataclass(frozen=True, slots=True, eq=False)
class Loads:
    """Layers of a portion that come from the parameter server: for every batch, or once when a replica starts."""

    compute_s: Floats
    """Time of each step without waiting for its layer [s], shape (steps, batch + 1)."""
    needs: tuple[int, ...]
    """For each step the number of the load that brings its layer, -1 where nothing is loaded."""
    copies: tuple[Carried, ...]
    """The loads in order, each as it is alone on its link."""
    slots: int
    """Layers that there is room for."""


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """One portion of the model on one kind of replica, as tables by batch size (index 0 .. ``batch``)."""

    portion: int
    """Index into ``Lowered.portions``."""
    ordinal: int
    """Number of the portion within its deployment, from 0: names its jitter and routing streams."""
    first_layer: int
    last_layer: int
    batch: int
    max_wait_s: float
    steps_s: Floats
    """Time of each layer and active ramp in order of execution [s], shape (steps, batch + 1)."""
    step_ramp: Ints
    """For each step 0 for a layer, else the number of the layer whose ramp it is."""
    elapsed_s: Floats
    """Left-to-right sum of ``steps_s`` [s], same shape; with streamed layers when each step ends by the recurrence."""
    time_s: Floats
    """Time of a whole batch [s], shape (batch + 1,); the last row of ``elapsed_s``."""
    transfer_s: Floats
    """Time to hand survivors to the next portion over an unshared link [s], shape (batch + 1,)."""
    transfer_bytes: float
    """Bytes of one survivor."""
    link: int
    """Index into ``Lowered.links`` of the shared link to the next station, -1 for a link of its own."""
    floor_s: float
    """Shortest time from here to the first possible exit at batch 1, transfers in, jitter out [s]."""
    streamed: Loads | None = None
    """What every batch loads; ``steps_s`` is then that of a replica which is alone at the server."""
    starting: Loads | None = None
    """What a joining replica loads while it may serve already."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Replicas of one station that share pool, batch size and times."""

    pool: int
    devices: int
    """Devices of one replica."""
    load_s: float
    """Loading the weights and starting up [s]."""
    mtbf_s: float
    """Mean up time [s]; infinite without faults."""
    mttr_s: float
    phases: tuple[Phase, ...]
    """One phase for parallel execution; all portions of the model for serial execution."""
    first_wait_s: float = 0.0
    """Part of ``load_s`` that a first batch of one waits for layers which come meanwhile [s]."""


@dataclass(frozen=True, slots=True, eq=False)
class Station:
    """A queue and the replicas that serve it: one portion (parallel) or the whole chain of portions (serial)."""

    name: str
    """Unique within the service; names its random streams."""
    kinds: tuple[Kind, ...]
    routing: str
    exit_mode: ExitMode
    serial: bool


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """The way to the next portion: ``seconds`` by survivors over an unshared link, ``link`` as in ``Phase``."""

    seconds: Floats
    link: int


@dataclass(frozen=True, slots=True)
class Scaling:
    """Limits of an autoscaled number of replicas, and the rule that it follows within them."""

    least: int
    most: int
    rule: Autoscale


@dataclass(frozen=True, slots=True, eq=False)
class Deployment:
    """What serves the requests that arrive from ``from_s`` on."""

    from_s: float
    stations: tuple[int, ...]
    """Indices into ``Service.stations``, in order of the model's layers."""
    replicas: tuple[tuple[int, ...], ...]
    """Asked replicas of each station by kind; kinds beyond the written ones are 0."""
    waits_s: tuple[tuple[tuple[float, ...], ...], ...]
    """``max_wait`` of each station by kind and phase [s] while this deployment is the current one."""
    transfers: tuple[tuple[Transfer, ...], ...]
    """How survivors leave each station, by kind, while this deployment is the current one."""
    exit_layer: Ints
    """Layer after which the answer leaves, by exit row (one row when nothing exits early)."""
    fires: NDArray[np.bool_]
    """Whether the ramp after each layer is active and answers, shape (rows, layers); the last is the model's end."""
    correct: Floats | None
    """Expected correctness of an answer that leaves after each layer, shape (rows, layers): what is known of it (NaN:
    nothing) less what the number formats cost; None where nothing is known of any."""
    scaling: tuple[tuple[Scaling | None, ...], ...] = ()
    """Autoscaler of each station by kind, None where the number of replicas stands; empty where there is none."""

    @property
    def most(self) -> tuple[tuple[int, ...], ...]:
        """Most replicas of each station by kind: as asked, or as many as its autoscaler may add."""
        if not self.scaling:
            return self.replicas
        pairs = (zip(counts, scaled) for counts, scaled in zip(self.replicas, self.scaling))
        return tuple(tuple(n if one is None else one.most for n, one in pair) for pair in pairs)

    def of(self, station: int, kind: int) -> tuple[Scaling | None, int]:
        """Autoscaler and written number of replicas of a kind of one of the stations."""
        place = self.stations.index(station)
        return self.scaling[place][kind] if self.scaling else None, self.replicas[place][kind]


@dataclass(frozen=True, slots=True, eq=False)
class Exits:
    """Exit rows of a service.

    ``rows`` gives each request its row from one uniform number, its arrival instant and its number, once it is seeded
    for the replication and the service; ``correct`` (rows, layers) is 1, 0 or NaN: whether the answer of the ramp after
    that layer is right.
    """

    rows: RowSource
    correct: Floats


@dataclass(frozen=True, slots=True)
class Jitter:
    """Service-time jitter: a factor of mean 1 with coefficient of variation ``cv``."""

    distribution: Literal["deterministic", "exponential", "lognormal"]
    cv: float


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One service: its load, its stations over all deployments and its policies."""

    info: ServiceInfo
    workload: Workload
    class_shares: Floats
    """Cumulative shares of the classes, the last is 1."""
    layers: int
    exits: Exits | None
    jitter: Jitter
    capacity: int | None
    """Most requests waiting for the first portion; None is unbounded."""
    drop: DropPolicy
    retries: int
    """Times a request may be taken back after faults; 0: it fails with the first."""
    stations: tuple[Station, ...]
    deployments: tuple[Deployment, ...]
    twin: Twin | None = None
    """A second network that gets every request too."""

    @property
    def autoscaled(self) -> frozenset[tuple[int, int]]:
        """(station, kind) of replicas that an autoscaler adds and removes in any deployment."""
        return frozenset(
            (index, kind)
            for deployment in self.deployments
            for index, scaled in zip(deployment.stations, deployment.scaling)
            for kind, one in enumerate(scaled)
            if one is not None
        )

    def right_answers(self, deployment: Ints, row: Ints, layer: Ints) -> Floats:
        """Expected correctness of answers by deployment, exit row, and layer (from 0) after which they leave."""
        found = np.full(len(row), np.nan)
        for number, window in enumerate(self.deployments):
            if window.correct is not None:
                mine = np.flatnonzero(deployment == number)
                found[mine] = window.correct[row[mine], layer[mine]]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """A network beside the main one. Its requests are those of the main service, with their numbers and classes."""

    service: Service
    """Stations and policies of the twin; its load is not read."""
    sure: Bools | None
    """Whether the twin's answer counts, by exit row of the main service; None: by chance, as ``share`` says."""
    correct: Floats | None
    """Whether that answer is right, by exit row: 1, 0 or NaN."""
    share: float
    """Share of the requests that the twin is sure of, as rows are mixed at the start."""


@dataclass(frozen=True, slots=True)
class Link:
    """A shared link: ``bandwidth`` [B/s] divided fairly among the transfers under way, after ``latency_s`` each."""

    name: str
    bandwidth: float
    latency_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Server:
    """The parameter server where loads of services are events, because they meet others or its failures."""

    reason: str
    """What is simulated so, in words."""
    shared: bool
    """Whether all share its link; else each replica has one of its own."""
    faults: Faults | None
    streams: Mapping[str, StreamSetup]
    """Streamed models that use the same link."""


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A whole cluster with its load, ready for an engine."""

    seed: int
    duration_s: float
    warmup_s: float
    drain_s: float
    overlap: bool
    services: tuple[Service, ...]
    portions: tuple[PortionInfo, ...]
    pools: tuple[PoolInfo, ...]
    links: tuple[Link, ...]
    warnings: tuple[str, ...] = field(default=())
    server: Server | None = None
    """None where every batch has its link for itself and tables of time are exact."""
