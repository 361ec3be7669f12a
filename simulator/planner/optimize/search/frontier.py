"""What is known of a service in all windows, and which of its nodes to judge next: best first, by optimistic price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.planner.optimize.problem import Floats, Ints, Judgement, PoolLimit, Space
from simulator.planner.optimize.search.table import Table

LOWER = 1e-9
"""A node is dearer than another only beyond this share."""
FIRST_HEADROOM = (0.05, 0.2)
"""Shares of replicas beyond the steady state that are tried first where nothing holds yet; then all that a pool has."""
HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Pick:
    """A node to judge: of ``shape``, replicas of all groups (0 where padded); in its own window, or in ``window``."""

    shape: int
    replicas: tuple[int, ...]
    window: int | None = None


class Frontier:
    """Tables of a service, one for each window, that learn from each other.

    A node that does not hold at a rate holds at no higher one, one that holds does so at every lower rate: that is
    used when ``by_rate`` says that the load of all windows is the same process at another rate.
    """

    def __init__(self, space: Space, rates: Floats, pools: Sequence[PoolLimit], by_rate: bool = True) -> None:
        self.space, self.rates, self.by_rate = space, np.asarray(rates, dtype=np.float64), by_rate
        limits = np.array([pool.devices for pool in pools], dtype=np.int64)
        each = np.maximum(space.devices, 1)
        most = np.where(space.pool >= 0, limits[np.maximum(space.pool, 0)] // each, 0)
        self.tables = [Table(space.least(rate), most, space.devices, space.pool, limits) for rate in self.rates]
        self._failed = np.zeros(len(self.rates), dtype=np.int64)

    def tell(self, window: int, pick: Pick, judgement: Judgement, *, alone: bool = False) -> None:
        """Learn an answer; ``alone``: for its own window only."""
        if alone:
            self._learn([window], pick, judgement)
        else:
            self.learn(window, float(self.rates[window]), pick, judgement)
        if not judgement.holds:
            self._failed[window] += 1

    def learn(self, window: int, rate: float, pick: Pick, judgement: Judgement) -> None:
        """Learn an answer for the load of a window at ``rate``."""
        open_ = np.arange(len(self.rates)) if self.by_rate else np.array([window])
        reached = self.rates[open_] <= rate if judgement.holds else self.rates[open_] >= rate
        self._learn(open_[reached].tolist(), pick, judgement)

    def _learn(self, windows: Sequence[int], pick: Pick, judgement: Judgement) -> None:
        replicas = np.array(pick.replicas, dtype=np.int64)
        for window in windows:
            if judgement.holds:
                self.tables[window].hold(pick.shape, replicas, judgement)
            else:
                self.tables[window].refute(pick.shape, replicas)

    def known(self, window: int, pick: Pick) -> bool | None:
        """Whether a node holds in a window; None: nobody knows."""
        return self.tables[window].known(pick.shape, np.array(pick.replicas, dtype=np.int64))

    def enough(self, window: int) -> tuple[float, int]:
        """Cost and shape of the cheapest node that holds; infinite and -1: none does."""
        table = self.tables[window]
        found = ((table.price(shape, one), shape) for shape, held in table.held.items() for one in held)
        return min(found, default=(np.inf, -1))

    def picks(self, window: int, count: int) -> list[Pick]:
        """Nodes to judge next, at most ``count``, each of another shape; none: the cheapest is known to hold.

        The shapes that may be cheapest come first. Replicas are added to the row as far as the node stays cheaper than
        the cheapest that holds: so one answer refutes a shape outright, or betters what holds. The shape of the latter
        is halved, so that hundreds of replicas take a few answers.
        """
        enough, best = self.enough(window)
        below = enough - LOWER * self._weight(window, best)
        rows = self._first_of_shapes(window, below, count)
        return [self._extended(window, row, below, best) for row in rows]

    def _weight(self, window: int, shape: int) -> float:
        """What the cost of the cheapest node of a shape that holds is rounded by: weights may cancel each other."""
        table = self.tables[window]
        held = table.held.get(shape, {})
        return min((table.magnitude(shape, one) for one in held), default=0.0)

    def least_cost(self, window: int) -> float:
        """No node of the window costs less; infinite: none is left."""
        table = self.tables[window]
        return float(table.cost[: table.count].min(initial=np.inf))

    def _first_of_shapes(self, window: int, below: float, count: int) -> list[int]:
        table = self.tables[window]
        cost = table.cost[: table.count]
        rows = np.flatnonzero(table.alive[: table.count] & ~table.holds[: table.count] & (cost < below))
        wanted = 16 * count
        if len(rows) > wanted:
            last = np.partition(cost[rows], wanted)[wanted]
            rows = rows[cost[rows] <= last * (1 + LOWER)]
        shapes = table.shape[rows]
        slack = self._slack(window, shapes, table.replicas[rows])
        longest = np.array([self.space.shapes[shape].service_s for shape in shapes])
        found: dict[int, int] = {}
        for at in np.lexsort((rows, longest, -slack, np.round(cost[rows], 12))):
            found.setdefault(int(shapes[at]), int(rows[at]))
            if len(found) == count:
                break
        return list(found.values())

    def _slack(self, window: int, shapes: Ints, replicas: Ints) -> Floats:
        """How far the replicas exceed the steady need in the group where they do so least."""
        need = self.space.work_s[shapes] * max(self.rates[window], 1e-300)
        with np.errstate(divide="ignore"):
            ratio = np.where(self.space.pool[shapes] >= 0, replicas / np.where(need > 0, need, 1e-300), np.inf)
        found: Floats = ratio.min(axis=1)
        return found

    def _extended(self, window: int, row: int, below: float, best: int) -> Pick:
        table = self.tables[window]
        shape, least = int(table.shape[row]), table.replicas[row]
        cost = table.price(shape, least)
        if np.isfinite(below):
            target = cost + (below - cost) / 2 if shape == best else below
            return Pick(shape, self._grown(window, shape, least, np.inf, max(target, cost)))
        failed = int(self._failed[window])
        if failed < len(FIRST_HEADROOM):
            return Pick(shape, self._grown(window, shape, least, 1.0 + FIRST_HEADROOM[failed], np.inf))
        where = self._easiest(window, shape)
        easy = self.tables[where]
        least = easy.replicas[easy.rows_of(shape)[0]]
        return Pick(shape, self._grown(where, shape, least, np.inf, np.inf), where)

    def _easiest(self, window: int, shape: int) -> int:
        """Where a shape that is not known to hold anywhere should, if at all: at the lowest rate that is left to it."""
        if not self.by_rate:
            return window
        open_ = [
            (float(self.rates[other]), other)
            for other, table in enumerate(self.tables)
            if table.rows_of(shape) and not table.held.get(shape)
        ]
        return min(open_, default=(0.0, window))[1]

    def _grown(self, window: int, shape: int, least: Ints, headroom: float, below: float) -> tuple[int, ...]:
        """Most replicas, even over groups, that cost less than ``below`` and fit the pools; never below ``least``."""
        room = _Room(self.tables[window], shape, below)
        work = [float(one) for one in self.space.work_s[shape] * self.rates[window] * self.space.served]
        first = [int(one) for one in least]

        def balanced(factor: float) -> list[int]:
            more = (math.ceil(one * factor * (1 - LOWER)) for one in work)
            return [max(a, min(b, c)) for a, b, c in zip(first, more, room.most)]

        full = max((most / one for most, one in zip(room.most, work) if one > 0), default=1.0)
        low, high = 1.0, min(headroom, 1.0 + full)
        found = balanced(high)
        if not room.for_(found):
            for _ in range(HALVINGS):
                middle = (low * high) ** 0.5
                low, high = (middle, high) if room.for_(balanced(middle)) else (low, middle)
            found = balanced(low)
        return tuple(_filled(found, room, work) if np.isfinite(below) else found)


class _Room:
    """Whether the pools have room for the replicas of a shape, and whether they cost less than a limit."""

    def __init__(self, table: Table, shape: int, below: float) -> None:
        self.most, self.pool, self.devices, self._limits = table.limits_of(shape)
        self._weights = table.weights_of(shape).tolist()
        self._below = below - table.price(shape, [0] * len(self._weights))

    def for_(self, replicas: list[int]) -> bool:
        """Whether there is room for so many."""
        if sum(a * b for a, b in zip(self._weights, replicas)) >= self._below:
            return False
        used = dict.fromkeys(self.pool, 0)
        for pool, each, count, most in zip(self.pool, self.devices, replicas, self.most):
            if count > most:
                return False
            used[pool] += each * count
        return all(count <= self._limits[pool] for pool, count in used.items() if pool >= 0)


def _filled(found: list[int], room: _Room, work: list[float]) -> list[int]:
    """Single replicas more where they are scarcest, as long as there is room."""
    groups = [group for group, pool in enumerate(room.pool) if pool >= 0]
    while groups:
        scarce = min(groups, key=lambda group: (found[group] / max(work[group], 1e-12), group))
        more = [count + (group == scarce) for group, count in enumerate(found)]
        if room.for_(more):
            found = more
        else:
            groups.remove(scarce)
    return found


def padded(frontier: Frontier, shape: int, replicas: Sequence[int]) -> Pick:
    """A node of a service, with 0 replicas in the groups that it does not have."""
    missing = frontier.space.pool.shape[1] - len(replicas)
    return Pick(shape, (*(int(n) for n in replicas), *(0 for _ in range(missing))))
