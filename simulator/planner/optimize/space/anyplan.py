"""A lower bound on the cost of any plan, whatever its cuts, batches, formats, devices and windows.

Each layer asks of every request that needs it at least its time per request at the best batch. With ``S_l`` the share
that needs layer l and a share ``a`` of all that must be in time, at least ``S_l - (1 - a)`` of the arrivals pass it:
those that are lost may all be such. ``c_lg``: least time of a layer for one request on device type g, over number
formats and batches; ``p_g``: price. Then for any set of ramps s that the accuracy floor allows

    cost >= rate * sum_l (S_l(s) - (1 - a)) * min_g p_g c_lg

and, as devices are whole, the next larger sum of prices. A second bound is the program that gives layers to devices:
``min sum p_g n_g``, n_g whole, every layer served, ``sum_l rate (S_l - (1 - a)) c_lg x_lg <= n_g``, with the least S_l
of all sets. The larger of the two counts. Both never fall as the rate grows. Transfers, waiting, memory and portions
that are not full are left out, so no plan is below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, prod

import numpy as np

from simulator.errors import InternalError
from simulator.planner.optimize.problem import ROUNDING, Floats, PoolLimit
from simulator.planner.optimize.search.mixed import mixed_integer
from simulator.planner.optimize.space.blocks import Bools
from simulator.planner.optimize.space.ground import Ground, ground_of
from simulator.planner.optimize.space.survival import RuledExits
from simulator.planner.split import CutSets, cut_sets
from simulator.planner.split.cutsets import ALL_SETS
from simulator.planner.split.portions import portion_bounds
from simulator.scenario import Scenario
from simulator.scenario.planning import Planner

MOST_SUMS = 2_000_000
"""Numbers of devices that are tried for the next larger sum of prices; of more, the sum is not rounded up."""


@dataclass(frozen=True, eq=False)
class AnyPlan:
    """Work that no plan of a service avoids.

    ``item_s`` (types, layers): least time of a layer for one request [s], infinite where a type cannot run it;
    ``ramp_s`` likewise of the ramp after it. ``share`` (sets, layers): arrivals that must pass each layer, for every
    set of ramps; ``asks`` (sets, layers): those that must pass the ramp after it. ``price`` per replica and hour,
    ``most`` replicas.
    """

    item_s: Floats
    ramp_s: Floats
    share: Floats
    asks: Floats
    price: Floats
    most: Floats

    def cost_per_hour(self, rate: float) -> float:
        """No stable plan that carries ``rate`` [1/s] costs less per hour; infinite where the devices cannot."""
        return max(self._apart(rate), self._together(rate))

    def _apart(self, rate: float) -> float:
        """Every layer on its best device; whole devices in total."""
        layer = (self.price[:, None] * self.item_s).min(axis=0)
        ramp = (self.price[:, None] * self.ramp_s).min(axis=0)
        least = rate * float((self.share @ layer + self.asks @ ramp).min())
        return next_sum(least, self.price, self.most)

    def _together(self, rate: float) -> float:
        """Layers given to whole devices, each layer needed as little as any set of ramps allows."""
        work = rate * self.share.min(axis=0) * np.where(np.isfinite(self.item_s), self.item_s, np.nan)
        if len(self.price) == 1:
            count = _whole(float(np.nansum(work)) if np.isfinite(self.item_s).all() else inf)
            return inf if count > self.most[0] else float(count * self.price[0])
        return _program(work, self.price, self.most)


def _whole(devices: float) -> float:
    return inf if devices == inf else max(ceil(devices * (1 - ROUNDING)), 1)


def next_sum(cost: float, price: Floats, most: Floats) -> float:
    """The least price of whole replicas, one at least, that is not below ``cost``; infinite where all cost less.

    >>> next_sum(4.5, np.array([3.0, 2.0]), np.array([9.0, 9.0]))
    5.0
    """
    cost = cost * (1 - ROUNDING)
    if cost > float(price @ most):
        return inf
    last = int(np.argmax(most))
    others = [kind for kind in range(len(price)) if kind != last]
    reach = [np.arange(min(most[kind], _whole(cost / price[kind]) if price[kind] > 0 else 0) + 1) for kind in others]
    if prod(map(len, reach)) > MOST_SUMS:
        return cost
    grid = np.meshgrid(*reach, indexing="ij")
    held = sum((axis.ravel() * price[kind] for axis, kind in zip(grid, others)), np.zeros(prod(map(len, reach))))
    count = sum((axis.ravel() for axis in grid), np.zeros(len(held)))
    missing = np.maximum(cost - held, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = np.where(missing > 0, np.ceil(missing / price[last] * (1 - ROUNDING)), 0.0)
    more = np.where((count + more) < 1, 1.0, more)
    total = np.where(more <= most[last], held + np.where(np.isfinite(more), more, 0.0) * price[last], np.inf)
    return float(total.min())


def _program(work: Floats, price: Floats, most: Floats) -> float:
    """``min p n``: whole replicas n of each type, layers shared out; ``work`` (types, layers), NaN where it cannot."""
    from scipy.optimize import Bounds, LinearConstraint

    types, layers = work.shape
    can = np.isfinite(work)
    size = types + types * layers
    served = np.zeros((layers, size))
    held = np.zeros((types, size))
    for kind in range(types):
        held[kind, kind] = 1.0
        for layer in range(layers):
            served[layer, types + kind * layers + layer] = 1.0
            held[kind, types + kind * layers + layer] = -work[kind, layer] if can[kind, layer] else 0.0
    whole = np.concatenate([np.ones(types), np.zeros(types * layers)])
    found = mixed_integer(
        np.concatenate([price, np.zeros(types * layers)]),
        whole.astype(np.int64),
        Bounds(0, np.concatenate([most, can.ravel().astype(np.float64)])),
        [
            LinearConstraint(served, 1.0, np.inf),
            LinearConstraint(held, -ROUNDING * np.maximum(np.nansum(work, axis=1), 1e-300), np.inf),
            LinearConstraint(whole, 1.0, np.inf),
        ],
    )
    if found.status == 2:
        return inf
    if found.mip_dual_bound is None and found.fun is None:
        raise InternalError(f"the program of the bound was not solved: {found.message}")
    value = found.mip_dual_bound if found.mip_dual_bound is not None else found.fun
    return float(value) * (1 - ROUNDING)


def any_plan_bound(
    scenario: Scenario, service: str, pools: Sequence[PoolLimit], planner: Planner | None = None
) -> AnyPlan:
    """The bound of a service; ``pools`` are those of the plan."""
    ground = ground_of(scenario, service, pools, planner, every=True)
    share, asks = _needs(ground)
    names = sorted({bench.kind.pool for bench in ground.benches})
    mine = [[bench for bench in ground.benches if bench.kind.pool == pool] for pool in names]
    allowed = _formats(ground)
    item, ramp = (np.full((len(names), ground.layers), np.inf) for _ in range(2))
    for row, some in enumerate(mine):
        for bench in some:
            fills = np.arange(1, bench.layer_s.shape[1])
            own = allowed[ground.benches.index(bench)]
            item[row] = np.where(
                own, np.minimum(item[row], (bench.layer_s[:, 1:] / fills).min(axis=1) / bench.up), item[row]
            )
            ramp[row] = np.minimum(ramp[row], (bench.ramp_s[:, 1:] / fills).min(axis=1) / bench.up)
    price = np.array([ground.pools[pool].price_per_hour * some[0].devices for pool, some in zip(names, mine)])
    most = np.array([float(ground.pools[pool].devices // some[0].devices) for pool, some in zip(names, mine)])
    return AnyPlan(item, ramp, share, asks, price, most)


def _formats(ground: Ground) -> Bools:
    """(benches, layers): formats that a layer may have without breaking the floor by itself.

    A layer that loses more than what the best set of ramps has to spare, among the answers that all sets give behind
    it, is in no plan.
    """
    found = np.ones((len(ground.benches), ground.layers), dtype=np.bool_)
    full = ground.exits.full
    if ground.floor is None or not full:
        return found
    best, behind = full, np.full(ground.layers, full)
    for exits in ground.rules if _early(ground) else ():
        sets = _sets(exits)
        if sets is None:
            return found
        right, (_, end) = exits.right_by_portion(sets), portion_bounds(sets)
        best = max(best, float(right.sum(axis=1).max()))
        for layer in range(ground.layers):
            behind[layer] = min(behind[layer], float(np.where(end > layer, right, 0.0).sum(axis=1).min()))
    lost = np.diff(ground.lost, axis=1)
    found = best - behind * lost / full >= ground.floor * (1 - 1e-9)
    return np.where(np.isnan(lost), False, found)


def _early(ground: Ground) -> bool:
    """Whether anybody may leave early."""
    asked = ground.search.exit_mode
    return bool(ground.rules) and (asked is None or set(asked) != {"none"})


def _sets(exits: RuledExits) -> CutSets | None:
    """All sets of ramps; None where there are too many."""
    return cut_sets(exits.model) if 2 ** len(exits.model.ramps) <= ALL_SETS else None


def _needs(ground: Ground) -> tuple[Floats, Floats]:
    """(sets, layers): arrivals that must pass each layer, and the ramp after it, for sets that meet the floor."""
    lost = 1.0 - ground.target.served
    shares, asks = [], []
    asked = ground.search.exit_mode
    if not _early(ground) or asked is None or "none" in asked or "answer_early" in asked:
        shares.append(np.full((1, ground.layers), 1.0 - lost))
        asks.append(np.zeros((1, ground.layers)))
    for exits in ground.rules if _early(ground) else ():
        share, ramps = _of_rule(ground, exits)
        shares.append(np.maximum(share - lost, 0.0))
        asks.append(np.maximum(np.where(ramps, share, 0.0) - lost, 0.0) * ramps)
    return np.concatenate(shares), np.concatenate(asks)


def _of_rule(ground: Ground, exits: RuledExits) -> tuple[Floats, Bools]:
    """(sets, layers): share that needs each layer, as measured, and whether the ramp after it runs."""
    sets = _sets(exits)
    layers = np.arange(ground.layers)
    if sets is None:  # every ramp answering at no cost bounds all sets where ramps answer alone
        share = exits.model.tagged()[0] if exits.model.nested else _first_ramp(ground, exits)
        return share[None, :], np.zeros((1, ground.layers), dtype=np.bool_)
    if ground.floor is not None:
        good = ground.accepts(exits.right_by_portion(sets).sum(axis=1))
        sets = sets.keep(np.flatnonzero(good))
    start, end = portion_bounds(sets)
    share = np.zeros((len(sets.cuts), ground.layers))
    ramps = np.zeros(share.shape, dtype=np.bool_)
    for place in range(start.shape[1]):
        inside = (start[:, place, None] <= layers) & (layers < end[:, place, None])
        share = np.where(inside, sets.survive[:, place, None], share)
        ramps |= inside & (layers == end[:, place, None] - 1) & (end[:, place, None] < ground.layers)
    return share, ramps


def _first_ramp(ground: Ground, exits: RuledExits) -> Floats:
    """Everybody gets to the first ramp; behind it nothing is known."""
    return np.where(np.arange(ground.layers) < exits.source.ramps[0], 1.0, 0.0)
