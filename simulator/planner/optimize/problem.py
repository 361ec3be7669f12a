"""What is searched: windows, pools, every way to deploy each service as plain arrays, and the load it must carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.scenario.planfile import PlannedForecast

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDING = 1e-9
"""Work that exceeds a whole number of replicas by this share of it needs no further one."""


@dataclass(frozen=True, slots=True)
class Window:
    """A planning interval [s]."""

    start_s: float
    end_s: float

    @property
    def hours(self) -> float:
        """Its length [h]."""
        return (self.end_s - self.start_s) / 3600.0


@dataclass(frozen=True, slots=True)
class PoolLimit:
    """Devices of a pool that the planned services may hold; trainings, streams and fixed services hold the others."""

    name: str
    devices: int
    price_per_hour: float


@dataclass(frozen=True, slots=True)
class Group:
    """Replicas of one kind: one portion in parallel execution, else the whole deployment.

    ``busy_s``: time that a full batch keeps a replica busy, transfers in [s]; ``survival``: share of the arrivals that
    get here, at the bad end of its interval; ``load_s``: what an added replica loads and starts up [s]; ``key``: equal
    groups of neighbouring windows keep their replicas.
    """

    layers: tuple[int, int]
    pool: int
    devices: int
    busy_s: float
    survival: float
    load_s: float
    key: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to deploy a service, all but the number of replicas.

    ``detail`` is whatever its maker needs to write the deployment; ``service_s`` the time of a full batch over all
    portions [s]; ``accuracy`` None where nothing is known of right answers.
    """

    name: str
    exit_mode: str
    execution: str
    batch: int
    groups: tuple[Group, ...]
    service_s: float
    accuracy: float | None = None
    detail: Any = None


@dataclass(frozen=True, eq=False)
class Space:
    """Every shape of one service that accuracy, memory and the deadline of a full batch allow, as arrays.

    Arrays are (shapes, most groups), padded with pool -1: ``work_s`` replica-seconds that one arriving request asks of
    a group (busy x survival / batch; never more than any fill needs, and less where ``1 - served`` of the arrivals may
    be lost: they may be those that need it), ``devices`` per replica, ``price`` per replica and hour, ``load_s``, and
    ``key``, the number of the group's key. ``served``: the share of the arrivals that has to be served in time at
    least, the attainment. Shapes beyond one that no rate would ever prefer may be left out.
    """

    service: str
    shapes: Sequence[Shape]
    served: float
    pool: Ints
    devices: Ints
    work_s: Floats
    price: Floats
    load_s: Floats
    key: Ints
    left_out: tuple[Any, ...] = field(default=())
    """Alternatives that never came into question, with the reason (see ``certificate``)."""
    notes: tuple[str, ...] = ()
    """What the planner's section allows and was not looked at; empty where the shapes are all that matter."""
    rest: tuple[float, float] = (inf, inf)
    """What any shape that was not looked at costs at least: per request and second of work [price per hour x s], and
    per hour with one replica in every group; infinite where there is none, 0 where nothing is known of it."""

    @property
    def complete(self) -> bool:
        """Whether everything that the planner's section allows was looked at."""
        return not self.notes

    @classmethod
    def of(
        cls,
        service: str,
        shapes: Sequence[Shape],
        served: float,
        pools: Sequence[PoolLimit],
        left_out: Sequence[Any] = (),
    ) -> Space:
        """The arrays of shapes."""
        most = max((len(shape.groups) for shape in shapes), default=1)
        size = (len(shapes), most)
        pool, devices, key = np.full(size, -1), np.zeros(size, dtype=np.int64), np.full(size, -1)
        work, price, load = np.zeros(size), np.zeros(size), np.zeros(size)
        numbers: dict[tuple[Any, ...], int] = {}
        for row, shape in enumerate(shapes):
            for at, group in enumerate(shape.groups):
                pool[row, at], devices[row, at] = group.pool, group.devices
                work[row, at] = group.busy_s * group.survival / shape.batch
                price[row, at] = pools[group.pool].price_per_hour * group.devices
                load[row, at] = group.load_s
                key[row, at] = numbers.setdefault(group.key, len(numbers))
        return cls(service, tuple(shapes), served, pool, devices, work, price, load, key, tuple(left_out))

    def least(self, rate: float) -> Ints:
        """(shapes, groups): replicas without which a stable queue could not serve ``rate`` [1/s]; 0 where padded."""
        need = np.ceil(self.work_s * rate * self.served * (1 - ROUNDING))
        return np.where(self.pool >= 0, np.maximum(need, 1.0), 0.0).astype(np.int64)

    def rest_price(self, rate: float) -> float:
        """What carrying ``rate`` [1/s] costs per hour at least with any shape that was not looked at."""
        if self.rest[0] == inf:
            return inf
        return max(self.rest[0] * rate * self.served * (1 - ROUNDING), self.rest[1])

    def price_per_hour(self, shape: int, replicas: Sequence[int]) -> float:
        """Price of a shape with so many replicas by group."""
        return float(self.price[shape, : len(replicas)] @ np.asarray(replicas, dtype=np.float64))

    def held(self, shape: int, replicas: Sequence[int], pools: int) -> Ints:
        """(pools,): devices that a shape with so many replicas holds."""
        count = len(replicas)
        used = self.devices[shape, :count] * np.asarray(replicas, dtype=np.int64)
        return np.bincount(self.pool[shape, :count], used, pools).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Ask:
    """Does service number ``service`` meet its objective in a window with a shape and so many replicas by group?

    ``factor`` multiplies the window's load.
    """

    service: int
    window: int
    shape: int
    replicas: tuple[int, ...]
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer, with the figures it stands on; ``reason`` says why it does not hold."""

    holds: bool
    attainment: float | None = None
    p99_s: float | None = None
    goodput: float | None = None
    accuracy: float | None = None
    reason: str | None = None


class Judge(Protocol):
    """Who answers; more replicas or less load never turn a yes into a no. Equal asks get equal answers."""

    def judge(self, asks: Sequence[Ask]) -> list[Judgement]:
        """Answers in the order of the asks."""
        ...


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """What is planned for: windows in order without gap from 0 on, and the rate that each must carry, by service.

    ``rates`` [1/s] by service (windows,): at the planning quantile where there is a forecast. ``samples`` (paths,
    windows) are draws from the forecast; empty without one.
    """

    windows: tuple[Window, ...]
    rates: dict[str, Floats]
    samples: dict[str, Floats] = field(default_factory=dict)
    forecast: PlannedForecast | None = None
    own: frozenset[str] = frozenset()
    """Services whose load is the scenario's own: what is verified is then that load itself, not its rates by window."""


@dataclass(frozen=True, eq=False)
class PlanProblem:
    """Spaces and loads of all services; ``rates`` (services, windows) [1/s]; prices of a change between windows.

    An added replica costs its price while it loads, and ``switch_cost`` money each.
    """

    windows: tuple[Window, ...]
    pools: tuple[PoolLimit, ...]
    spaces: tuple[Space, ...]
    rates: Floats
    switch_cost: float = 0.0
    budget: float | None = None
    """Most money for the whole horizon."""
