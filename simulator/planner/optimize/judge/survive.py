"""Losses that a plan has to bear: which replicas may be gone at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

from simulator.planner.optimize.problem import Shape
from simulator.scenario.planning import Survive, SurviveDevices

Replicas = tuple[int, ...]


def left_after(survive: Survive | None, shape: Shape, replicas: Replicas) -> Iterator[Replicas]:
    """What is left after every loss that counts, by group; the whole where none is to be borne.

    Of some devices the worst case is that each hits another replica; which groups they hit is open, so every way
    counts. A loss that hits fewer is never worse, and needs no question of its own.

    >>> from simulator.planner.optimize.problem import Group
    >>> two = Shape("s", "none", "parallel", 1, tuple(Group((n, n), n, 1, 1.0, 1.0, 0.0, ()) for n in (0, 1)), 1.0)
    >>> list(left_after(SurviveDevices(devices=1), two, (3, 2)))
    [(2, 2), (3, 1)]
    """
    if survive is None:
        yield replicas
    elif isinstance(survive, SurviveDevices):
        yield from _without_some(survive.devices, replicas)
    else:
        for pool in dict.fromkeys(group.pool for group in shape.groups):
            yield tuple(0 if group.pool == pool else count for group, count in zip(shape.groups, replicas))


def _without_some(lost: int, replicas: Replicas) -> Iterator[Replicas]:
    lost = min(lost, sum(replicas))
    for hit in combinations_with_replacement(range(len(replicas)), lost):
        left = tuple(count - hit.count(group) for group, count in enumerate(replicas))
        if min(left) >= 0:
            yield left


def missing_layers(shape: Shape, left: Sequence[int]) -> tuple[int, int] | None:
    """Layers that nobody serves any more; None where every one is served."""
    served = {group.layers for group, count in zip(shape.groups, left) if count > 0}
    return next((group.layers for group in shape.groups if group.layers not in served), None)
