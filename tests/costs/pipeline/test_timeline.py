"""The evaluator: against a plain run to the last bit, and by its laws."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.costs.pipeline import (
    BW,
    Ending,
    F,
    Schedule,
    Times,
    back_to_back,
    evaluate,
    make,
    measure,
    rank_times,
    times_of,
)
from simulator.errors import ScenarioError
from tests.costs.pipeline.cases import schedules, stage_times, walk


@st.composite
def runs(draw: st.DrawFn) -> tuple[Schedule, Times, np.ndarray]:
    schedule = draw(schedules())
    factors = np.random.default_rng(draw(st.integers(0, 99))).lognormal(0.0, 0.3, len(schedule.arrays.kind))
    return schedule, draw(stage_times(schedule.stages)), factors


@given(runs())
def test_the_same_to_the_last_bit_as_a_plain_run(run: tuple[Schedule, Times, np.ndarray]) -> None:
    schedule, times, factors = run
    line = evaluate(schedule, times, factors=factors)
    start, end, free = walk(schedule, times, lambda i: float(factors[i]))
    assert line.start.tolist() == start
    assert line.end.tolist() == end
    assert line.compute_end.tolist() == free


@given(runs(), st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.booleans())
def test_iterations_follow_each_other_rank_by_rank(
    run: tuple[Schedule, Times, np.ndarray], reduce_s: float, step_s: float, synchronous: bool
) -> None:
    schedule, times, factors = run
    ending = Ending(reduce_s, np.full(schedule.ranks, step_s), synchronous)
    lines = back_to_back(schedule, times, 3, ending=ending, factors=[factors, factors**2, factors])
    begin = [0.0] * schedule.ranks
    for line, factor in zip(lines, (factors, factors**2, factors)):
        start, _, free = walk(schedule, times, lambda i, factor=factor: float(factor[i]), begin)
        reduced = [instant + reduce_s for instant in free]
        step = [max(reduced)] * schedule.ranks if synchronous else reduced
        begin = [instant + step_s for instant in step]
        assert line.start.tolist() == start
        assert line.finish.tolist() == begin


@given(runs())
def test_ranks_never_run_two_cells_at_once(run: tuple[Schedule, Times, np.ndarray]) -> None:
    schedule, times, factors = run
    line = evaluate(schedule, times, factors=factors)
    for rank in range(schedule.ranks):
        start, end, fused = (line.of_rank(values, rank) for values in (line.start, line.end, schedule.arrays.fused))
        assert (start[1:][~fused[1:]] >= end[:-1][~fused[1:]]).all()
        assert (start[1:][fused[1:]] == start[:-1][fused[1:]]).all()


@given(runs(), st.sampled_from([0.25, 2.0, 8.0]))
def test_all_times_in_another_unit_change_nothing_else(run: tuple[Schedule, Times, np.ndarray], unit: float) -> None:
    """Powers of two: the rounding is the same."""
    schedule, times, factors = run
    tiny = np.finfo(float).tiny / unit  # what is smaller has fewer digits, which a change of unit can cost
    parts = (times.forward, times.backward_input, times.backward_weight, times.transfer, times.transfer_back)
    assume(all((part[part > 0.0] > 16.0 * tiny).all() for part in parts))
    scaled = Times(
        *(unit * part for part in (times.forward, times.backward_input, times.backward_weight)),
        *(unit * part for part in (times.transfer, times.transfer_back)),
        times.fused,
        times.overlap,
    )
    first, second = (evaluate(schedule, one, factors=factors) for one in (times, scaled))
    assert (second.end == unit * first.end).all()


@given(runs())
def test_slower_transfers_and_blocking_never_help(run: tuple[Schedule, Times, np.ndarray]) -> None:
    schedule, times, factors = run
    plain = (times.forward, times.backward_input, times.backward_weight)
    ends = [
        evaluate(schedule, Times(*plain, *costs, times.fused, overlap), factors=factors).end
        for costs, overlap in (
            ((0 * times.transfer, 0 * times.transfer_back), True),
            ((times.transfer, times.transfer_back), True),
            ((times.transfer, times.transfer_back), False),
        )
    ]
    assert (ends[0] <= ends[1]).all()
    assert (ends[1] <= ends[2]).all()


def test_a_fused_cell_may_take_less_than_its_parts() -> None:
    schedule = make("dualpipe-v", 2, 6)
    line = evaluate(schedule, times_of(4, 1.0, 1.0, 1.0, fused=0.5))
    fused = schedule.arrays.fused
    assert fused.any()
    assert set((line.end - line.start)[fused]) == {1.5}


def test_large_pipeline_in_less_than_a_second() -> None:
    """p = 32, m = 256, v = 2 with split backwards: 49,152 ops, the dependencies found anew; CPU time, best of three."""
    spent = []
    for _ in range(3):
        schedule = make("interleaved-zero-bubble", 32, 256, 2)
        begin = process_time()
        line = evaluate(schedule, rank_times(schedule, 1.0, 1.0, 1.0, 0.01))
        spent.append(process_time() - begin)
        assert len(line.start) == 49_152
    assert min(spent) < 1.0


def rejected(schedule: Schedule, times: Times, text: str, **more: object) -> None:
    with pytest.raises(ScenarioError, match=text):
        evaluate(schedule, times, **more)  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused() -> None:
    schedule, times = make("gpipe", 2, 2), times_of(2, 1.0, 1.0)
    rejected(schedule, times_of(3, 1.0), "times of 3 stages, but schedule gpipe has 2")
    rejected(schedule, times, "one per op", factors=[1.0])
    rejected(schedule, times, "one per op", factors=np.full(8, np.nan))
    rejected(schedule, times, "one for each of 2 ranks", begin=[0.0, 0.0, 0.0])
    rejected(schedule, times, "one for each of 2 ranks", ending=Ending(all_reduce=[1.0]))


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), [1.0, 2.0, 3.0]])
@pytest.mark.parametrize("name", ["forward", "backward_input", "backward_weight", "transfer"])
def test_times_are_finite_and_not_negative(name: str, bad: object) -> None:
    parts: dict[str, object] = {"forward": 1.0, name: bad}
    with pytest.raises(ScenarioError, match=name):
        times_of(2, **parts)  # type: ignore[arg-type]


def test_an_order_by_hand_runs() -> None:
    """Orders need not come from the registry: 1F1B of 12 s, whose first rank puts off its last forward, takes 15 s."""
    base, times = make("1f1b", 2, 3), times_of(2, 1.0, 1.0, 1.0)
    order = base.orders[0]
    late = replace(base, orders=((*order[:3], order[4], order[3], order[5]), base.orders[1]))
    assert [op.kind for op in late.orders[0]] == [F, F, BW, BW, F, BW]
    line = evaluate(late, times)
    assert line.of_rank(line.start, 0).tolist() == [0.0, 1.0, 4.0, 7.0, 9.0, 13.0]
    assert (measure(evaluate(base, times)).makespan_s, measure(line).makespan_s) == (12.0, 15.0)
