"""Closed loads: clients that think, send, wait for the answer and think again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.streams import stream

if TYPE_CHECKING:
    from simulator.scenario import workload as models


BLOCK = 64
"""Ordinals drawn at a time for all clients."""

Sampler: TypeAlias = Callable[[np.random.Generator, tuple[int, int]], NDArray[Any]]
"""Draws an array of the given shape (clients, ordinals) from a stream."""


class ClientDraws:
    """Random numbers of a closed load, indexed by client and ordinal (its first, second, ... request; from
    0).

    The number at (c, k) depends on nothing but seed, replication, service, purpose, c, k and the number of
    clients: not on when it is asked for, nor on what else was. Ordinals 64 j to 64 j + 63 of all clients come
    from the stream ``(seed, replication, service, purpose, j)``. A block is kept until every client has
    read it.

    >>> draws = ClientDraws(7, 0, "chat", "think", clients=3, sampler=lambda rng, shape: rng.random(shape))
    >>> late, early = draws.value(2, 100), draws.value(2, 0)
    >>> (early, late) == (draws.value(2, 0), draws.value(2, 100))
    True
    """

    def __init__(self, seed: int, replication: int, service: str, purpose: str, clients: int, sampler: Sampler) -> None:
        self._seed, self._name = seed, (replication, service, purpose)
        self._clients, self._sampler = clients, sampler
        self._blocks: dict[int, NDArray[Any]] = {}
        self._unread: dict[int, int] = {}
        self._held = [-1] * clients
        self._rows: list[list[Any]] = [[] for _ in range(clients)]

    def value(self, client: int, ordinal: int) -> float:
        """The number of ``client``'s request ``ordinal``: a list lookup, except once in 64."""
        block, place = divmod(ordinal, BLOCK)
        if self._held[client] != block:
            self._rows[client] = self._row(block, client)
            self._held[client] = block
        return self._rows[client][place]  # type: ignore[no-any-return]

    def block(self, number: int) -> NDArray[Any]:
        """Ordinals 64 ``number`` .. 64 ``number`` + 63 of all clients, shape (clients, 64)."""
        return self._sampler(stream(self._seed, *self._name, number), (self._clients, BLOCK))

    def _row(self, block: int, client: int) -> list[Any]:
        if block not in self._blocks:
            self._blocks[block] = self.block(block)
            self._unread[block] = self._clients
        row: list[Any] = self._blocks[block][client].tolist()
        self._unread[block] -= 1
        if self._unread[block] <= 0:  # should somebody come back, it is drawn again
            del self._blocks[block], self._unread[block]
        return row


def think_times(workload: models.Closed, *, seed: int, replication: int, service: str) -> ClientDraws:
    """Times [s] that the clients of a closed load think before each of their requests."""
    return ClientDraws(seed, replication, service, "think", workload.clients, think_sampler(workload.think))


def think_sampler(think: Any) -> Sampler:
    """Sampler of think times [s]: a bare duration is the mean of an exponential.

    ``lognormal`` has the given mean m and coefficient of variation:
    :math:`m \\exp(\\sigma z - \\sigma^2 / 2)` with :math:`\\sigma^2 = \\ln(1 + cv^2)`.
    """
    mean = float(getattr(think, "mean", think))
    distribution = getattr(think, "distribution", "exponential")
    if distribution == "deterministic":
        return lambda rng, shape: np.full(shape, mean)
    if distribution == "lognormal":
        cv = getattr(think, "cv", None)
        variance = math.log1p((1.0 if cv is None else cv) ** 2)
        sigma = math.sqrt(variance)
        return lambda rng, shape: mean * np.exp(sigma * rng.standard_normal(shape) - variance / 2)
    return lambda rng, shape: mean * rng.standard_exponential(shape)


def more(workload: models.Closed, factor: float) -> dict[str, Any]:
    """The change that multiplies the clients, rounded up (by less than 1e-9 is not up: 50 x 1.1 are 55)."""
    return {"clients": max(1, math.ceil(workload.clients * factor * (1 - 1e-12)))}
