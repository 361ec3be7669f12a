"""What chance decides, handed to the kernel in chunks: the numbers that ``draws`` and ``requests`` hold as columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simulator.cluster.compiled.columns import C_AHEAD, C_GROUP, C_NUMBERS, C_ROW, C_THINK
from simulator.cluster.compiled.loop import ARRIVAL, DEADLINE, DEPLOYMENT, FIRST_NUMBER, GROUP, LEAVE, ROW
from simulator.cluster.draws import Sampler, class_indices, jitter_sampler, uniform
from simulator.cluster.lowered import Floats, Ints, Lowered, Service
from simulator.cluster.routing import RANDOM_ROUTINGS
from simulator.scenario.workload import Closed
from simulator.streams import stream
from simulator.workload import open_arrivals
from simulator.workload.closed import BLOCK, ClientDraws, think_sampler

CHUNK, LEAST_CHUNK = 16_384, 256
"""Arrivals made at a time for all services together, few enough for the processor's cache; and least for each."""
HALF = C_AHEAD // 2

Purpose = tuple[str, int]
"""Name of a stream, and number of the portion within its deployment."""


def purposes(service: Service) -> list[tuple[Purpose, Sampler]]:
    """The numbers that each request of a service needs on its way, besides class and exit row."""
    found: dict[Purpose, Sampler] = {}
    sampler = jitter_sampler(service.jitter)
    for station in service.stations:
        phases = station.kinds[0].phases
        if sampler is not None:
            found |= {("jitter", phase.ordinal): sampler for phase in phases}
        if station.routing in RANDOM_ROUTINGS:
            found |= {(name, phases[0].ordinal): uniform for name in ("routing", "second-choice")}
    return list(found.items())


def chunk_of(services: int) -> int:
    """Arrivals that are made at a time for each of so many open services."""
    return max(LEAST_CHUNK, CHUNK // max(services, 1))


class OpenFeed:
    """Arrivals of an open load with all that chance says of them."""

    def __init__(self, lowered: Lowered, index: int, group: int, replication: int, folder: Path, chunk: int) -> None:
        service = lowered.services[index]
        self.service, self.index, self.group, self._chunk = service, index, group, chunk
        self._slo = np.array([item.slo_s for item in service.info.classes])
        self._starts = [deployment.from_s for deployment in service.deployments]
        self._leave = [deployment.exit_layer for deployment in service.deployments]
        self._chunks = self._cut(lowered, replication, folder)

        def of(purpose: str, ordinal: int = 0) -> np.random.Generator:
            return stream(lowered.seed, replication, service.info.name, purpose, ordinal)

        self._class = of("class") if len(self._slo) > 1 else None
        self._row = of("exits") if service.exits else None
        seeded = (lowered.seed, replication, service.info.name)
        self._rows = None if service.exits is None else service.exits.rows.seeded(*seeded)
        self._numbers = [(sampler, of(*purpose)) for purpose, sampler in purposes(service)]
        self._made = 0

    def _cut(self, lowered: Lowered, replication: int, folder: Path) -> Iterator[Floats]:
        """Chunks of at most the size asked for."""
        for chunk in open_arrivals(
            self.service.workload,
            seed=lowered.seed,
            replication=replication,
            service=self.service.info.name,
            until_s=lowered.duration_s,
            folder=folder,
            chunk=self._chunk,
        ):
            for first in range(0, len(chunk), self._chunk):
                yield chunk[first : first + self._chunk]

    def fill(self, coming_t: Floats, coming_i: Ints) -> int:
        """Write the next chunk into the columns of the service; how many, 0 when the load has ended."""
        arrival = next(self._chunks, None)
        if arrival is None:
            return 0
        n, spec = len(arrival), self.service
        times, codes = coming_t[:, self.index, :n], coming_i[:, self.index, :n]
        times[ARRIVAL] = arrival
        if not self._made:  # what never changes
            coming_i[GROUP, self.index], coming_i[DEPLOYMENT, self.index] = self.group, 0
        if self._class is None:
            np.add(arrival, self._slo[0], out=times[DEADLINE])
        else:
            kind = class_indices(spec.class_shares, uniform(self._class, (n,)))
            np.add(kind, self.group, out=codes[GROUP])
            np.add(arrival, self._slo[kind], out=times[DEADLINE])
        if self._row is None or self._rows is None:
            codes[ROW] = 0
        else:
            codes[ROW] = self._rows.draw(uniform(self._row, (n,)), arrival, np.arange(self._made, self._made + n))
        if len(self._starts) == 1:
            np.take(self._leave[0], codes[ROW], out=codes[LEAVE])
        else:
            codes[DEPLOYMENT] = np.searchsorted(self._starts, arrival, side="right") - 1
            for number, leave in enumerate(self._leave):
                mine = codes[DEPLOYMENT] == number
                codes[LEAVE, mine] = leave[codes[ROW, mine]]
        for column, (sampler, rng) in enumerate(self._numbers):
            times[FIRST_NUMBER + column] = sampler(rng, (n,))
        self._made += n
        return n


class ClosedFeed:
    """What chance says of the requests of each client, some ordinals ahead."""

    def __init__(self, lowered: Lowered, index: int, group: int, first_client: int, replication: int) -> None:
        service = lowered.services[index]
        workload = service.workload
        assert isinstance(workload, Closed)
        self.service, self.group, self.first, self.clients = service, group, first_client, workload.clients

        def of(purpose: str, ordinal: int, sampler: Sampler) -> _Blocks:
            name = f"{purpose}-{ordinal}"
            return _Blocks(ClientDraws(lowered.seed, replication, service.info.name, name, workload.clients, sampler))

        self._think = of("think", 0, think_sampler(workload.think))
        self._class = of("class", 0, uniform)
        self._row = of("exits", 0, uniform)
        self._numbers = [of(*purpose, sampler) for purpose, sampler in purposes(service)]

    def fill(self, ahead: Floats, mine: Ints, ordinal: int) -> None:
        """Write ordinals ``ordinal`` .. ``ordinal + HALF - 1`` of the clients ``mine`` (numbers within the service)."""
        block, first = divmod(ordinal, BLOCK)
        places = slice(ordinal % C_AHEAD, ordinal % C_AHEAD + HALF)
        cut = slice(first, first + HALF)
        spec = self.service
        to = self.first + mine
        ahead[to, places, C_THINK] = self._think.of(block)[mine, cut]
        kind = class_indices(spec.class_shares, self._class.of(block)[mine, cut])
        ahead[to, places, C_GROUP] = self.group + kind
        row: Ints | int = 0
        if spec.exits is not None:
            drawn = self._row.of(block)[mine, cut]
            nothing = np.zeros(drawn.size)  # instants and numbers are not known yet, and do not matter here
            row = spec.exits.rows.draw(drawn.ravel(), nothing, nothing.astype(np.int64)).reshape(drawn.shape)
        ahead[to, places, C_ROW] = row
        for column, blocks in enumerate(self._numbers):
            ahead[to, places, C_NUMBERS + column] = blocks.of(block)[mine, cut]


class _Blocks:
    """Blocks of one purpose; the last few stay, for clients do not drift far apart."""

    KEPT = 4

    def __init__(self, draws: ClientDraws) -> None:
        self._draws = draws
        self._kept: dict[int, Floats] = {}

    def of(self, block: int) -> Floats:
        """Numbers of all clients for ordinals 64 ``block`` .. 64 ``block`` + 63, shape (clients, 64)."""
        found = self._kept.get(block)
        if found is None:
            while len(self._kept) >= self.KEPT:
                del self._kept[min(self._kept)]
            found = self._kept[block] = self._draws.block(block)
        return found
