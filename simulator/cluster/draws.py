"""What chance decides about each request, drawn ahead as arrays by request number and never during the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.cluster.lowered import Floats, Ints, Jitter, Service
from simulator.costs.early_exit import RowSource
from simulator.scenario.workload import Closed
from simulator.streams import stream
from simulator.workload import ClientDraws, open_arrivals

Sampler = Callable[[np.random.Generator, Any], NDArray[Any]]


def jitter_sampler(jitter: Jitter) -> Sampler | None:
    """Draws of the service-time factor (mean 1); None when service times are exact."""
    if jitter.distribution == "exponential":
        return _exponential
    if jitter.distribution == "lognormal" and jitter.cv > 0:
        sigma = float(np.sqrt(np.log1p(jitter.cv**2)))
        return lambda rng, shape: np.exp(sigma * rng.standard_normal(shape) - sigma * sigma / 2)
    return None


def _exponential(rng: np.random.Generator, shape: Any) -> NDArray[Any]:
    drawn: NDArray[np.float64] = rng.standard_exponential(shape)
    return drawn


def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1)."""
    return rng.random(shape)


def class_indices(shares: Floats, draws: Floats) -> Ints:
    """Class of each request from a uniform number; ``shares`` are cumulative."""
    return np.minimum(np.searchsorted(shares, draws, side="right"), len(shares) - 1).astype(np.int64)


class Draws:
    """All draws of one service in one replication.

    Open load: arrays over request numbers. Closed load: by (client, ordinal), through ``ClientDraws``. One named stream
    each per (seed, replication, service, purpose[, portion]): deployments of the same load see the same numbers.
    ``arrival_s`` gives the arrivals where they are known already.
    """

    def __init__(
        self,
        service: Service,
        seed: int,
        replication: int,
        until_s: float,
        folder: Path,
        arrival_s: Floats | None = None,
    ) -> None:
        self.service = service
        self._key = (replication, service.info.name)
        self._seed = seed
        self.closed = isinstance(service.workload, Closed)
        if arrival_s is None:
            arrival_s = np.zeros(0) if self.closed else self._arrivals(until_s, folder)
        self.arrival_s = arrival_s
        self.jitter = jitter_sampler(service.jitter)
        self._clients: dict[tuple[str, int], ClientDraws] = {}

    def _arrivals(self, until_s: float, folder: Path) -> Floats:
        replication, name = self._key
        chunks = list(
            open_arrivals(
                self.service.workload,
                seed=self._seed,
                replication=replication,
                service=name,
                until_s=until_s,
                folder=folder,
            )
        )
        return np.concatenate(chunks) if chunks else np.zeros(0)

    def column(self, purpose: str, sampler: Sampler, ordinal: int = 0) -> Floats:
        """One number per request of an open load."""
        return sampler(stream(self._seed, *self._key, purpose, ordinal), (len(self.arrival_s),))

    def exit_rows(self) -> RowSource | None:
        """What gives the requests of this replication their exit rows."""
        exits = self.service.exits
        return None if exits is None else exits.rows.seeded(self._seed, *self._key)

    def of_client(self, purpose: str, sampler: Sampler, ordinal: int = 0) -> ClientDraws:
        """Numbers by (client, ordinal) of a closed load."""
        made = self._clients.get((purpose, ordinal))
        if made is None:
            replication, name = self._key
            workload = self.service.workload
            assert isinstance(workload, Closed)
            clients = workload.clients
            made = ClientDraws(self._seed, replication, name, f"{purpose}-{ordinal}", clients, sampler)
            self._clients[purpose, ordinal] = made
        return made
