"""No schedule beats the bound, and where one reaches it, the bound is tight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.costs.pipeline import SCHEDULES, Ending, make, memory_of, peaks, refusal, times_of
from simulator.planner.pipeline import Stages, ideal_s, least_iteration_s, steady_s

TRAINED = [name for name in SCHEDULES if name != "inference"]


@pytest.mark.parametrize("name", list(SCHEDULES))
@settings(max_examples=25)
@given(data=st.data())
def test_no_schedule_is_faster(name: str, data: st.DataObject) -> None:
    """With unequal stages and transfers, memory no larger than the schedule needs, and endings of all kinds."""
    ranks, rounds = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 3))
    microbatches = ranks * rounds
    if refusal(name, ranks, microbatches) is not None:
        ranks, microbatches = 4, 8
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    stages = make(name, ranks, microbatches).stages
    train = float(name != "inference")
    times = times_of(
        stages,
        rng.random(stages) + 0.05,
        train * (rng.random(stages) + 0.05),
        train * rng.random(stages),
        rng.random(stages - 1) * 0.4,
        rng.random(stages - 1) * 0.4,
        fused=data.draw(st.sampled_from([1.0, 0.7])) if train else 1.0,
        overlap=data.draw(st.booleans()),
    )
    activation = rng.random(stages) + 0.1
    memory = memory_of(stages, activation, activation * rng.random(stages))
    synchronous = data.draw(st.booleans())
    ending = Ending(rng.random(ranks), rng.random(ranks), synchronous=synchronous)
    given_times = {"times": times, "memory": memory} if SCHEDULES[name].timed else {}
    schedule = make(name, ranks, microbatches, **given_times)  # type: ignore[arg-type]
    cut = Stages(times, ending, memory, np.zeros(stages), None)
    least = least_iteration_s(schedule, cut, peaks(schedule, memory) * (1.0 + 1e-9))
    took, _ = steady_s(schedule, times, ending)
    assert least <= took * (1.0 + 1e-9)
    assert ideal_s(cut, ranks, microbatches) <= least * (1.0 + 1e-9)
    assert least_iteration_s(schedule, cut, np.full(ranks, np.inf)) <= least * (1.0 + 1e-9)


def of_equal(ranks: int) -> Stages:
    return Stages(times_of(ranks, 1.0, 1.0, 1.0), Ending(), memory_of(ranks, 1.0, 0.0), np.zeros(ranks), None)


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_the_first_backward_waits(ranks: int) -> None:
    """Zero Bubble, Appendix B: with k microbatches in memory the first rank idles ``(p - 1) B + (p - k) F``."""
    schedule = make("zb-h1", ranks, 4 * ranks)
    for held in range(1, 2 * ranks):
        least = least_iteration_s(schedule, of_equal(ranks), np.full(ranks, float(held)))
        idle = max(0.0, (ranks - 1) + (ranks - held))
        room = 4 * ranks * 2.0 * ranks / held  # each microbatch is held for p (F + B)
        assert least == pytest.approx(max(3.0 * 4 * ranks + idle, room))


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_room_for_one_microbatch(ranks: int) -> None:
    """One after the other, there and back: the first stage holds each for p (F + B), and no order is faster."""
    schedule = make("1f1b", ranks, 5)
    least = least_iteration_s(schedule, of_equal(ranks), np.ones(ranks))
    assert least == pytest.approx(5 * 2.0 * ranks)


def test_one_that_has_no_bubbles_reaches_it() -> None:
    """ZB-H2 at F = B = W: no bubbles in steady state, and the bound is that."""
    schedule, cut = make("zb-h2", 4, 16), of_equal(4)
    took, _ = steady_s(schedule, cut.times, cut.ending)
    assert took == least_iteration_s(schedule, cut, peaks(schedule, cut.memory)) == ideal_s(cut, 4, 16) == 48.0  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in TRAINED if refusal(name, 4, 1) is None])
def test_one_microbatch(name: str) -> None:
    """It goes there and back, F and B of the whole model, and the weight gradient of the first stage follows."""
    schedule = make(name, 4, 1)
    times = times_of(schedule.stages, 4.0 / schedule.stages, 4.0 / schedule.stages, 4.0 / schedule.stages)
    cut = Stages(times, Ending(), None, np.zeros(schedule.stages), None)
    least = least_iteration_s(schedule, cut, np.full(4, np.inf))
    took, _ = steady_s(schedule, times, Ending())
    assert least >= 8.0 + 4.0 / schedule.stages - 1e-9
    assert least <= took * (1.0 + 1e-9)
    assert took <= 12.0
