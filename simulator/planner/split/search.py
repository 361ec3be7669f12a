"""Cuts, types of device and replicas of *at_cut* in parallel: most capacity, or the least price for a rate."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from simulator.planner.split.chain import Chain, ChainProblem, cheapest, replicas_needed, widest
from simulator.planner.split.cutsets import CutSets, cut_sets, looked_up, neighbours
from simulator.planner.split.exits import Floats, Ints
from simulator.planner.split.plans import ModePlan
from simulator.planner.split.portions import set_costs, tagged_chain
from simulator.planner.split.problem import SplitProblem
from simulator.planner.split.relaxed import least_period_of_chain, least_periods, least_prices, may_hold

EQUAL = 1e-12
FIRST_PART = 16
"""Sets judged before the first look at which others may still be better; then four times as many, and so on."""
LONGEST = 1e100


def best_at_cuts(problem: SplitProblem, batch: int, sets: CutSets | None = None) -> ModePlan | None:
    """The plan of most capacity with ramps at the cuts only, every cut set judged by its own survival.

    Sets go in the order of their fractional bound until none can be better: exact when all sets are there, else the
    sets of up to ``sets.complete_to`` cuts, then improved cut by cut. None when no set respects the limits.
    """
    problem.check_batch(batch)
    sets = _allowed(problem, cut_sets(problem.exits, problem.limits.max_cuts) if sets is None else sets)
    found = _best_of(problem, batch, sets, inf)
    if found is None or sets.complete(problem.exits, problem.limits.max_cuts):
        return found
    return _improved(problem, batch, found)


def cheapest_at_cuts(problem: SplitProblem, batch: int, rate: float, sets: CutSets | None = None) -> ModePlan | None:
    """The plan of least price that carries ``rate`` [1/s], the devices as limits; the most capacity on its devices.

    Not exact where not all cut sets are there. None when no plan carries the rate.
    """
    problem.check_batch(batch)
    sets = _allowed(problem, cut_sets(problem.exits, problem.limits.max_cuts) if sets is None else sets)
    if not len(sets.cuts):
        return None
    busy, cost = _limited_costs(problem, batch, sets)
    need = _needed(sets, cost, np.arange(len(cost)), batch / rate)
    bound = least_prices(need, problem.counts, unit_prices(problem))
    best: tuple[float, Chain] | None = None
    for number in np.argsort(bound, kind="stable")[: np.isfinite(bound).sum()]:
        if best is not None and bound[number] >= best[0] * (1 - EQUAL):
            break
        chain = cheapest(_path(problem, sets, busy, cost, int(number)), batch / rate, unit_prices(problem))
        price = inf if chain is None else _price(problem, chain)
        if chain is not None and (best is None or price < best[0]):
            best = price, chain
    if best is None:
        return None
    plan = _best_of(held_only(problem, best[1].kinds, best[1].replicas), batch, sets, inf)
    if plan is None or sets.complete(problem.exits, problem.limits.max_cuts):
        return plan
    return replace(plan, fractional=inf, exact=False)


def best_tagged(problem: SplitProblem, batch: int) -> ModePlan | None:
    """The plan of most capacity when every ramp runs and answered requests are dropped at the next cut: exact."""
    problem.check_batch(batch)
    chain_problem = tagged_chain(problem, batch)
    chain = widest(chain_problem)
    return None if chain is None else _tagged_plan(problem, batch, chain_problem, chain)


def cheapest_tagged(problem: SplitProblem, batch: int, rate: float) -> ModePlan | None:
    """The plan of least price that carries ``rate`` when every ramp runs; the most capacity on its devices."""
    problem.check_batch(batch)
    chain = cheapest(tagged_chain(problem, batch), batch / rate, unit_prices(problem))
    return None if chain is None else best_tagged(held_only(problem, chain.kinds, chain.replicas), batch)


def fractional_at_cuts(problem: SplitProblem, batch: int, sets: CutSets | None = None) -> tuple[float, tuple[int, ...]]:
    """Capacity [1/s] if devices could be divided, and its cuts (one type: the optimum; several: a bound)."""
    sets = _allowed(problem, cut_sets(problem.exits, problem.limits.max_cuts) if sets is None else sets)
    problem.check_batch(batch)
    periods = least_periods(set_costs(problem, batch, sets)[1], problem.counts)
    number = int(periods.argmin())
    return float(batch / periods[number]), _cuts(sets, number)


def unit_prices(problem: SplitProblem) -> Floats:
    """Prices of the types; 1 each when none is stated, so that the fewest devices are the cheapest."""
    prices = problem.prices
    return prices if prices.any() else np.ones(len(prices))


def held_only(problem: SplitProblem, kinds: tuple[int, ...], replicas: tuple[int, ...]) -> SplitProblem:
    """The problem with no more devices of each type than a plan holds; types that it does not hold are left out."""
    held = np.bincount(kinds, replicas, len(problem.devices)).astype(int)
    devices = tuple(replace(device, count=int(n)) for device, n in zip(problem.devices, held) if n)
    return replace(problem, devices=devices)


def _allowed(problem: SplitProblem, sets: CutSets) -> CutSets:
    limits = problem.limits
    kept = np.ones(len(sets.cuts), dtype=np.bool_)
    if limits.max_cuts is not None:
        kept &= sets.size <= limits.max_cuts
    if limits.accuracy is not None:
        kept &= sets.accuracy >= limits.accuracy
    return sets.keep(np.flatnonzero(kept))


def _best_of(problem: SplitProblem, batch: int, sets: CutSets, below_s: float) -> ModePlan | None:
    if not len(sets.cuts):
        return None
    busy, cost = _limited_costs(problem, batch, sets)
    bound = least_periods(cost, problem.counts)
    best: tuple[int, Chain] | None = None
    order, done, part = np.lexsort((sets.size, bound)), 0, FIRST_PART
    while done < len(order) and bound[order[done]] < below_s:
        for number in _promising(problem, sets, cost, order[done : done + part], below_s):
            chain = widest(_path(problem, sets, busy, cost, int(number)), below_s)
            if chain is not None:
                best, below_s = (int(number), chain), chain.period_s * (1 - EQUAL)
        done, part = done + part, 4 * part
    if best is None:
        return None
    return _plan(problem, batch, sets, busy, best, float(bound.min()))


def _promising(problem: SplitProblem, sets: CutSets, cost: Floats, chosen: Ints, below_s: float) -> Ints:
    """The sets for which whole replicas may keep a period below ``below_s``."""
    need = _needed(sets, cost, chosen, below_s)
    chosen, need = chosen[fits := may_hold(need, problem.counts)], need[fits]
    found: Ints = chosen[np.isfinite(least_prices(need, problem.counts, unit_prices(problem)))]
    return found


def _needed(sets: CutSets, cost: Floats, chosen: Ints, period_s: float) -> Floats:
    need = replicas_needed(cost[chosen], min(period_s, LONGEST)).astype(np.float64)
    need[:, 1:][sets.cuts[chosen] == sets.layers] = 0.0  # portions behind the last
    return need


def _limited_costs(problem: SplitProblem, batch: int, sets: CutSets) -> tuple[Floats, Floats]:
    """``set_costs``; infinite for sets that even their fastest devices do not serve within the limit."""
    busy, cost = set_costs(problem, batch, sets)
    cost[busy.min(axis=2).sum(axis=1) > problem.limits.most_service_s] = np.inf
    return busy, cost


def _improved(problem: SplitProblem, batch: int, found: ModePlan) -> ModePlan:
    """Cut by cut uphill from the best of the smaller sets, with a bound that holds for every set."""
    bound = inf
    if problem.exits.nested:
        chain = tagged_chain(problem, batch, all_ramps=False)
        bound = batch / least_period_of_chain(chain.cost, chain.counts, chain.most_portions)[0]
    while True:
        near = neighbours(problem.exits, found.cuts, problem.limits.max_cuts)
        sets = _allowed(problem, looked_up(problem.exits, near))
        better = _best_of(problem, batch, sets, batch / found.capacity * (1 - EQUAL))
        if better is None:
            return replace(found, fractional=bound, exact=found.capacity >= bound * (1 - EQUAL))
        found = better


def _path(problem: SplitProblem, sets: CutSets, busy: Floats, cost: Floats, number: int) -> ChainProblem:
    """One set as a chain of its portions that may only be cut between them."""
    portions, kinds = len(_cuts(sets, number)) + 1, cost.shape[2]
    shape = (portions, portions + 1, kinds)
    chain_cost, chain_busy = np.full(shape, np.inf), np.full(shape, np.inf)
    at = np.arange(portions)
    chain_cost[at, at + 1], chain_busy[at, at + 1] = cost[number, :portions], busy[number, :portions]
    return ChainProblem(chain_cost, problem.counts, portions, chain_busy, problem.limits.most_service_s)


def _cuts(sets: CutSets, number: int) -> tuple[int, ...]:
    return tuple(int(cut) for cut in sets.cuts[number] if cut < sets.layers)


def _price(problem: SplitProblem, chain: Chain) -> float:
    prices = unit_prices(problem)
    return float(sum(prices[kind] * count for kind, count in zip(chain.kinds, chain.replicas)))


def _plan(
    problem: SplitProblem, batch: int, sets: CutSets, busy: Floats, best: tuple[int, Chain], bound_s: float
) -> ModePlan:
    number, chain = best
    cuts, portions = _cuts(sets, number), range(len(chain.kinds))
    return _at_cut(
        problem,
        batch,
        chain,
        cuts,
        ramps=cuts,
        fractional=batch / bound_s,
        service_s=float(sum(busy[number, p, kind] for p, kind in zip(portions, chain.kinds))),
        accuracy=float(sets.accuracy[number]),
        survival=tuple(float(share) for share in sets.survive[number, : len(chain.kinds)]),
    )


def _tagged_plan(problem: SplitProblem, batch: int, chain_problem: ChainProblem, chain: Chain) -> ModePlan:
    survival, accuracy = problem.exits.tagged()
    starts = (0, *chain.ends[:-1])
    bound_s, _ = least_period_of_chain(chain_problem.cost, chain_problem.counts, chain_problem.most_portions)
    service = chain_problem.service_s
    return _at_cut(
        problem,
        batch,
        chain,
        chain.ends[:-1],
        ramps=tuple(ramp for ramp in problem.exits.ramps if ramp <= starts[-1]),
        fractional=batch / bound_s,
        service_s=float(sum(service[i, j, kind] for i, j, kind in zip(starts, chain.ends, chain.kinds))),
        accuracy=float(accuracy[starts[-1]]),
        survival=tuple(float(survival[start]) for start in starts),
        tagged=True,
    )


def _at_cut(
    problem: SplitProblem,
    batch: int,
    chain: Chain,
    cuts: tuple[int, ...],
    *,
    ramps: tuple[int, ...],
    fractional: float,
    service_s: float,
    accuracy: float,
    survival: tuple[float, ...],
    tagged: bool = False,
) -> ModePlan:
    return ModePlan(
        exit_mode="at_cut",
        execution="parallel",
        cuts=cuts,
        ramps=ramps,
        devices=tuple(problem.devices[kind].name for kind in chain.kinds),
        replicas=chain.replicas,
        batch=batch,
        capacity=batch / chain.period_s,
        fractional=fractional,
        service_s=service_s,
        accuracy=accuracy,
        price_per_hour=float(sum(problem.prices[kind] * n for kind, n in zip(chain.kinds, chain.replicas))),
        survival=survival,
        tagged=tagged,
    )
