"""Broken schedules are refused, and the report says who waits for what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.pipeline import BW, B, F, Op, Schedule, W, make, one_way, problems_of, times_of, validate
from simulator.errors import ScenarioError
from tests.costs.pipeline.cases import schedules, walk

Orders = list[list[Op]]


def broken(schedule: Schedule, orders: Orders) -> Schedule:
    return replace(schedule, orders=tuple(map(tuple, orders)))


def messages(schedule: Schedule) -> str:
    return "\n".join(problem.message for problem in problems_of(schedule))


@given(schedules(), st.data())
def test_an_op_too_few_or_too_many_is_refused(schedule: Schedule, data: st.DataObject) -> None:
    orders = [list(order) for order in schedule.orders]
    rank = data.draw(st.integers(0, schedule.ranks - 1))
    place = data.draw(st.integers(0, len(orders[rank]) - 1))
    op = orders[rank][place]
    change = data.draw(st.sampled_from(["drop", "repeat", "stage", "microbatch", "elsewhere"]))
    if change == "drop":
        del orders[rank][place]
    elif change == "repeat":
        orders[rank].append(op._replace(fused=False))
    elif change == "elsewhere":
        orders.append([orders[rank].pop(place)._replace(fused=False)])
        schedule = replace(schedule, ranks=schedule.ranks + 1)
    else:
        orders[rank][place] = op._replace(**{change: getattr(op, change) + 1})
    assert problems_of(broken(schedule, orders)) != ()
    with pytest.raises(ScenarioError):
        validate(broken(schedule, orders))


@given(schedules(most=4), st.data())
def test_swapped_ops_are_refused_exactly_if_nobody_can_run_them(schedule: Schedule, data: st.DataObject) -> None:
    """Fused cells are taken apart first: a fused op that moves is no cell any more."""
    orders = [[op._replace(fused=False) for op in order] for order in schedule.orders]
    for _ in range(data.draw(st.integers(1, 4))):
        order = data.draw(st.sampled_from(orders))
        a, b = (data.draw(st.integers(0, len(order) - 1)) for _ in range(2))
        order[a], order[b] = order[b], order[a]
    swapped = broken(schedule, orders)
    try:
        walk(swapped, times_of(schedule.stages, 1.0, 1.0, 1.0))
        runs = True
    except RuntimeError:
        runs = False
    assert (problems_of(swapped) == ()) == runs
    if not runs:
        assert "deadlock" in messages(swapped)


def test_deadlock_between_ranks_names_the_ops() -> None:
    crossed = one_way(
        "crossed",
        2,
        2,
        (0, 1),
        [
            [Op(F, 0, 0), Op(BW, 0, 0), Op(F, 0, 1), Op(BW, 0, 1)],
            [Op(F, 1, 1), Op(F, 1, 0), Op(BW, 1, 0), Op(BW, 1, 1)],
        ],
    )
    assert messages(crossed).splitlines() == [
        "schedule crossed: deadlock: rank 0 waits at full backward of stage 0, microbatch 0 for "
        "full backward of stage 1, microbatch 0 of rank 1, which is itself at F of stage 1, microbatch 1",
        "schedule crossed: deadlock: rank 1 waits at F of stage 1, microbatch 1 for "
        "F of stage 0, microbatch 1 of rank 0, which is itself at full backward of stage 0, microbatch 0",
    ]


def test_own_order_names_the_ops() -> None:
    early = one_way("early", 1, 1, (0,), [[Op(F, 0, 0), Op(W, 0, 0), Op(B, 0, 0)]])
    assert messages(early) == (
        "schedule early: deadlock: rank 0 waits at W of stage 0, microbatch 0 for its own B of stage 0, microbatch 0, "
        "not yet run"
    )


@pytest.mark.parametrize(
    ("ops", "text"),
    [
        ([Op(F, 0, 0), Op(B, 0, 0)], "W of stage 0, microbatch 0 is missing"),
        ([Op(F, 0, 0), Op(W, 0, 0)], "B of stage 0, microbatch 0 is missing"),
        ([Op(F, 0, 0), Op(BW, 0, 0), Op(W, 0, 0)], "is there beside W of the same"),
        ([Op(F, 0, 0), Op(BW, 0, 0), Op(BW, 0, 0)], "comes 2 times"),
        ([Op(BW, 0, 0)], "F of stage 0, microbatch 0 is missing"),
        ([Op(F, 0, 0), Op(BW, 0, 0), Op(F, 1, 0)], "there are 1 stages and 1 microbatches"),
        ([Op(F, 0, 0), Op(BW, 0, 0), Op(F, 0, -1)], "there are 1 stages and 1 microbatches"),
        ([Op(F, 0, 0, fused=True), Op(BW, 0, 0)], "only a full backward fuses"),
        ([Op(F, 0, 0), Op(BW, 0, 0, fused=True)], "for its own F of stage 0, microbatch 0"),
        ([Op(F, 0, 0), Op(B, 0, 0), Op(W, 0, 0, fused=True)], "only a full backward fuses"),
    ],
)
def test_what_is_wrong_is_named(ops: list[Op], text: str) -> None:
    assert text in messages(one_way("wrong", 1, 1, (0,), [ops]))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ranks": 3}, "orders of 2 ranks, but 3 ranks"),
        ({"placement": ((0, 2),)}, "outside the ranks 0 to 1"),
        ({"placement": ((0, 1), (0,))}, "different number of stages"),
        ({"placement": ((0, 0),)}, "rank 1 holds no stage"),
        ({"directions": (0,)}, "directions of 1 microbatches, but has 2"),
        ({"directions": (0, 1)}, "direction outside 0 to 0"),
        ({"microbatches": 0}, "at least one rank, one microbatch"),
        ({"placement": ((1, 0),)}, "which is placed on rank"),
    ],
)
def test_a_shape_that_cannot_be_is_named(change: dict[str, object], text: str) -> None:
    assert text in messages(replace(make("1f1b", 2, 2), **change))
