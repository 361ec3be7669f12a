"""Of every family of deployments the best that was not chosen, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from simulator.planner.optimize.problem import PlanProblem, Shape, Space
from simulator.planner.optimize.search.found import Choice, Rejected
from simulator.planner.optimize.search.frontier import Frontier

if TYPE_CHECKING:
    from simulator.planner.optimize.search.core import Search
    from simulator.planner.optimize.search.program import Relaxed

Family = tuple[str, str, tuple[str, ...]]


def family_of(problem: PlanProblem, shape: Shape) -> Family:
    """Exit mode, execution and pools, in the order of the groups."""
    return shape.exit_mode, shape.execution, tuple(problem.pools[group.pool].name for group in shape.groups)


def rejected(
    problem: PlanProblem, frontiers: Sequence[Frontier], choices: Sequence[Sequence[Choice]] | None
) -> Iterator[Rejected]:
    """For every service in the window of its highest rate."""
    for service, frontier in enumerate(frontiers):
        if not len(frontier.space.shapes):
            continue
        window = int(np.argmax(frontier.rates))
        families: dict[Family, list[int]] = {}
        for members in _alike(frontier.space):
            families.setdefault(family_of(problem, frontier.space.shapes[members[0]]), []).extend(members)
        chosen = None if choices is None else choices[service][window]
        for family, members in families.items():
            if chosen is None or chosen.shape not in set(members):
                yield _lost(service, window, family, members, frontier, chosen)


def _alike(space: Space) -> list[list[int]]:
    """Shapes of one family each. Where very many are made on demand, their modes stand in an array: none is made."""
    mode = getattr(getattr(space.shapes, "rows", None), "mode", None)
    if mode is None:
        return [[number] for number in range(len(space.shapes))]
    which = np.unique(np.column_stack([np.asarray(mode), space.pool]), axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(which, kind="stable")
    ends = np.flatnonzero(np.diff(which[order])) + 1
    return [part.tolist() for part in np.split(order, ends)]


def _lost(
    service: int, window: int, family: Family, members: list[int], frontier: Frontier, chosen: Choice | None
) -> Rejected:
    space, table = frontier.space, frontier.tables[window]
    nodes = [
        (space.price_per_hour(shape, table.replicas[row].tolist()), not bool(table.holds[row]), shape, row)
        for shape in members
        for row in table.rows_of(shape)
    ]
    if not nodes:
        return _refuted(service, window, family, members, frontier)
    price, opens, shape, row = min(nodes)
    paid = None if chosen is None else space.price_per_hour(chosen.shape, chosen.replicas)
    dearer = None if not paid else price / paid - 1.0
    open_or_dear = "unknown" if opens else "program"
    reason = "price" if paid is not None and price >= paid else open_or_dear
    groups = len(space.shapes[shape].groups)
    replicas = tuple(int(n) for n in table.replicas[row][:groups])
    judged = next(iter(table.held.get(shape, {}).values()), None)
    return Rejected(service, window, family, reason, shape, replicas, price, dearer, judged)


def _refuted(service: int, window: int, family: Family, members: list[int], frontier: Frontier) -> Rejected:
    """No row is left: either the steady need was too much for the pools, or the judge refuted what they hold."""
    space, table = frontier.space, frontier.tables[window]
    least = space.least(float(frontier.rates[window]))
    fits = table.fitting(np.array(members), least[members])
    left = [shape for shape, one in zip(members, fits) if one] or members
    shape = min(left, key=lambda one: (space.price_per_hour(one, least[one].tolist()), one))
    replicas = tuple(int(n) for n in least[shape][: len(space.shapes[shape].groups)])
    price = space.price_per_hour(shape, replicas)
    return Rejected(service, window, family, "slo" if fits.any() else "pool", shape, replicas, price)


def why_none(problem: PlanProblem, search: Search, service: int, window: int) -> str:
    """Why a service has no node left in a window."""
    space, rate = problem.spaces[service], float(problem.rates[service][window])
    where = f"service {space.service}, window {window} ({rate:g}/s)"
    if not len(space.shapes):
        return f"{where}: no way to deploy it is left to choose from"
    table = search.frontiers[service].tables[window]
    steady = table.fitting(np.arange(len(space.shapes)), space.least(rate))
    pools = sorted({problem.pools[pool].name for pool in np.unique(space.pool[space.pool >= 0])})
    if not steady.any():
        return f"{where}: no pool has the devices that a steady load needs ({', '.join(pools)})"
    said = [
        answer.reason
        for ask, answer in search.answers.items()
        if ask.service == service and not answer.holds and answer.reason
    ]
    why = f"; the last refused: {said[-1]}" if said else ""
    return f"{where}: nothing that fits the pools ({', '.join(pools)}) meets the objective{why}"


def why_together(problem: PlanProblem, search: Search, relaxed: Relaxed) -> str:
    """Why what is left for each service does not fit together."""
    names = ", ".join(problem.pools[pool].name for pool in relaxed.scarce)
    if not names:
        return f"no plan costs as little as the budget of {problem.budget:g}"
    asked = " to meet the objective" if search.answers else ""
    return f"the services together need more devices{asked} than there are in {names}, in a window or a change"
