"""Exact dynamic program: a chain of layers cut into portions, each on replicas of one type of device.

``cost[i, j, g]`` is the device time that one portion of layers i+1..j asks of type g for each batch of arrivals [s]
(survival into the portion times the time of a full batch), infinite where that is not allowed. A plan has the period
``max_p cost_p / n_p``: the mean time between two batches of arrivals that it can keep up with.

For a given period D every portion needs ``n = ceil(cost / D)`` replicas. Let f[j] hold, for every number of portions
and of devices of all types but one, the fewest devices of that one type that serve the first j layers:

    f[j][k, m] = min over i < j, types g of  f[i][k - 1, m - n e_g] (+ n for the type that is not in m)

The best period is one of the values cost / n, so a search in their sorted list is exact, not a bisection to a
tolerance. Where the time of a batch over all portions matters, m holds every type and f the least such time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_CELLS = 40_000_000
"""Cells of the table of the program: beyond this it is refused (the answer would take minutes)."""
TIDY_CELLS = 3_000_000
"""Among equal periods the shortest service time is looked for when that takes no more cells than this."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Portions that cover the chain: where each ends, its type and its replicas; ``period_s`` of the whole."""

    ends: tuple[int, ...]
    kinds: tuple[int, ...]
    replicas: tuple[int, ...]
    period_s: float


@dataclass(frozen=True, slots=True, eq=False)
class ChainProblem:
    """Costs [s] (L, L + 1, types), devices of each type, the most portions, and a bound on the service time.

    ``service_s`` (like ``cost``) is the time of a batch in a portion; the sum over portions is at most ``limit_s``.
    """

    cost: Floats
    counts: Ints
    most_portions: int
    service_s: Floats
    limit_s: float = float("inf")

    @property
    def layers(self) -> int:
        """Links of the chain."""
        return int(self.cost.shape[0])


def replicas_needed(cost: Floats, period_s: float) -> Ints:
    """Fewest n >= 1 with ``cost / n <= period_s`` as floats; very many where the cost is infinite."""
    with np.errstate(invalid="ignore"):
        need = np.minimum(np.ceil(cost / period_s), 2.0**40)
        need = np.maximum(need, 1.0)
        need -= (need > 1) & (cost / np.maximum(need - 1, 1) <= period_s)
        need += cost / need > period_s
    return np.where(np.isfinite(cost), need, 2.0**40).astype(np.int64)


def widest(chain: ChainProblem, below_s: float = float("inf")) -> Chain | None:
    """The plan with the least period, the shortest service time among those; None when none is < ``below_s``."""
    periods = _periods(chain)
    periods = periods[periods < below_s]
    whole = len(periods)
    number = _first(chain, periods, whole, timed=False)
    if number == whole:
        return None
    if chain.limit_s < np.inf or _cells(chain, timed=True) <= TIDY_CELLS:
        table = _Table(chain, float(periods[number]), timed=True)
        if table.least > chain.limit_s:
            number = _first(chain, periods[number:], whole - number, timed=True) + number
            if number == whole:
                return None
            table = _Table(chain, float(periods[number]), timed=True)
    else:
        table = _Table(chain, float(periods[number]), timed=False)
    return table.back(table.corner)


def cheapest(chain: ChainProblem, period_s: float, prices: Floats) -> Chain | None:
    """The plan of least price with a period of at most ``period_s``; fewest devices among those; None when none."""
    timed = chain.limit_s < np.inf
    table = _Table(chain, period_s, timed=timed)
    final = table.f[chain.layers]
    price = np.where(final <= (chain.limit_s if timed else table.last_count), 0.0, np.inf)
    devices = np.zeros(final.shape)
    for axis, kind in enumerate(table.tracked, start=1):
        shape = [1] * final.ndim
        shape[axis] = -1
        used = np.arange(final.shape[axis], dtype=np.float64).reshape(shape)
        price, devices = price + used * prices[kind], devices + used
    if not timed:
        price, devices = price + np.where(np.isfinite(price), final, 0.0) * prices[table.last], devices + final
    least = float(price.min())
    if not np.isfinite(least):
        return None
    best = np.where(price <= least * (1 + 1e-12), devices, np.inf)
    return table.back(tuple(int(at) for at in np.unravel_index(int(best.argmin()), best.shape)))


def _periods(chain: ChainProblem) -> Floats:
    """Every value that the best period can have, ascending."""
    found = []
    for kind, count in enumerate(chain.counts):
        cost = chain.cost[:, :, kind]
        cost = np.unique(cost[np.isfinite(cost) & (cost > 0)])
        found.append((cost[:, None] / np.arange(1, count + 1)).ravel())
    return np.unique(np.concatenate(found))


def _first(chain: ChainProblem, periods: Floats, whole: int, *, timed: bool) -> int:
    """Number of the least period that can be kept; ``whole`` when none can. Longer ones then can, too."""

    def kept(number: int) -> bool:
        table = _Table(chain, float(periods[number]), timed=timed)
        return table.least <= (chain.limit_s if timed else table.last_count)

    if not whole or not kept(whole - 1):  # the usual answer for a chain that cannot beat the best one so far
        return whole
    low, high = 0, whole - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if kept(middle) else (middle + 1, high)
    return low


def _shape(chain: ChainProblem, timed: bool) -> tuple[list[int], int, tuple[int, ...]]:
    """Types in the table's axes, the one that is not (the most numerous; -1: none), and the shape of one f[j]."""
    last = -1 if timed else int(chain.counts.argmax())
    tracked = [kind for kind in range(len(chain.counts)) if kind != last]
    portions = 1 if chain.most_portions >= chain.layers else chain.most_portions + 1
    return tracked, last, (portions, *(int(chain.counts[kind]) + 1 for kind in tracked))


def _cells(chain: ChainProblem, timed: bool) -> int:
    cells = chain.layers + 1
    for size in _shape(chain, timed)[2]:
        cells *= size
    return cells


class _Table:
    """f of the module's docstring at one period."""

    def __init__(self, chain: ChainProblem, period_s: float, *, timed: bool) -> None:
        if _cells(chain, timed) > MOST_CELLS:
            counts = " and ".join(str(count) for count in chain.counts)
            raise ScenarioError(Problem(f"{counts} devices by type are too many to search exactly: offer fewer types"))
        self.chain = chain
        self.tracked, self.last, shape = _shape(chain, timed)
        self.last_count = int(chain.counts[self.last])
        self.step = 0 if shape[0] == 1 else 1
        self.need = replicas_needed(chain.cost, period_s)
        self.f = np.full((chain.layers + 1, *shape), np.inf)
        self.f[0] = 0.0
        for end in range(1, chain.layers + 1):
            self._fill(end)

    def _fill(self, end: int) -> None:
        f, here = self.f, self.f[end][self.step :]
        before = f[:end, : f.shape[1] - self.step]
        if self.last >= 0:
            need = self.need[:end, end, self.last]
            starts = np.flatnonzero(need <= self.last_count)
            if len(starts):
                added = before[starts] + need[starts].reshape(-1, *(1,) * here.ndim)
                np.minimum(here, added.min(axis=0), out=here)
        for axis, kind in enumerate(self.tracked, start=1):
            ahead = (slice(None),) * axis
            for start in np.flatnonzero(self.need[:end, end, kind] < f.shape[axis + 1]):
                used = int(self.need[start, end, kind])
                source = before[start][(*ahead, slice(None, f.shape[axis + 1] - used))]
                target = here[(*ahead, slice(used, None))]
                if self.last < 0:
                    source = source + self.chain.service_s[start, end, kind]
                np.minimum(target, source, out=target)

    @property
    def corner(self) -> tuple[int, ...]:
        """The state in which everything may be used."""
        return tuple(size - 1 for size in self.f.shape[1:])

    @property
    def least(self) -> float:
        """f of the whole chain in that state."""
        return float(self.f[self.chain.layers][self.corner])

    def back(self, state: tuple[int, ...]) -> Chain:
        """The portions that lead to a state of the whole chain."""
        end = self.chain.layers
        ends: list[int] = []
        kinds: list[int] = []
        replicas: list[int] = []
        while end:
            start, kind, need, state = self._step_back(end, state)
            ends.append(end)
            kinds.append(kind)
            replicas.append(need)
            end = start
        portions = zip([*ends[1:], 0], ends, kinds, replicas)
        period = max(float(self.chain.cost[first, last, kind]) / need for first, last, kind, need in portions)
        return Chain(tuple(ends[::-1]), tuple(kinds[::-1]), tuple(replicas[::-1]), period)

    def _step_back(self, end: int, state: tuple[int, ...]) -> tuple[int, int, int, tuple[int, ...]]:
        value = self.f[end][state]
        kinds = [*self.tracked, self.last] if self.last >= 0 else self.tracked
        for start in range(end):
            for axis, kind in enumerate(kinds, start=1):
                need = int(self.need[start, end, kind])
                before = [state[0] - self.step, *state[1:]]
                added = float(need) if kind == self.last else 0.0
                if self.last < 0:
                    added = float(self.chain.service_s[start, end, kind])
                if kind != self.last:
                    before[axis] -= need
                if min(before) >= 0 and need < 2**40 and self.f[start][tuple(before)] + added == value:
                    return start, kind, need, tuple(before)
        raise AssertionError("every state of the table has one that it came from")
