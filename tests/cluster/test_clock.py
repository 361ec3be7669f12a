"""Events of one instant are applied by their keys, whatever the order in which they were set."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.cluster.clock import ARRIVAL, COMPLETION, CONTROL, TIMER, TRANSFER, Clock, Key, SideClock

ALL: Key = (99,)


def applied(clock: Clock, said: list[Any]) -> list[Any]:
    """Run until the heap is empty."""
    while clock.heap:
        clock._now = clock.heap[0][0]
        clock.apply(clock._now, ALL)
    return said


def test_kinds_of_events_in_their_order() -> None:
    """Completions, transfers, arrivals, timers, control events."""
    assert COMPLETION < TRANSFER < ARRIVAL < TIMER < CONTROL
    for order in permutations([COMPLETION, TRANSFER, ARRIVAL, TIMER, CONTROL]):
        clock, said = Clock(), list[int]()
        for kind in order:
            if kind == CONTROL:
                clock.control_at(1.0, (0,), said.append, kind)
            else:
                clock.schedule_at(1.0, (kind, 0, 0), said.append, kind)
        assert applied(clock, said) == [COMPLETION, TRANSFER, ARRIVAL, TIMER, CONTROL]


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3]), st.integers(0, 2), st.integers(0, 3)), max_size=30))
def test_instant_then_key_then_order_of_setting(events: list[tuple[float, int, int]]) -> None:
    clock, said = Clock(), list[Any]()
    for number, (instant, kind, place) in enumerate(events):
        clock.schedule_at(instant, (kind, 0, place), said.append, (instant, kind, place, number))
    assert applied(clock, said) == sorted((*event, number) for number, event in enumerate(events))


def test_before_stops_at_its_key() -> None:
    clock, said = Clock(), list[str]()
    clock.schedule_at(0.0, (TIMER, 0), said.append, "timer")
    clock.schedule_at(0.0, (COMPLETION, 9, 9, 9), said.append, "completion")
    clock.schedule_at(1.0, (COMPLETION, 0), said.append, "later")
    clock.apply(0.0, (TRANSFER + 1,))
    assert said == ["completion"]
    clock.apply(0.0, ALL)
    assert said == ["completion", "timer"]


def test_instants_are_absolute() -> None:
    """0.2 + (0.9 - 0.2) is not 0.9: an event set at 0.9 happens there and nowhere else."""
    clock, seen = Clock(), list[float]()
    clock._now = 0.2
    assert 0.2 + (0.9 - 0.2) != 0.9
    clock.schedule_at(0.9, (TIMER,), lambda _: seen.append(clock.now))
    assert applied(clock, seen) == [0.9]


def test_processes_wait_for_instants() -> None:
    """SimPy processes take part as control events; those alone are counted."""
    clock, seen = Clock(), list[float]()

    def story() -> Any:
        for instant in (0.5, 0.7):
            yield clock.at(instant, (1, 0))
            seen.append(clock.now)

    clock.process(story())
    assert clock.controls == 1
    assert applied(clock, seen) == [0.5, 0.7]
    assert clock.controls == 0


def test_what_goes_wrong_in_a_process_is_not_lost() -> None:
    clock = Clock()

    def story() -> Any:
        yield clock.at(0.5, (1, 0))
        raise ValueError("broken")

    clock.process(story())
    with pytest.raises(ValueError, match="broken"):
        applied(clock, [])


def test_events_of_a_side_clock_are_counted_apart_and_outlast_the_others() -> None:
    clock, said = Clock(), list[Any]()
    side = SideClock(clock)
    side.schedule_at(2.0, (TIMER,), said.append, "side")
    side.schedule_at(1.0, (TIMER,), lambda _: side.schedule_at(3.0, (TIMER,), said.append, "later"))
    clock.schedule_at(1.5, (TIMER,), said.append, "main")
    clock.control_at(1.7, (0,), said.append, "control")
    assert (len(clock.heap), clock.aside, clock.controls) == (4, 2, 1)
    side.go_on_alone()
    assert (len(clock.heap), clock.aside, clock.controls) == (2, 2, 0)
    assert applied(clock, said) == ["side", "later"]
    assert side.now == clock.now == 3.0
    assert clock.aside == 0
