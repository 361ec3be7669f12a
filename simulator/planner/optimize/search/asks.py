"""What a round of a search asks: the same for any number of workers that answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simulator.planner.optimize.problem import Ask, Judgement
from simulator.planner.optimize.search.found import Choice
from simulator.planner.optimize.search.frontier import Pick
from simulator.planner.optimize.search.rows import Offer

if TYPE_CHECKING:
    from simulator.planner.optimize.search.core import Search

ROUND = 16
"""Judgements of a round, if there is so much to ask."""


def compose(search: Search) -> list[Ask]:
    """A few nodes of every window that is not settled, the highest rates first."""
    cells = [
        (service, int(window))
        for service, frontier in enumerate(search.frontiers)
        for window in np.argsort(-frontier.rates, kind="stable")
    ]
    firsts = {cell: search.frontiers[cell[0]].picks(cell[1], 1) for cell in cells}
    open_ = [cell for cell in cells if firsts[cell]]
    each = max(1, ROUND // max(len(open_), 1))
    found: dict[tuple[object, ...], Ask] = {}
    for service, window in open_:
        frontier = search.frontiers[service]
        picks = firsts[service, window] if each == 1 else frontier.picks(window, each)
        for pick in picks:
            put(search, found, service, window, pick)
    return list(found.values())


def put(search: Search, found: dict[tuple[object, ...], Ask], service: int, window: int, pick: Pick) -> None:
    """Asks that mean the same are asked once."""
    frontier = search.frontiers[service]
    window = window if pick.window is None else pick.window
    which = float(frontier.rates[window]) if frontier.by_rate else window
    found.setdefault(
        (service, which, pick.shape, pick.replicas), ask_of(search, service, window, pick.shape, pick.replicas)
    )


def ask_of(search: Search, service: int, window: int, shape: int, replicas: Sequence[int]) -> Ask:
    """The question whether a node does, without the groups that its shape does not have."""
    groups = len(search.problem.spaces[service].shapes[shape].groups)
    return Ask(service, int(window), int(shape), tuple(int(n) for n in replicas[:groups]))


def held_offer(held: dict[int, dict[tuple[int, ...], Judgement]], groups: int) -> Offer:
    """The nodes of a window that are known to hold."""
    nodes = [(shape, one) for shape, found in held.items() for one in found]
    shape = np.array([shape for shape, _ in nodes], dtype=np.int64)
    return Offer(shape, np.array([one for _, one in nodes], dtype=np.int64).reshape(len(nodes), groups))


def choice_of(search: Search, service: int, window: int, shape: int, replicas: tuple[int, ...]) -> Choice:
    """With its own judgement, else that of the node which it holds by: no more replicas, or no lower rate."""
    ask = ask_of(search, service, window, shape, replicas)
    answer = search.answers.get(ask)
    if answer is None or not answer.holds:
        held = search.frontiers[service].tables[window].held.get(shape, {})
        below = [judged for one, judged in held.items() if all(a <= b for a, b in zip(one, replicas))]
        answer = below[0] if below else Judgement(True)
    return Choice(shape, ask.replicas, answer)
