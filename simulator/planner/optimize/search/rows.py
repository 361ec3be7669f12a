"""The choice of one node for every service and window as rows and columns of a linear program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from simulator.planner.optimize.problem import Floats, Ints, PlanProblem

SECONDS = 3600.0


class Offer(NamedTuple):
    """Nodes of one service in one window that may be chosen: shapes (n,) and replicas (n, groups)."""

    shape: Ints
    replicas: Ints


@dataclass(frozen=True, slots=True)
class Keys:
    """Groups that neighbouring windows share, of one service: what adding a replica costs, its pool and devices."""

    cost: Floats
    price: Floats
    pool: Ints
    devices: Ints


def keys_of(problem: PlanProblem, service: int) -> Keys:
    """Groups of one key are alike; should their times to load differ, the longest counts.

    An added replica costs ``price x load_s / 3600 + switch_cost``.
    """
    space = problem.spaces[service]
    there = space.key >= 0
    numbers = space.key[there]
    count = int(numbers.max(initial=-1)) + 1
    price, load = np.zeros(count), np.zeros(count)
    pool, devices = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    np.maximum.at(price, numbers, space.price[there])
    np.maximum.at(load, numbers, space.load_s[there])
    np.maximum.at(devices, numbers, space.devices[there])
    pool[numbers] = space.pool[there]
    return Keys(price * load / SECONDS + problem.switch_cost, price, pool, devices)


class Cells:
    """Coefficients of a sparse matrix under way."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints, Floats]] = []

    def add(self, rows: Any, columns: Any, values: Any) -> None:
        """Coefficients at (row, column); several at one place add up."""
        found = np.broadcast_arrays(np.asarray(rows), np.asarray(columns), np.asarray(values, dtype=np.float64))
        self._parts.append((found[0].ravel(), found[1].ravel(), found[2].ravel()))

    def matrix(self, rows: int, columns: int) -> Any:
        """As a scipy matrix."""
        from scipy.sparse import csr_matrix

        parts: list[Any] = [np.concatenate([part[at] for part in self._parts] or [np.zeros(0)]) for at in range(3)]
        return csr_matrix((parts[2], (parts[0], parts[1])), shape=(rows, columns))


class Layout:
    """Numbers of the variables and rows of a program over chosen columns.

    Variables: ``x`` of every column, ``u`` (a service stays unserved in a window), ``a`` (replicas of a key added at
    the start of a window), ``e`` (replicas beyond those of the column, kept only because starting them again would
    cost more). Rows: one column each; devices of a pool in a window; devices while a window changes to the next, old
    and added ones; ``a >= n_w - n_w-1`` for each key; ``e`` only beside a column with its key; the budget.
    """

    def __init__(self, problem: PlanProblem, offers: Sequence[Sequence[Offer]]) -> None:
        self.problem, self.offers = problem, offers
        self.keys = [keys_of(problem, service) for service in range(len(problem.spaces))]
        self.windows, self.pools = len(problem.windows), len(problem.pools)
        self.hours = np.array([window.hours for window in problem.windows])
        self.cells = [(service, window) for service in range(len(offers)) for window in range(self.windows)]
        sizes = [len(offers[service][window].shape) for service, window in self.cells]
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.xs = int(self.starts[-1])
        self.used = [self._keys_used(service) for service in range(len(offers))]
        self.adds = {
            (service, window, int(key)): at
            for at, (service, window, key) in enumerate(
                (service, window, key)
                for service, used in enumerate(self.used)
                for window in range(1, self.windows)
                for key in used
            )
        }
        self.extras = {place: at for at, place in enumerate(self._worth_keeping())}
        self.first_add = self.xs + len(self.cells)
        self.first_extra = self.first_add + len(self.adds)
        self.variables = self.first_extra + len(self.extras)

    def _keys_used(self, service: int) -> Ints:
        keys = self.problem.spaces[service].key
        shapes = np.unique(np.concatenate([offer.shape for offer in self.offers[service]] or [np.zeros(0, np.int64)]))
        found = np.unique(keys[shapes.astype(np.int64)])
        return np.asarray(found[found >= 0], dtype=np.int64)

    def _worth_keeping(self) -> list[tuple[int, int, int]]:
        """Keys and windows in which a replica that is not needed may be cheaper to keep than to start again.

        One kept less saves its price in the window and costs one start more in the next, at most; it frees its devices
        in the window and takes no more in either change. So elsewhere none is kept.
        """
        return [
            (service, window, int(key))
            for service, window in self.cells
            for key in self.used[service]
            if window < self.windows - 1
            and self.keys[service].price[key] * self.hours[window] < self.keys[service].cost[key]
        ]

    def column(self, cell: int) -> Ints:
        """Variables of the columns of a cell (service, window)."""
        return np.arange(self.starts[cell], self.starts[cell + 1])

    @cached_property
    def costs(self) -> Floats:
        """(variables,): money over the horizon, 0 for ``u``."""
        found = np.zeros(self.variables)
        for cell, (service, window) in enumerate(self.cells):
            offer = self.offers[service][window]
            price = (self.problem.spaces[service].price[offer.shape] * offer.replicas).sum(axis=1)
            found[self.column(cell)] = price * self.hours[window]
        for (service, _, key), at in self.adds.items():
            found[self.first_add + at] = self.keys[service].cost[key]
        for (service, window, key), at in self.extras.items():
            found[self.first_extra + at] = self.keys[service].price[key] * self.hours[window]
        return found

    def one_each(self) -> Any:
        """Rows (cells, variables): one column or ``u``."""
        found = Cells()
        for cell in range(len(self.cells)):
            found.add(cell, self.column(cell), 1.0)
            found.add(cell, self.xs + cell, 1.0)
        return found.matrix(len(self.cells), self.variables)

    @cached_property
    def rows(self) -> tuple[Any, Floats]:
        """Rows of upper limits in the order pools, changes, keys, extras, budget, and the limits."""
        found = Cells()
        self._pools(found)
        self._keys(found)
        self._extras(found)
        limits = np.array([pool.devices for pool in self.problem.pools], dtype=np.float64)
        upper = np.concatenate(
            [np.tile(limits, self.windows + self.changes), np.zeros(len(self.adds) + len(self.extras))]
        )
        if self.problem.budget is not None:
            found.add(len(upper), np.arange(self.variables), self.costs)
            upper = np.append(upper, self.problem.budget)
        return found.matrix(len(upper), self.variables), upper

    @property
    def changes(self) -> int:
        """Changes from one window to the next."""
        return max(self.windows - 1, 0)

    def pool_row(self, window: int, pool: Any) -> Any:
        """Row of a pool in a window."""
        return window * self.pools + pool

    def change_row(self, window: int, pool: Any) -> Any:
        """Row of a pool while ``window`` begins, from the second window on."""
        return (self.windows + window - 1) * self.pools + pool

    @property
    def first_key_row(self) -> int:
        """The row of the first ``a``; those of ``e`` follow behind the last one."""
        return (self.windows + self.changes) * self.pools

    def _pools(self, found: Cells) -> None:
        for cell, (service, window) in enumerate(self.cells):
            space, offer = self.problem.spaces[service], self.offers[service][window]
            pool = np.maximum(space.pool[offer.shape], 0)
            used = space.devices[offer.shape] * offer.replicas
            columns = self.column(cell)[:, None]
            found.add(self.pool_row(window, pool), columns, used)
            if window + 1 < self.windows:
                found.add(self.change_row(window + 1, pool), columns, used)
        for (service, window, key), at in self.adds.items():
            keys = self.keys[service]
            found.add(self.change_row(window, keys.pool[key]), self.first_add + at, keys.devices[key])
        for (service, window, key), at in self.extras.items():
            keys = self.keys[service]
            found.add(self.pool_row(window, keys.pool[key]), self.first_extra + at, keys.devices[key])
            found.add(self.change_row(window + 1, keys.pool[key]), self.first_extra + at, keys.devices[key])

    def _keys(self, found: Cells) -> None:
        for cell, (service, window) in enumerate(self.cells):
            used, offer = self.used[service], self.offers[service][window]
            key = self.problem.spaces[service].key[offer.shape]
            there = key >= 0
            at = np.searchsorted(used, key[there])
            columns = np.broadcast_to(self.column(cell)[:, None], key.shape)[there]
            for begins, sign in ((window, 1.0), (window + 1, -1.0)):
                if 1 <= begins < self.windows and len(used):
                    first = self.first_key_row + self.adds[service, begins, int(used[0])]
                    found.add(first + at, columns, sign * offer.replicas[there])
        found.add(self.first_key_row + np.arange(len(self.adds)), self.first_add + np.arange(len(self.adds)), -1.0)
        for (its, kept, one), number in self.extras.items():
            if kept:
                found.add(self.first_key_row + self.adds[its, kept, one], self.first_extra + number, 1.0)
            found.add(self.first_key_row + self.adds[its, kept + 1, one], self.first_extra + number, -1.0)

    def most_extra(self, service: int, key: int) -> float:
        """No more replicas of a key than the pool has room for."""
        keys = self.keys[service]
        return float(self.problem.pools[int(keys.pool[key])].devices // max(int(keys.devices[key]), 1))

    def _extras(self, found: Cells) -> None:
        first = self.first_key_row + len(self.adds)
        for (service, window, key), at in self.extras.items():
            cell = service * self.windows + window
            offer = self.offers[service][window]
            has = (self.problem.spaces[service].key[offer.shape] == key).any(axis=1)
            found.add(first + at, self.first_extra + at, 1.0)
            found.add(first + at, self.column(cell)[has], -self.most_extra(service, key))
