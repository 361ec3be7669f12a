"""Which row of an exit table a request replays: drawn, in the order of the file, in shuffled blocks, from a moving mix.

Rows are replayed whole: an input that is hard at one ramp is hard at the others too. A request is known by one uniform
number in [0, 1), its arrival instant and its number; the row follows from these alone, whatever the order of asking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.early_exit.router import Router
from simulator.errors import Problem, ScenarioError
from simulator.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHUFFLED_AT_ONCE = 1 << 16
"""Rows that are shuffled with one random stream: few streams, little memory."""
KEPT = 8
BELOW_ONE = float(np.nextafter(1.0, 0.0))
_NOBODY = np.zeros(0, dtype=np.int64)


class Order(Protocol):
    """How the rows of one table follow each other. A new order is one such class and one line in ``order_of``."""

    def rows(self, table: int, rows: int, uniform: Floats, number: Ints) -> Ints:
        """Row, within table number ``table`` of ``rows`` rows, of each request; ``uniform`` is within [0, 1)."""
        ...

    def left(self, rows: int, uniform: Floats) -> Floats:
        """What the choice of a row leaves of the uniform numbers: uniform again, whatever the row."""
        ...

    def seeded(self, seed: int, *name: str | int) -> Order:
        """The same order with the random choices of a named stream."""
        ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """Every request draws a row by itself: ``floor(u rows)``."""

    def rows(self, table: int, rows: int, uniform: Floats, number: Ints) -> Ints:
        """See ``Order``."""
        return np.minimum((uniform * rows).astype(np.int64), rows - 1)

    def left(self, rows: int, uniform: Floats) -> Floats:
        """See ``Order``."""
        return np.minimum(uniform * rows - self.rows(0, rows, uniform, _NOBODY), BELOW_ONE)

    def seeded(self, seed: int, *name: str | int) -> Drawn:
        """Nothing is chosen beyond the uniform numbers."""
        return self


@dataclass(frozen=True, slots=True)
class Replayed:
    """Request n replays row ``n mod rows``: the file's own order, over and over."""

    def rows(self, table: int, rows: int, uniform: Floats, number: Ints) -> Ints:
        """See ``Order``."""
        return number % rows

    def left(self, rows: int, uniform: Floats) -> Floats:
        """Nothing is used up."""
        return uniform

    def seeded(self, seed: int, *name: str | int) -> Replayed:
        """Nothing is random."""
        return self


@dataclass(frozen=True, slots=True)
class Blocks:
    """The file is cut into blocks of ``length`` rows (the last may be shorter), which are shuffled anew in every pass.

    Inside a block rows keep their order, every row comes once per pass: neighbours stay alike, as inputs of one user or
    one video are. Length 1 shuffles rows.
    """

    length: int
    seed: int = 0
    name: tuple[str | int, ...] = ()
    _turns: dict[tuple[int, int, int], Ints] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ScenarioError(Problem(f"order: blocks need a length of at least 1 row, got {self.length}"))

    def seeded(self, seed: int, *name: str | int) -> Blocks:
        """The blocks shuffled by the stream (seed, name)."""
        return Blocks(self.length, seed, name)

    def rows(self, table: int, rows: int, uniform: Floats, number: Ints) -> Ints:
        """See ``Order``."""
        together = max(1, SHUFFLED_AT_ONCE // rows)
        era = number // (rows * together)
        found = np.empty(len(number), dtype=np.int64)
        sequence = np.argsort(era, kind="stable")
        for mine in np.split(sequence, np.flatnonzero(np.diff(era[sequence])) + 1):
            if mine.size:
                order = self._shuffled(table, rows, together, int(era[mine[0]]))
                found[mine] = order[number[mine] % (rows * together)]
        return found

    def left(self, rows: int, uniform: Floats) -> Floats:
        """Nothing is used up."""
        return uniform

    def _shuffled(self, table: int, rows: int, together: int, era: int) -> Ints:
        """Rows in the order of ``together`` passes; only those of the latest few streams are kept."""
        key = (table, rows, era)
        if key not in self._turns:
            if len(self._turns) >= KEPT:
                self._turns.pop(next(iter(self._turns)))
            blocks = np.tile(np.arange(-(-rows // self.length)), (together, 1))
            rng = stream(self.seed, *self.name, "exit-blocks", table, era)
            inside = rng.permuted(blocks, axis=1)[..., None] * self.length + np.arange(self.length)
            self._turns[key] = inside[inside < rows]
        return self._turns[key]


def order_of(written: str | int) -> Order:
    """``drawn``, ``replayed``, or shuffled blocks of that many rows."""
    if isinstance(written, int):
        return Blocks(written)
    orders: dict[str, Order] = {"drawn": Drawn(), "replayed": Replayed()}
    if written not in orders:
        raise ScenarioError(Problem(f"order: unknown {written!r} (known: {', '.join(orders)}, or a length of blocks)"))
    return orders[written]


@dataclass(frozen=True, eq=False)
class Mix:
    """Shares of several tables over time: ``shares[p, k]`` is that of table k at the instant ``at_s[p]``.

    Between the instants shares move along straight lines (``linear``) or stay (``step``); before the first and after
    the last they stay.
    """

    at_s: Floats
    shares: Floats
    change: Literal["linear", "step"] = "linear"

    def __post_init__(self) -> None:
        if self.shares.ndim != 2 or 0 in self.shares.shape or self.at_s.shape != self.shares.shape[:1]:
            raise ScenarioError(Problem("mix: needs one row of shares per instant"))
        if any(not low < high for low, high in pairwise(self.at_s.tolist())):
            raise ScenarioError(Problem("mix: instants must ascend, without repetition"))
        wrong = ~((self.shares >= 0.0).all(axis=1) & (np.abs(self.shares.sum(axis=1) - 1.0) <= 1e-9))
        if wrong.any():
            raise ScenarioError(Problem(f"mix: the shares at {self.at_s[wrong][0]:g}s do not add up to 1"))

    def weights(self, arrival_s: ArrayLike) -> Floats:
        """(n, tables): share of each table at each instant; every row adds up to 1."""
        return np.diff(self.bounds(np.atleast_1d(np.asarray(arrival_s, dtype=np.float64))), axis=0).T

    def bounds(self, arrival_s: Floats) -> Floats:
        """(tables + 1, n): from 0 to 1, table k has the uniform numbers between rows k and k + 1."""
        edges = np.cumsum(self.shares, axis=1)
        if self.change == "step":
            point = np.clip(np.searchsorted(self.at_s, arrival_s, side="right") - 1, 0, None)
            inner = edges[point].T
        else:
            inner = np.array([np.interp(arrival_s, self.at_s, column) for column in edges.T])
        inner[-1] = 1.0
        return np.concatenate([np.zeros((1, len(arrival_s))), np.minimum(inner, 1.0)])


class RowSource(Protocol):
    """What gives every request its row: a replay of tables, or a profile."""

    def draw(self, uniform: Floats, arrival_s: Floats, number: Ints) -> Ints:
        """Row of each request, from a uniform number in [0, 1), its arrival instant [s] and its number."""
        ...

    def seeded(self, seed: int, *name: str | int) -> RowSource:
        """The same with its other random choices made by a named stream, such as one per replication and service."""
        ...

    def weights(self, arrival_s: float) -> Floats:
        """Share of every row among the requests that arrive at an instant [s]; they add up to 1."""
        ...


@dataclass(frozen=True)
class Replay:
    """Rows of one or several tables that are joined one after another, of ``sizes`` rows each.

    With a ``router`` what is drawn are its pairs (row, chosen exit), numbered as the router numbers them.

    >>> Replay((4,)).draw(np.array([0.0, 0.26, 0.99])).tolist()
    [0, 1, 3]
    """

    sizes: tuple[int, ...]
    order: Order = field(default_factory=Drawn)
    mix: Mix | None = None
    router: Router | None = None

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1:
            raise ScenarioError(Problem("needs tables of at least one row"))
        if (1 if self.mix is None else self.mix.shares.shape[1]) != len(self.sizes):
            raise ScenarioError(Problem(f"mix: needs one share for each of the {len(self.sizes)} tables"))
        if self.router is not None and len(self.router.state) != sum(self.sizes):
            raise ScenarioError(Problem(f"router: needs the true exit of each of the {sum(self.sizes)} rows"))

    def seeded(self, seed: int, *name: str | int) -> Replay:
        """The same with the block order of a named stream, such as one per replication and service."""
        return replace(self, order=self.order.seeded(seed, *name))

    def draw(self, uniform: Floats, arrival_s: Floats | None = None, number: Ints | None = None) -> Ints:
        """Row of each request in the joined table, or its pair of the router.

        ``uniform`` chooses the table by the shares at ``arrival_s`` [s], what is left of it the row, where rows are
        drawn, and what is then left the exit, where a router chooses: one number serves all. ``number`` counts the
        service's requests from 0. A single table whose rows are drawn needs the uniform numbers only.
        """
        uniform = np.asarray(uniform, dtype=np.float64)
        number = np.arange(len(uniform)) if number is None else np.asarray(number, dtype=np.int64)
        if self.mix is None:
            return self._within(0, 0, uniform, number)
        arrival_s = np.zeros(len(uniform)) if arrival_s is None else np.asarray(arrival_s, dtype=np.float64)
        bounds = self.mix.bounds(arrival_s)
        chosen = np.minimum((uniform >= bounds[1:]).sum(axis=0), len(self.sizes) - 1)
        found = np.empty(len(uniform), dtype=np.int64)
        start = 0
        for table, rows in enumerate(self.sizes):
            mine = np.flatnonzero(chosen == table)
            low, high = bounds[table, mine], bounds[table + 1, mine]
            inside = (uniform[mine] - low) / np.where(high > low, high - low, 1.0)
            found[mine] = self._within(table, start, inside, number[mine])
            start += rows
        return found

    def _within(self, table: int, start: int, uniform: Floats, number: Ints) -> Ints:
        """Rows, or pairs, of requests of one table, whose first row is row ``start`` of all."""
        rows = self.sizes[table]
        row = start + self.order.rows(table, rows, uniform, number)
        return row if self.router is None else self.router.pair(row, self.order.left(rows, uniform))

    def weights(self, arrival_s: float) -> Floats:
        """Share of every row (or pair) among the requests that arrive at an instant; they add up to 1."""
        shares: Sequence[float] = [1.0] if self.mix is None else self.mix.weights(arrival_s)[0].tolist()
        weights = np.concatenate([np.full(rows, share / rows) for rows, share in zip(self.sizes, shares)])
        return weights if self.router is None else self.router.weights(weights)
