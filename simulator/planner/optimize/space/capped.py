"""Spaces that are too large to be searched keep their most promising shapes, and a bound for all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from simulator.planner.optimize.problem import Floats
from simulator.planner.optimize.space.blocks import Block
from simulator.planner.optimize.space.ground import Ground

MOST_SHAPES = 120_000
"""Shapes of a service that are searched."""
LEAST_OF_BLOCK = 200
"""Of every mode, rule, batch size and number of portions at least so many."""


@dataclass(frozen=True, eq=False)
class Capped:
    """Blocks that are kept; ``rest``: for what was left out, the least price of a request's work and of one replica in
    every group."""

    blocks: list[Block]
    rest: tuple[float, float]
    note: str | None


def capped(ground: Ground, blocks: Sequence[Block]) -> Capped:
    """The shapes of least steady price of every block, in proportion to its size, where there are too many."""
    total = sum(len(block.cuts) for block in blocks)
    if total <= MOST_SHAPES:
        return Capped(list(blocks), (inf, inf), None)
    kept, rest = [], (inf, inf)
    for block in blocks:
        count = max(len(block.cuts) * MOST_SHAPES // total, LEAST_OF_BLOCK)
        steady, base = prices(ground, block)
        order = np.argsort(steady, kind="stable")
        mine = np.zeros(len(order), dtype=np.bool_)
        mine[order[:count]] = True
        kept.append(block.keep(mine))
        if not mine.all():
            rest = (min(rest[0], float(steady[~mine].min())), min(rest[1], float(base[~mine].min())))
    now = sum(len(block.cuts) for block in kept)
    note = f"of {total:,} shapes the {now:,} are searched whose work costs least, of every mode and batch size"
    return Capped(kept, rest, note)


def prices(ground: Ground, block: Block) -> tuple[Floats, Floats]:
    """(shapes,): price of the work of a request [price per hour x s], and of one replica in every group per hour."""
    each = np.array([ground.pools[one.kind.pool].price_per_hour * one.devices for one in ground.benches])
    up = np.array([one.up for one in ground.benches])
    price: Floats = each[block.bench]
    return (block.item_s / up[block.bench] * price).sum(axis=1), price.sum(axis=1)
