"""Nodes of one service in one window: those that nothing refutes yet, and those that are known to hold."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from simulator.planner.optimize.problem import Floats, Ints, Judgement

Bools = NDArray[np.bool_]
Node = tuple[int, tuple[int, ...]]


class Table:
    """For every shape the fewest replicas that may still do, which are several choices once some are refuted.

    Whatever is not refuted has at least the replicas of one row: the set of nodes with no more replicas than ``n`` is
    left by adding one replica beyond ``n`` to one group, so a refuted row gives way to one row for each group. A row
    ``holds`` when a node with no more replicas does. Rows keep their numbers; dead ones are infinitely dear.
    ``most`` (groups of all shapes) are the replicas that a pool has room for.
    """

    def __init__(self, least: Ints, most: Ints, devices: Ints, pool: Ints, limits: Ints) -> None:
        shapes = len(least)
        self.most, self._devices, self._pool, self._limits = most, devices, pool, limits
        self.shape: Ints = np.arange(shapes)
        self.replicas: Ints = least.copy()
        self.alive: Bools = self.fitting(self.shape, least)
        self.holds: Bools = np.zeros(shapes, dtype=np.bool_)
        self.cost: Floats = np.zeros(shapes)
        self.count = shapes
        self.held: dict[int, dict[tuple[int, ...], Judgement]] = {}
        self._rows: dict[int, list[int]] = {}
        self._weights: Floats = np.ones(least.shape)
        self._fixed: Floats = np.zeros(shapes)

    def fitting(self, shape: Ints, replicas: Ints) -> Bools:
        """(rows,): whether the pools have the devices, each for itself."""
        fits: Bools = np.asarray((replicas <= self.most[shape]).all(axis=1))
        if self.most.shape[1] < 2:
            return fits
        used = self._devices[shape] * replicas
        for number, limit in enumerate(self._limits):
            fits &= np.asarray(np.where(self._pool[shape] == number, used, 0).sum(axis=1) <= limit)
        return fits

    def weigh(self, weights: Floats, fixed: Floats) -> None:
        """What a replica of every group of every shape costs, and every shape beside (see ``program``)."""
        self._weights, self._fixed = weights, fixed
        rows = slice(0, self.count)
        cost = (weights[self.shape[rows]] * self.replicas[rows]).sum(axis=1) + fixed[self.shape[rows]]
        self.cost[rows] = np.where(self.alive[rows], cost, np.inf)

    def price(self, shape: int, replicas: Iterable[int]) -> float:
        """What a node costs with the present weights."""
        return float(self._weights[shape] @ np.asarray(tuple(replicas), dtype=np.float64) + self._fixed[shape])

    def magnitude(self, shape: int, replicas: Iterable[int]) -> float:
        """The sum of the sizes of all that a node's price is made of; it may be 0 where they cancel."""
        each = np.abs(self._weights[shape]) @ np.asarray(tuple(replicas), dtype=np.float64)
        return float(each + abs(self._fixed[shape]))

    def weights_of(self, shape: int) -> Floats:
        """(groups,): what a replica of each group costs now."""
        found: Floats = self._weights[shape]
        return found

    def limits_of(self, shape: int) -> tuple[list[int], list[int], list[int], list[int]]:
        """By group: most replicas, pool (-1: padded) and devices of each; and the devices of the pools."""
        parts = self.most[shape], self._pool[shape], self._devices[shape], self._limits
        most, pool, devices, limits = (part.tolist() for part in parts)
        return most, pool, devices, limits

    def known(self, shape: int, replicas: Ints) -> bool | None:
        """Whether a node holds; None as long as nothing tells."""
        if any((replicas >= np.array(held)).all() for held in self.held.get(shape, ())):
            return True
        rows = self.rows_of(shape)
        return None if any((self.replicas[row] <= replicas).all() for row in rows) else False

    def rows_of(self, shape: int) -> list[int]:
        """The living rows of a shape."""
        return self._rows.get(shape, [shape] if self.alive[shape] else [])

    def hold(self, shape: int, replicas: Ints, judgement: Judgement) -> None:
        """A node holds, and so do all with more replicas. What was refuted stays so."""
        if self.known(shape, replicas) is not None and tuple(replicas.tolist()) in self.held.get(shape, {}):
            return
        rows = self.rows_of(shape)
        if not any((self.replicas[row] <= replicas).all() for row in rows):
            return
        found = self.held.setdefault(shape, {})
        for other in [other for other in found if (np.array(other) >= replicas).all()]:
            del found[other]
        if not any((np.array(other) <= replicas).all() for other in found):
            found[tuple(replicas.tolist())] = judgement
        for row in rows:
            self.holds[row] = self._above_held(shape, self.replicas[row])

    def refute(self, shape: int, replicas: Ints) -> None:
        """A node does not hold, nor does any with no more replicas in any group."""
        found = self.held.get(shape)
        if found:
            for other in [other for other in found if (np.array(other) <= replicas).all()]:
                del found[other]
        rows = self.rows_of(shape)
        gone = [row for row in rows if (self.replicas[row] <= replicas).all()]
        if not gone:
            return
        kept = [row for row in rows if row not in gone]
        self.alive[gone], self.holds[gone], self.cost[gone] = False, False, np.inf
        self._rows[shape] = kept + self._added(shape, self._successors(gone, kept, shape, replicas))

    def _successors(self, gone: list[int], kept: list[int], shape: int, replicas: Ints) -> Ints:
        """The least nodes above the refuted ones that the pools have room for and that nothing kept is below."""
        groups = np.flatnonzero(self._pool[shape] >= 0)
        one = np.repeat(self.replicas[gone], len(groups), axis=0)
        at = np.tile(groups, len(gone))
        one[np.arange(len(one)), at] = replicas[at] + 1
        one = np.unique(one, axis=0)
        one = one[self.fitting(np.full(len(one), shape), one)]
        others = np.concatenate([one, self.replicas[kept]])
        below = (others[None, :, :] <= one[:, None, :]).all(axis=2)
        found: Ints = one[below.sum(axis=1) == 1]  # each is below itself
        return found

    def _added(self, shape: int, replicas: Ints) -> list[int]:
        more = len(replicas)
        self._grow(self.count + more)
        rows = list(range(self.count, self.count + more))
        self.count += more
        for row, one in zip(rows, replicas):
            self.shape[row], self.replicas[row], self.alive[row] = shape, one, True
            self.holds[row] = self._above_held(shape, one)
            self.cost[row] = self.price(shape, one)
        return rows

    def _above_held(self, shape: int, replicas: Ints) -> bool:
        return any((replicas >= np.array(held)).all() for held in self.held.get(shape, ()))

    def _grow(self, count: int) -> None:
        if count <= len(self.shape):
            return
        more = max(count, 2 * len(self.shape)) - len(self.shape)
        self.shape = np.concatenate([self.shape, np.zeros(more, dtype=np.int64)])
        self.replicas = np.concatenate([self.replicas, np.zeros((more, self.replicas.shape[1]), dtype=np.int64)])
        self.alive = np.concatenate([self.alive, np.zeros(more, dtype=np.bool_)])
        self.holds = np.concatenate([self.holds, np.zeros(more, dtype=np.bool_)])
        self.cost = np.concatenate([self.cost, np.full(more, np.inf)])
