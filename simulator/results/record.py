"""The facts of one replication, as flat arrays; the exact figures are computed from these and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Outcome(IntEnum):
    """How a request ended; every request ends in exactly one of these."""

    COMPLETED = 0
    DROPPED = 1
    REJECTED = 2
    FAILED = 3
    INSIDE = 4
    """Still in the system when the run was cut."""


class Task(IntEnum):
    """How the task of one network ended, where a service has two: its own and a twin; each ends in exactly one way."""

    ANSWERED = 0
    """Its answer is the request's."""
    CANCELLED_WAITING = 1
    """The other answered first, and it was taken out of its queue."""
    CANCELLED_IN_SERVICE = 2
    """The other answered first, and it stayed in its batch (or on its way) as a slot that nobody needs."""
    NOT_CONFIDENT = 3
    """The twin was through and not sure enough."""
    DROPPED = 4
    REJECTED = 5
    FAILED = 6
    INSIDE = 7
    """Waiting or in service when the run was cut."""


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One request class of a service; ``slo_s`` [s] is infinite when no objective is stated."""

    name: str
    priority: int
    slo_s: float
    attainment_target: float | None = None
    """Asked share of this class's requests within its SLO (0..1); None: the service's."""


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """What metrics need to know of a service; ``classes`` has at least one entry."""

    name: str
    classes: tuple[ClassInfo, ...]
    named_classes: bool
    """False when the single class only stands for the whole service."""
    attainment_target: float | None
    """Asked share of requests within the SLO (0..1), or None."""
    accuracy_full: float | None
    """Accuracy of the full model when known, or None."""


@dataclass(frozen=True, slots=True)
class PortionInfo:
    """One portion of one service (a queue and its replicas); layers count from 1."""

    service: int
    first_layer: int
    last_layer: int
    from_s: float
    """Start of the deployment window that first used it [s]."""
    twin: bool = False
    """Whether it is a portion of the service's twin; layers are then those of the twin."""

    @property
    def layers(self) -> str:
        """Layers as written in a scenario, e.g. ``1-4``."""
        first, last = self.first_layer, self.last_layer
        return str(first) if first == last else f"{first}-{last}"


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """One pool of devices; ``price_per_hour`` is per device."""

    name: str
    count: int
    price_per_hour: float


@dataclass(frozen=True, slots=True)
class Requests:
    """One row per request, in order of arrival (N rows)."""

    service: Ints
    number: Ints
    """Number of the request within its service, from 0; ordinal in order of arrival."""
    class_index: Ints
    arrival_s: Floats
    finish_s: Floats
    """Answer, drop, rejection or failure instant [s]; NaN while inside."""
    outcome: Ints
    """Values of :class:`Outcome`."""
    exit_layer: Ints
    """Layer after which the answer left (the model's last layer for a full pass); 0 when not completed, and for the
    answer of a twin."""
    correct: Floats
    """1 or 0 when the exit table tells whether the answer is right, NaN otherwise."""
    attempts: Ints
    """1 + number of times the request was taken back after a fault."""


@dataclass(frozen=True, slots=True)
class Twins:
    """How both tasks of each request ended: values of :class:`Task`, -1 where the service has no twin (N rows)."""

    main: Ints
    twin: Ints


@dataclass(frozen=True, slots=True)
class Batches:
    """One row per started batch (B rows), in order of start."""

    portion: Ints
    """Index into ``RunFrame.portions``."""
    replica: Ints
    """Index into ``RunFrame.replicas``."""
    start_s: Floats
    end_s: Floats
    """End of service [s]; the abort instant of an aborted batch."""
    free_s: Floats
    """Arrival instant of the batch's transfer [s], or ``end_s`` without one; the abort instant if aborted."""
    idle_s: Floats
    """Instant at which the replica became idle again [s]; ``free_s``, or ``end_s`` when transfers overlap."""
    due_s: Floats
    """Earliest due among what it took [s]; -inf where the portion never waits for a batch to fill."""
    capacity: Ints
    """Largest batch of the replica."""
    aborted: NDArray[np.bool_]
    """True when a fault took it back, or when the run was cut before it ended."""
    offset: Ints
    """Rows of ``member``: batch i holds ``member[offset[i]:offset[i+1]]`` (B + 1 entries)."""
    member: Ints
    """Rows of ``Requests``, in batch order (M entries)."""
    entered_s: Floats
    """Instant at which each member entered this queue [s] (M entries)."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """One row per replica ever held (R rows)."""

    portion: Ints
    number: Ints
    """Number within the portion, from 0."""
    pool: Ints
    devices: Ints
    held_s: Floats
    """From here its devices are held and billed [s]."""
    ready_s: Floats
    """From here it can serve [s] (after loading)."""
    released_s: Floats
    """Until here its devices are held [s]; +inf when never released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFrame:
    """What is known of one replication however it was measured. Times in seconds from the start of the run."""

    replication: int
    warmup_s: float
    duration_s: float
    end_s: float
    """Instant at which the run stopped (empty, or ``duration_s`` + drain)."""
    services: tuple[ServiceInfo, ...]
    portions: tuple[PortionInfo, ...]
    pools: tuple[PoolInfo, ...]
    replicas: Replicas
    warnings: tuple[str, ...] = ()
    """Statements the reader must see (extrapolated costs, load above capacity, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(RunFrame):
    """Everything one replication yields: the frame and the tables of its requests and batches."""

    requests: Requests
    batches: Batches
    twins: Twins | None = None
    """None where no service has a twin."""
