"""Upper bounds: what devices that could be divided would carry.

For any weights w >= 0 of the types with ``sum w_g N_g = 1`` a period D that is kept satisfies
``sum_p min_g w_g cost_pg <= D``. With one type that is ``sum cost / N``, the fractional optimum itself; with several,
the best of a grid of weights is taken (every one of them is a bound).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from simulator.planner.split.exits import Bools, Floats, Ints

STEPS = 8
HUGE, SMALL = 1e200, 1e-100
MOST_WAYS, CELLS = 1000, 1 << 20


def weights(counts: Ints) -> Floats:
    """(n, types): a grid of weights, each with ``sum w_g N_g = 1``."""
    kinds = len(counts)
    bars = combinations(range(STEPS + kinds - 1), kinds - 1)  # stars and bars
    parts = [np.diff([-1, *bar, STEPS + kinds - 1]) - 1 for bar in bars]
    found: Floats = np.array(parts, dtype=np.float64) / STEPS / counts
    return found


def least_periods(cost: Floats, counts: Ints) -> Floats:
    """(sets,): lower bound of the period of every set of portions, from costs (sets, portions, types)."""
    best = _most_weighted(_finite(cost), counts)
    best[best > HUGE * SMALL] = np.inf
    return best


def may_hold(need: Floats, counts: Ints) -> Bools:
    """(sets,): whether whole replicas, (sets, portions, types), may do with the devices there are.

    The same bound for whole numbers: every weighting of the devices must suffice. With one type it is exact.
    """
    fits: Bools = _most_weighted(need, counts) <= 1 + 1e-9
    return fits


def least_prices(need: Floats, counts: Ints, prices: Floats) -> Floats:
    """(sets,): least price of whole replicas, (sets, portions, types), infinite where the devices do not suffice.

    All ways to give portions a type are tried; where there are too many of them, a lower bound: every portion on its
    cheapest type, without regard to the numbers there are.
    """
    sets, portions, kinds = need.shape
    if kinds**portions > MOST_WAYS:
        bound: Floats = (need * prices).min(axis=2).sum(axis=1)
        return bound
    found = np.empty(sets)
    step = max(1, CELLS // (kinds ** (portions + 1)))
    for low in range(0, sets, step):
        part = need[low : low + step]
        used = np.zeros((1, len(part), kinds))
        for portion in range(portions):
            added = part[None, :, portion, :, None] * np.eye(kinds)  # (1, sets, type taken, type)
            used = np.moveaxis(used[:, :, None, :] + added, 2, 1).reshape(-1, len(part), kinds)
        found[low : low + step] = np.where((used <= counts).all(axis=2), used @ prices, np.inf).min(axis=0)
    return found


def _most_weighted(asked: Floats, counts: Ints) -> Floats:
    """Over all weightings the most that each set asks for when every portion takes its lightest type."""
    kinds = [np.ascontiguousarray(part) for part in np.moveaxis(asked, 2, 0)]
    best = np.zeros(len(asked))
    for weight in weights(counts):
        least = kinds[0] * weight[0]
        for part, share in zip(kinds[1:], weight[1:]):
            np.minimum(least, part * share, out=least)
        np.maximum(best, least.sum(axis=1), out=best)
    return best


def least_period_of_chain(cost: Floats, counts: Ints, most_portions: int) -> tuple[float, tuple[int, ...]]:
    """Lower bound of the period over all ways to cut a chain, costs (L, L + 1, types), and the ends of its portions."""
    finite, best = _finite(cost), -1.0
    ends: tuple[int, ...] = ()
    for weight in weights(counts):
        value, path = _shortest((finite * weight).min(axis=2), most_portions)
        if value > best:
            best, ends = value, path
    return best, ends


def _finite(cost: Floats) -> Floats:
    """Infinities made huge: a type that is weighted with 0 then costs nothing, instead of 0 x infinity."""
    return np.where(np.isinf(cost), HUGE, cost)


def _shortest(cost: Floats, most_portions: int) -> tuple[float, tuple[int, ...]]:
    layers = len(cost)
    rounds = min(most_portions, layers)
    length = np.full((rounds + 1, layers + 1), np.inf)
    length[0, 0] = 0.0
    source = np.zeros((rounds + 1, layers + 1), dtype=np.int64)
    for number in range(1, rounds + 1):
        via = length[number - 1, :layers, None] + cost
        source[number] = via.argmin(axis=0)
        length[number] = via.min(axis=0)
    number = int(length[:, layers].argmin())
    value, end, ends = float(length[number, layers]), layers, []
    while end:
        ends.append(end)
        end, number = int(source[number, end]), number - 1
    return value, tuple(reversed(ends))
