"""The linear program over all nodes offered, by column generation; its duals price every node, and every replica."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.errors import InternalError
from simulator.planner.optimize.problem import Floats, Ints, PlanProblem
from simulator.planner.optimize.search.rows import Layout, Offer

Offers = Sequence[Sequence[Offer]]
Chosen = list[list[Ints]]
FIRST_COLUMNS, ADDED_COLUMNS = 4, 8
ROUNDS = 200
SCALE = 1000.0
"""The objective is scaled to about this: tolerances of the solver are absolute."""
EXACT = 1e-9
"""Relative gap at which two costs are one."""
SERVED = 1e-7
"""A share of a window unserved that is rounding."""


@dataclass(frozen=True)
class Relaxed:
    """The linear program over all offers.

    ``value``: no choice costs less; ``unserved`` > 0: not even fractions of nodes serve all. ``weights`` of a service
    in a window (shapes, groups) and ``fixed`` (shapes,) price a node: its reduced cost plus ``worth``.
    """

    value: float
    unserved: float
    chosen: Chosen
    weights: list[list[Floats]]
    fixed: list[list[Floats]]
    worth: Floats
    scarce: tuple[int, ...] = ()
    """Pools whose devices are worth more than they cost."""

    def reduced(self, service: int, window: int, offer: Offer) -> Floats:
        """(n,): what choosing a node adds to ``value``, at least."""
        weights, fixed = self.weights[service][window], self.fixed[service][window]
        cost = (weights[offer.shape] * offer.replicas).sum(axis=1) + fixed[offer.shape]
        found: Floats = np.maximum(cost - self.worth[service, window], 0.0)
        return found


def relax(problem: PlanProblem, offers: Offers, start: Chosen | None = None) -> Relaxed:
    """The linear program over all columns offered; ``start``: columns to begin with."""
    chosen = _first(problem, offers, start)
    found = _generated(problem, offers, chosen, serve=False)
    if found is None:  # these columns do not fit together: take in such that do
        served = _generated(problem, offers, chosen, serve=True)
        if served is None:
            raise InternalError("the linear program of the plan was not solved")
        if served.unserved <= SERVED:
            found = _generated(problem, offers, chosen, serve=False)
        found = served if found is None else found
    return found


def _generated(problem: PlanProblem, offers: Offers, chosen: Chosen, *, serve: bool) -> Relaxed | None:
    """Columns added to ``chosen`` until none betters the program; ``serve``: its aim is to leave none unserved."""
    for _ in range(ROUNDS):
        found = _priced(Layout(problem, only(offers, chosen)), chosen, serve)
        if found is None or (serve and found.unserved <= SERVED) or not _improve(offers, chosen, found):
            break
    return None if found is None else _lowered(offers, found)


def _first(problem: PlanProblem, offers: Offers, start: Chosen | None) -> Chosen:
    found: Chosen = []
    for service, row in enumerate(offers):
        space = problem.spaces[service]
        price = [(space.price[offer.shape] * offer.replicas).sum(axis=1) for offer in row]
        part = [np.argsort(cost, kind="stable")[:FIRST_COLUMNS] for cost in price]
        found.append(part if start is None else [np.union1d(a, b) for a, b in zip(part, start[service])])
    return found


def only(offers: Offers, chosen: Chosen) -> list[list[Offer]]:
    """The chosen rows of every offer."""
    return [
        [Offer(offer.shape[rows], offer.replicas[rows]) for offer, rows in zip(row, some)]
        for row, some in zip(offers, chosen)
    ]


def _priced(layout: Layout, chosen: Chosen, serve: bool) -> Relaxed | None:
    """The linear program over the chosen columns, and the weights that its duals give to all; None: infeasible."""
    from scipy.optimize import linprog

    scale, costs = (1.0, np.zeros(layout.variables)) if serve else scaled(layout)
    high = np.full(layout.variables, np.inf)
    costs[layout.xs : layout.first_add] = 1.0
    high[layout.xs : layout.first_add] = 1.0 if serve else 0.0
    matrix, upper = layout.rows
    bounds = np.column_stack([np.zeros(layout.variables), high])
    ones = np.ones(len(layout.cells))
    found: Any = linprog(costs, matrix, upper, layout.one_each(), ones, bounds, method="highs")  # type: ignore[call-overload]  # its stubs know no sparse matrices
    if found.x is None:
        if found.status == 2 and not serve:
            return None
        raise InternalError(f"the linear program of the plan was not solved: {found.message}")
    dual = -np.minimum(np.asarray(found.ineqlin.marginals), 0.0) * scale
    worth = np.asarray(found.eqlin.marginals).reshape(len(layout.offers), layout.windows) * scale
    weights, fixed = _weights(layout, dual, 0.0 if serve else 1.0)
    scarce = dual[: layout.first_key_row].reshape(-1, layout.pools).max(axis=0, initial=0.0) > SERVED * scale
    return Relaxed(
        float(found.fun) * scale,
        float(found.x[layout.xs : layout.first_add].max(initial=0.0)),
        [list(row) for row in chosen],
        weights,
        fixed,
        worth,
        tuple(int(pool) for pool in np.flatnonzero(scarce)),
    )


def scaled(layout: Layout) -> tuple[float, Floats]:
    """What one unit of the objective is worth, and the costs in it."""
    costs = layout.costs
    least = sum(float(costs[layout.column(cell)].min(initial=np.inf)) for cell in range(len(layout.cells)))
    scale = least / SCALE if np.isfinite(least) and least > 0 else 1.0
    return scale, costs / scale


def _weights(layout: Layout, dual: Floats, money: float) -> tuple[list[list[Floats]], list[list[Floats]]]:
    """Dual prices as the price of one replica of every group, and of every shape for the keys it lets be kept."""
    problem = layout.problem
    budget = 0.0 if problem.budget is None else float(dual[-1])
    weights: list[list[Floats]] = []
    fixed: list[list[Floats]] = []
    for service, space in enumerate(problem.spaces):
        weights.append([])
        fixed.append([])
        for window in range(layout.windows):
            pool = np.maximum(space.pool, 0)
            device = dual[layout.pool_row(window, pool)]
            if window + 1 < layout.windows:
                device = device + dual[layout.change_row(window + 1, pool)]
            price = space.price * layout.hours[window] * (money + budget)
            one = price + device * space.devices + _of_keys(layout, service, window, dual)
            weights[-1].append(np.where(space.pool >= 0, one, 0.0))
            fixed[-1].append(_of_extras(layout, service, window, dual))
    return weights, fixed


def _of_keys(layout: Layout, service: int, window: int, dual: Floats) -> Floats:
    """A replica has to be added at the start of its window, and saves adding it at the start of the next."""
    key = layout.problem.spaces[service].key
    value = np.zeros(int(key.max(initial=-1)) + 2)
    used = layout.used[service]
    for begins, sign in ((window, 1.0), (window + 1, -1.0)):
        if 1 <= begins < layout.windows and len(used):
            first = layout.first_key_row + layout.adds[service, begins, int(used[0])]
            value[used] += sign * dual[first : first + len(used)]
    found: Floats = value[key]
    return found


def _of_extras(layout: Layout, service: int, window: int, dual: Floats) -> Floats:
    space = layout.problem.spaces[service]
    found = np.zeros(len(space.shapes))
    first = layout.first_key_row + len(layout.adds)
    for (its, then, key), at in layout.extras.items():
        if (its, then) == (service, window):
            has = (space.key == key).any(axis=1)
            found -= has * layout.most_extra(service, key) * dual[first + at]
    return found


def _improve(offers: Offers, chosen: Chosen, found: Relaxed) -> bool:
    """Take in the columns that would better the program; False: there is none."""
    any_added = False
    for service, row in enumerate(offers):
        for window, offer in enumerate(row):
            gain = _gain(found, service, window, offer)
            gain[chosen[service][window]] = 0.0
            rows = np.flatnonzero(gain < -EXACT * max(abs(found.value), EXACT))
            best = rows[np.argsort(gain[rows], kind="stable")[:ADDED_COLUMNS]]
            if len(best):
                chosen[service][window] = np.union1d(chosen[service][window], best)
                any_added = True
    return any_added


def _gain(found: Relaxed, service: int, window: int, offer: Offer) -> Floats:
    weights, fixed = found.weights[service][window], found.fixed[service][window]
    cost = (weights[offer.shape] * offer.replicas).sum(axis=1) + fixed[offer.shape]
    gain: Floats = cost - found.worth[service, window]
    return gain


def _lowered(offers: Offers, found: Relaxed) -> Relaxed:
    """The value lowered by what columns that are not in it could better it by, at most."""
    low, worth = found.value, found.worth.copy()
    for service, row in enumerate(offers):
        for window, offer in enumerate(row):
            gain = float(_gain(found, service, window, offer).min(initial=0.0))
            low += gain
            worth[service, window] += gain
    return Relaxed(low, found.unserved, found.chosen, found.weights, found.fixed, worth, found.scarce)
