"""ZB-H1 and ZB-H2: the weight gradient is put off by as many backwards as a rank is behind (Qi et al., ICLR 2024).

ZB-H1 keeps the memory of 1F1B (``p - s`` forwards ahead), ZB-H2 takes about twice of it (``2 (p - s) - 1`` ahead).
"""

from __future__ import annotations

from simulator.costs.pipeline.ops import Schedule, loop, one_way
from simulator.costs.pipeline.schedules.common import single, split_backward, turns
from simulator.costs.pipeline.shape import Entry, Shape


def _h1(shape: Shape) -> Schedule:
    p, m = shape.ranks, shape.microbatches
    orders = [split_backward(turns(s, m), turns(s, m), p - s, s) for s in range(p)]
    return one_way("zb-h1", p, m, loop(p), orders)


def _h2(shape: Shape) -> Schedule:
    p, m = shape.ranks, shape.microbatches
    orders = [split_backward(turns(s, m), turns(s, m), 2 * (p - s) - 1, 2 * s) for s in range(p)]
    return one_way("zb-h2", p, m, loop(p), orders)


ZB_H1 = Entry(_h1, single)
ZB_H2 = Entry(_h2, single)
