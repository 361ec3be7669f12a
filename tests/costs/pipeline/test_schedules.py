"""Every schedule of the registry: valid in its whole domain, refused outside with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given

from simulator.costs.pipeline import (
    SCHEDULES,
    Schedule,
    evaluate,
    make,
    measure,
    problems_of,
    published_hanayo_bubble,
    rank_times,
    refusal,
)
from simulator.errors import ScenarioError
from tests.costs.pipeline.cases import FIXED, SEARCHED, schedules

DOMAIN = {
    "interleaved-1f1b": lambda p, m, v: v >= 2 and m % p == 0,
    "interleaved-zero-bubble": lambda p, m, v: v >= 2 and m % p == 0,
    "looped-bfs": lambda p, m, v: True,
    "zb-v": lambda p, m, v: v == 2,
    "chimera": lambda p, m, v: v == 2 and p % 2 == 0 and m % p == 0,
    "dualpipe": lambda p, m, v: v == 2 and p % 2 == 0 and m % 2 == 0 and m >= 2 * p,
    "dualpipe-v": lambda p, m, v: v == 2 and m >= 2 * p,
    "hanayo": lambda p, m, v: v % 2 == 0,
    "inference": lambda p, m, v: v == 1 or m % p == 0,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_valid_in_the_whole_domain_and_refused_outside(name: str) -> None:
    """All shapes up to 6 ranks, 13 microbatches and 4 chunks; schedules not listed have one chunk."""
    inside = DOMAIN.get(name, lambda p, m, v: v == 1)
    searched = name in SEARCHED
    for ranks in range(1, 4 if searched else 7):
        for microbatches in range(1, 5 if searched else 14):
            for chunks in range(1, 5):
                if inside(ranks, microbatches, chunks):
                    schedule = make(name, ranks, microbatches, chunks)
                    assert problems_of(schedule) == ()
                    assert (schedule.ranks, schedule.microbatches) == (ranks, microbatches)
                    assert schedule.chunks == chunks
                    assert schedule.forward_only == SCHEDULES[name].forward_only
                else:
                    assert refusal(name, ranks, microbatches, chunks) is not None
                    with pytest.raises(ScenarioError, match=name):
                        make(name, ranks, microbatches, chunks)


@given(schedules(FIXED, most=16))
def test_valid_on_random_shapes(schedule: Schedule) -> None:
    assert problems_of(schedule) == ()
    assert len(schedule.arrays.kind) == sum(map(len, schedule.orders))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("ranks", "microbatches", "chunks"), [(0, 4, None), (2, 0, None), (2, 4, 0), (-1, 4, 1)])
def test_nothing_of_a_schedule_can_be_zero(name: str, ranks: int, microbatches: int, chunks: int | None) -> None:
    with pytest.raises(ScenarioError, match="at least 1"):
        make(name, ranks, microbatches, chunks)


def test_unknown_schedule_names_the_known() -> None:
    with pytest.raises(ScenarioError, match=r"unknown schedule 'gpip' \(known: gpipe"):
        make("gpip", 2, 4)


@pytest.mark.parametrize("ranks", [2, 4, 8])
@pytest.mark.parametrize("waves", [2, 4])
def test_hanayo_is_near_its_published_bubble(ranks: int, waves: int) -> None:
    """m = p, B + W = 2 F: an independent greedy order of waves is within 0.016, as printed, of the authors' form."""
    schedule = make("hanayo", ranks, ranks, 2 * waves)
    found = measure(evaluate(schedule, rank_times(schedule, 1.0, 1.0, 1.0))).bubble_makespan
    assert abs(found - published_hanayo_bubble(ranks, waves)) < 0.0165


@pytest.mark.parametrize(("ranks", "bubble"), [(2, 1 / 4), (4, 1 / 3), (8, 7 / 19)])
def test_hanayo_with_one_wave(ranks: int, bubble: float) -> None:
    """Fractions found by an independent greedy run: 0.25, 0.33, 0.37."""
    schedule = make("hanayo", ranks, ranks, 2)
    found = measure(evaluate(schedule, rank_times(schedule, 1.0, 1.0, 1.0))).bubble_makespan
    assert found == pytest.approx(bubble)
    assert found < published_hanayo_bubble(ranks, 1)
