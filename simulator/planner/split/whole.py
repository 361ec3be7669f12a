"""Modes in which a device runs the whole model: vanilla, compact, answer_early, and at_cut in serial."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from simulator.planner.split.binomial import binomial_means
from simulator.planner.split.cutsets import CutSets, cut_sets, looked_up, neighbours
from simulator.planner.split.exits import Floats, Ints
from simulator.planner.split.plans import ModePlan
from simulator.planner.split.portions import portion_bounds, set_costs
from simulator.planner.split.problem import SplitProblem, has_ramp
from simulator.planner.split.search import unit_prices

EQUAL = 1e-12
MODES = {"none": "parallel", "answer_early": "parallel", "compact": "parallel", "serial": "serial"}
"""Execution of each; *serial* is at_cut with all portions on one device, survivors waiting in its buffers."""


def batch_seconds(problem: SplitProblem, mode: str, batch: int, sets: CutSets) -> tuple[Floats, Floats]:
    """Device time for a batch of arrivals, and the time of one batch (of compact its mean) [s]: (sets, types).

    ========== =====================================================================================
    mode       device time with t_l, r_l the times of a layer and its ramp
    ========== =====================================================================================
    none       ``sum t_l(B)``
    answer_early ``sum t_l(B) + r_l(B)`` over the ramps that run
    compact    ``sum E[t_l(N_l) + r_l(N_l) + gather_l(N_l)]``, N_l ~ Binomial(B, survival into layer l)
    serial     ``sum_p S_p (sum t_l(B) + r(B))``: portions on full batches, no transfer
    ========== =====================================================================================
    """
    problem.check_batch(batch)
    if mode == "compact":
        taken = _compact_seconds(problem, batch, sets)
        longest = taken
    elif mode == "serial":
        still = replace(problem, devices=tuple(replace(d, send_s=np.zeros_like(d.send_s)) for d in problem.devices))
        busy, cost = set_costs(replace(still, weight_bytes=None), batch, sets)
        taken, longest = cost.sum(axis=1), busy.sum(axis=1)
    else:
        start, end = portion_bounds(sets)
        taken = np.empty((len(sets.cuts), len(problem.devices)))
        for kind, device in enumerate(problem.devices):
            ramp_s = np.append(0.0, device.ramp_s[:, batch]) * has_ramp(problem)
            ramps = np.where(end > start, ramp_s[end], 0.0).sum(axis=1)
            taken[:, kind] = device.layer_s[:, batch].sum() + (ramps if mode == "answer_early" else 0.0)
        longest = taken
    return taken + problem.fits()[0, problem.layers], longest


def _compact_seconds(problem: SplitProblem, batch: int, sets: CutSets) -> Floats:
    start, end = portion_bounds(sets)
    chance, at = np.unique(sets.survive, return_inverse=True)
    at = at.reshape(sets.survive.shape)
    taken = np.empty((len(sets.cuts), len(problem.devices)))
    for kind, device in enumerate(problem.devices):
        layers = binomial_means(device.layer_s[:, : batch + 1], chance)
        total = np.concatenate([np.zeros((len(chance), 1)), np.cumsum(layers, axis=1)], axis=1)
        picking = device.ramp_s if device.gather_s is None else device.ramp_s + device.gather_s
        ramps = binomial_means(picking[:, : batch + 1], chance) * has_ramp(problem)[1:]
        ramp_s = np.where(end > start, ramps[at, end - 1], 0.0)
        taken[:, kind] = (total[at, end] - total[at, start] + ramp_s).sum(axis=1)
    return taken


def best_whole(
    problem: SplitProblem, mode: str, batch: int, sets: CutSets | None = None, ramps: tuple[int, ...] | None = None
) -> ModePlan | None:
    """The plan of most capacity of one mode on all devices; ``ramps`` fixes which run (or, serial, where it is cut).

    Else *none* has no ramps, *answer_early* all of them (each costs time and answers earlier), *compact* and *serial*
    the set that carries most: exact up to 12 ramps, beyond that improved ramp by ramp from the best smaller set.
    """
    fixed = _fixed(problem, mode, ramps)
    if fixed is not None:
        sets = looked_up(problem.exits, [fixed])
    elif sets is None:
        sets = cut_sets(problem.exits, problem.limits.max_cuts)
    sets = _allowed(problem, mode, sets)
    found = _best_of(problem, mode, batch, sets)
    most = problem.limits.max_cuts if mode == "serial" else None
    if found is None or fixed is not None or sets.complete(problem.exits, most):
        return found
    return _improved(problem, mode, batch, found)


def cheapest_whole(
    problem: SplitProblem,
    mode: str,
    batch: int,
    rate: float,
    sets: CutSets | None = None,
    ramps: tuple[int, ...] | None = None,
) -> ModePlan | None:
    """The plan of least price of one mode that carries ``rate`` [1/s]; None when the devices do not."""
    fixed = _fixed(problem, mode, ramps)
    if fixed is not None:
        sets = looked_up(problem.exits, [fixed])
    elif sets is None:
        sets = cut_sets(problem.exits, problem.limits.max_cuts)
    sets = _allowed(problem, mode, sets)
    if not len(sets.cuts):
        return None
    rates, longest = _rates(problem, mode, batch, sets)
    prices = unit_prices(problem)
    with np.errstate(divide="ignore", invalid="ignore"):  # types that are ruled out have rate 0
        bound = rate * np.where(rates > 0, prices / rates, np.inf).min(axis=1)
    best: tuple[float, int, Ints] | None = None
    for number in np.argsort(bound, kind="stable"):
        if best is not None and bound[number] >= best[0] * (1 - EQUAL):
            break
        replicas = cover(rates[number], problem.counts, prices, rate)
        price = np.inf if replicas is None else float(replicas @ prices)
        if replicas is not None and (best is None or price < best[0]):
            best = price, int(number), replicas
    if best is None:
        return None
    return _plan(problem, mode, batch, sets, best[1], best[2], rates, longest)


def cover(rates: Floats, counts: Ints, prices: Floats, rate: float) -> Ints | None:
    """(types,): the cheapest devices that together carry ``rate``, the fewest among those; None when all do not.

    >>> cover(np.array([3.0, 2.0]), np.array([2, 9]), np.array([2.0, 1.0]), 8.0).tolist()
    [0, 4]
    """
    last = int(counts.argmax())
    others = [kind for kind in range(len(counts)) if kind != last]
    grid = np.meshgrid(*(np.arange(counts[kind] + 1) for kind in others), indexing="ij")
    tried = np.stack([axis.ravel() for axis in grid], axis=1) if others else np.zeros((1, 0), dtype=np.int64)
    missing = np.maximum(rate * (1 - EQUAL) - tried @ rates[others], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = np.where(missing > 0, np.ceil(missing / rates[last]), 0.0)
    price = np.where(more <= counts[last], tried @ prices[others] + np.minimum(more, 1e12) * prices[last], np.inf)
    if not np.isfinite(price).any():
        return None
    devices = np.where(price <= price.min() * (1 + EQUAL), tried.sum(axis=1) + more, np.inf)
    found = np.zeros(len(counts), dtype=np.int64)
    found[others], found[last] = tried[devices.argmin()], int(more[devices.argmin()])
    return found


def _fixed(problem: SplitProblem, mode: str, ramps: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if mode == "none":
        return ()
    return problem.exits.ramps if mode == "answer_early" and ramps is None else ramps


def _allowed(problem: SplitProblem, mode: str, sets: CutSets) -> CutSets:
    limits = problem.limits
    kept = np.ones(len(sets.cuts), dtype=np.bool_)
    if limits.accuracy is not None:
        kept &= sets.accuracy >= limits.accuracy
    if limits.max_cuts is not None and mode == "serial":
        kept &= sets.size <= limits.max_cuts
    return sets.keep(np.flatnonzero(kept))


def _rates(problem: SplitProblem, mode: str, batch: int, sets: CutSets) -> tuple[Floats, Floats]:
    """Requests per second of one device, 0 where the limits rule it out, and the time of a batch: (sets, types)."""
    taken, longest = batch_seconds(problem, mode, batch, sets)
    return np.where(longest <= problem.limits.most_service_s, batch / taken, 0.0), longest


def _best_of(problem: SplitProblem, mode: str, batch: int, sets: CutSets) -> ModePlan | None:
    if not len(sets.cuts):
        return None
    rates, longest = _rates(problem, mode, batch, sets)
    total = rates @ problem.counts
    number = int(np.argmax(total >= total.max() * (1 - EQUAL)))  # the fewest ramps among equals: sets go by size
    if not total[number] > 0:
        return None
    replicas = np.where(rates[number] > 0, problem.counts, 0)
    return _plan(problem, mode, batch, sets, number, replicas, rates, longest)


def _improved(problem: SplitProblem, mode: str, batch: int, found: ModePlan) -> ModePlan:
    """Ramp by ramp uphill, from the best smaller set and from all ramps: the better of the two hilltops."""
    most = problem.limits.max_cuts if mode == "serial" else None
    starts = [found]
    if most is None:
        every = _allowed(problem, mode, looked_up(problem.exits, [problem.exits.ramps]))
        everything = _best_of(problem, mode, batch, every)
        starts += [everything] if everything else []
    tops = []
    for start in starts:
        top, better = start, True
        while better:
            near = looked_up(problem.exits, neighbours(problem.exits, top.ramps, most, moves=False))
            step = _best_of(problem, mode, batch, _allowed(problem, mode, near))
            better = step is not None and step.capacity > top.capacity * (1 + EQUAL)
            top = step if better and step is not None else top
        tops.append(top)
    return replace(max(tops, key=lambda plan: plan.capacity), exact=False, fractional=inf)


def _plan(
    problem: SplitProblem,
    mode: str,
    batch: int,
    sets: CutSets,
    number: int,
    replicas: Ints,
    rates: Floats,
    longest: Floats,
) -> ModePlan:
    ramps = tuple(int(cut) for cut in sets.cuts[number] if cut < sets.layers)
    used = np.flatnonzero(replicas)
    serial = mode == "serial"
    portions = len(ramps) + 1 if serial else 1
    capacity = float(rates[number] @ replicas)
    return ModePlan(
        exit_mode="at_cut" if serial else mode,
        execution=MODES[mode],
        cuts=ramps if serial else (),
        ramps=ramps,
        devices=tuple(problem.devices[kind].name for kind in used),
        replicas=tuple(int(replicas[kind]) for kind in used),
        batch=batch,
        capacity=capacity,
        fractional=capacity,
        service_s=float(longest[number, used].max()),
        accuracy=float(sets.accuracy[number]),
        price_per_hour=float(replicas @ problem.prices),
        survival=tuple(float(share) for share in sets.survive[number, :portions]),
    )
