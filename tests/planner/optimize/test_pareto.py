"""The front of cost, latency and accuracy against the definition."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from simulator.planner.optimize.objectives.pareto import front

FEW = st.integers(0, 4).map(float)
ROWS = st.lists(st.tuples(FEW, FEW | st.just(math.nan), st.none() | FEW), max_size=12)


def dominates(one, other) -> bool:
    a, b = ((row[0], row[1], -math.inf if row[2] is None else row[2]) for row in (one, other))
    return a[0] <= b[0] and a[1] <= b[1] and a[2] >= b[2] and a != b


@given(ROWS)
def test_is_what_nothing_dominates(rows):
    found = front(rows)
    usable = [row for row in rows if not math.isnan(row[1])]
    wanted = {row for row in usable if not any(dominates(other, row) for other in usable)}
    assert {rows[number] for number in found} == wanted
    assert len(found) == len(wanted)  # equal rows once
    assert [rows[number][0] for number in found] == sorted(rows[number][0] for number in found)


@given(ROWS, st.randoms())
def test_does_not_depend_on_the_order(rows, random):
    mixed = list(rows)
    random.shuffle(mixed)
    assert {rows[number] for number in front(rows)} == {mixed[number] for number in front(mixed)}
