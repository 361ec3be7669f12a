"""The cheapest choice of one node for every service and window: column generation, then a mixed-integer program.

The linear program starts with few columns and takes in those that its dual prices say would better it, until there are
none: its value then is that of all columns offered. A choice with a column left out costs at least that value and the
column's reduced cost. So the mixed-integer program over the columns of least reduced cost is exact when it finds no
more than that, and else the lesser of both is a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulator.planner.optimize.problem import Floats, PlanProblem
from simulator.planner.optimize.search.mixed import mixed_integer
from simulator.planner.optimize.search.relax import (
    EXACT,
    SERVED,
    Chosen,
    Offers,
    Relaxed,
    only,
    relax,
    scaled,
)
from simulator.planner.optimize.search.rows import Layout, Offer

__all__ = ["EXACT", "SERVED", "Chosen", "Decided", "Offers", "Relaxed", "cost_of", "decide", "relax"]

SOLVED_COLUMNS, MOST_COLUMNS = 24, 400
MOST_NODES = 20_000


@dataclass(frozen=True)
class Decided:
    """What the program chose: row of the offer and replicas, extra ones in, by service and window.

    ``bound``: no choice from the offers costs less, ``own_bound``: none from the columns that were in the program.
    ``picks`` None: no choice was found; ``complete``: then there is none.
    """

    cost: float
    bound: float
    own_bound: float
    picks: list[list[tuple[int, tuple[int, ...]]]] | None
    complete: bool = True
    relaxed: Relaxed | None = field(default=None, repr=False)


def decide(
    problem: PlanProblem, offers: Offers, relaxed: Relaxed, seconds: float | None = None, gap: float = EXACT
) -> Decided:
    """The cheapest choice with whole nodes; the solver stops at a relative ``gap``, or after ``seconds``."""
    if relaxed.unserved > SERVED:
        return Decided(np.inf, np.inf, np.inf, None, True, relaxed)
    reduced = [
        [relaxed.reduced(service, window, offer) for window, offer in enumerate(row)]
        for service, row in enumerate(offers)
    ]
    count = SOLVED_COLUMNS
    while True:
        chosen, omitted = _least(reduced, relaxed.chosen, count)
        found = _solved(problem, offers, chosen, seconds, gap)
        beyond = relaxed.value + omitted
        enough = found.cost <= beyond * (1 + gap) or not np.isfinite(omitted)
        if enough or count >= MOST_COLUMNS:
            bound = max(min(found.bound, beyond), relaxed.value)
            complete = found.complete and (enough or found.picks is not None)
            return Decided(found.cost, min(bound, found.cost), found.bound, found.picks, complete, relaxed)
        count *= 4


def cost_of(problem: PlanProblem, choices: Sequence[Sequence[tuple[int, tuple[int, ...]]]]) -> tuple[float, bool]:
    """Money of a plan over the horizon, (shape, replicas) by service and window; whether its devices suffice.

    Each window's price, and for every replica added between windows its price while it loads and the switching cost.
    """
    most = max(space.pool.shape[1] for space in problem.spaces)
    offers = [
        [Offer(np.array([shape]), np.array([list(replicas) + [0] * (most - len(replicas))])) for shape, replicas in row]
        for row in choices
    ]
    offers = [
        [Offer(offer.shape, offer.replicas[:, : space.pool.shape[1]]) for offer in row]
        for space, row in zip(problem.spaces, offers)
    ]
    layout = Layout(problem, offers)
    x = np.concatenate([np.ones(layout.xs), np.zeros(layout.variables - layout.xs)])
    matrix, upper = layout.rows
    first, adds = layout.first_key_row, len(layout.adds)
    x[layout.first_add : layout.first_add + adds] = np.maximum((matrix @ x)[first : first + adds], 0.0)
    return float(layout.costs @ x), bool((matrix @ x <= upper * (1 + EXACT) + EXACT).all())


def _least(reduced: list[list[Floats]], always: Chosen, count: int) -> tuple[Chosen, float]:
    """The ``count`` columns of least reduced cost each, and the least reduced cost that is left out."""
    chosen: Chosen = []
    omitted = np.inf
    for costs, some in zip(reduced, always):
        chosen.append([])
        for cost, rows in zip(costs, some):
            order = np.argsort(cost, kind="stable")
            taken = np.union1d(order[:count], rows)
            out = np.setdiff1d(order[count:], taken)
            omitted = min(omitted, float(cost[out].min(initial=np.inf)))
            chosen[-1].append(taken)
    return chosen, omitted


def _solved(problem: PlanProblem, offers: Offers, chosen: Chosen, seconds: float | None, gap: float) -> Decided:
    from scipy.optimize import Bounds, LinearConstraint

    layout = Layout(problem, only(offers, chosen))
    scale, costs = scaled(layout)
    matrix, upper = layout.rows
    high, whole = np.full(layout.variables, np.inf), np.ones(layout.variables)
    high[: layout.xs], high[layout.xs : layout.first_add] = 1.0, 0.0
    whole[layout.xs : layout.first_extra] = 0.0
    options: Any = {"mip_rel_gap": gap, "node_limit": MOST_NODES}
    if seconds is not None:
        options["time_limit"] = max(seconds, 0.1)
    rows = [LinearConstraint(matrix, -np.inf, upper), LinearConstraint(layout.one_each(), 1.0, 1.0)]
    found = mixed_integer(costs, whole.astype(np.int64), Bounds(0.0, high), rows, **options)
    bound = -np.inf if found.mip_dual_bound is None else float(found.mip_dual_bound) * scale
    if found.x is None:
        return Decided(np.inf, np.inf if found.status == 2 else bound, bound, None, found.status == 2)
    picks = _picks(layout, chosen, found.x)
    nodes = [[(int(offers[s][w].shape[row]), n) for w, (row, n) in enumerate(line)] for s, line in enumerate(picks)]
    cost, _ = cost_of(problem, nodes)
    return Decided(cost, min(bound, cost), min(bound, cost), picks)


def _picks(layout: Layout, chosen: Chosen, x: Floats) -> list[list[tuple[int, tuple[int, ...]]]]:
    picks: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in layout.offers]
    for cell, (service, window) in enumerate(layout.cells):
        at = int(np.argmax(x[layout.column(cell)]))
        offer = layout.offers[service][window]
        replicas = offer.replicas[at].copy()
        for group, key in enumerate(layout.problem.spaces[service].key[int(offer.shape[at])]):
            extra = layout.extras.get((service, window, int(key)))
            if extra is not None:
                replicas[group] += round(float(x[layout.first_extra + extra]))
        picks[service].append((int(chosen[service][window][at]), tuple(int(n) for n in replicas)))
    return picks
