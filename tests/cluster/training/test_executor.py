"""The executor against the array evaluator, to the last bit; and what a guest is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster.lowered import Jitter
from simulator.cluster.training.executor import Executor
from simulator.cluster.training.laps import factors_of
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import SCHEDULES, Ending, Timeline, back_to_back, idle_windows, make, refusal, times_of
from simulator.errors import InternalError
from tests.cluster.training.made import executed, node, setup

BASE = setup()
FIELDS = ("start", "end", "begin", "compute_end", "reduced", "step", "finish")


@st.composite
def setups(draw: st.DrawFn, name: str, least: float = 0.0) -> TrainingSetup:
    """A training under a schedule, with stages, transfers and endings that all differ."""
    ranks, rounds = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    microbatches = ranks * rounds if draw(st.booleans()) else draw(st.integers(1, 12))
    if refusal(name, ranks, microbatches) is not None:
        ranks, microbatches = 4, 8
    chunks = SCHEDULES[name].default_chunks
    if refusal(name, ranks, microbatches, 3) is None:
        chunks = draw(st.sampled_from([chunks, 3]))
    schedule = make(name, ranks, microbatches, chunks)
    stages = schedule.stages
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def seconds(size: int, most: float) -> Any:
        drawn = least + rng.random(size) * most
        return drawn if least else drawn * (rng.random(size) > 0.1)  # now and then one that takes no time

    times = times_of(
        stages,
        seconds(stages, 1.0),
        seconds(stages, 1.0),
        seconds(stages, 0.7),
        seconds(stages - 1, 0.4),
        seconds(stages - 1, 0.4),
        fused=draw(st.sampled_from([1.0, 0.8])),
        overlap=draw(st.booleans()),
    )
    ending = Ending(seconds(ranks, 2.0), seconds(ranks, 1.0), synchronous=draw(st.booleans()))
    copies, iterations = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    return replace(BASE, schedule=schedule, times=times, ending=ending, replicas=copies, iterations=iterations)


def assert_equal(executor: Executor, expected: tuple[Timeline, ...]) -> None:
    """Every instant of every copy is the expected one, to the last bit."""
    assert len(executor.lines) == len(expected)
    for copies, line in zip(executor.lines, expected):
        assert len(copies) == executor.setup.replicas
        for copy in copies:
            for field in FIELDS:
                np.testing.assert_array_equal(getattr(copy, field), getattr(line, field), err_msg=field)


@pytest.mark.parametrize("name", SCHEDULES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_instant_is_the_evaluators(name: str, data: st.DataObject) -> None:
    made = data.draw(setups(name))
    expected = back_to_back(made.schedule, made.times, made.iterations, ending=made.ending)
    assert_equal(executed(made), expected)


@pytest.mark.parametrize("name", ["1f1b", "interleaved-1f1b", "zb-v", "dualpipe"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_jitter_is_that_of_the_evaluator_given_the_same_factors(name: str, data: st.DataObject) -> None:
    made = replace(data.draw(setups(name)), jitter=Jitter("lognormal", 0.3), replicas=1)
    factors = factors_of(made, 5)
    drawn = [factors(0, iteration) for iteration in range(made.iterations)]
    assert all(one is not None and len(set(one)) == len(one) for one in drawn)
    known = [one for one in drawn if one is not None]
    expected = back_to_back(made.schedule, made.times, made.iterations, ending=made.ending, factors=known)
    assert_equal(executed(made, 5), expected)


def test_copies_wait_for_one_another_before_the_all_reduce() -> None:
    made = replace(BASE, jitter=Jitter("exponential", 0.0), replicas=3, ending=Ending(0.5, 0.25), iterations=3)
    for copies in executed(made).lines:
        ends = np.array([line.compute_end for line in copies])
        assert (ends.max(axis=0) > ends.min(axis=0)).all(), "their factors differ"
        for line in copies:
            np.testing.assert_array_equal(line.reduced, ends.max(axis=0) + 0.5)
            np.testing.assert_array_equal(line.finish, line.reduced + 0.25)


def test_a_run_is_repeated_by_its_seed_and_replication() -> None:
    made = replace(BASE, jitter=Jitter("exponential", 0.0))
    ends = [executed(made, replication).lines[-1][0].end[-1] for replication in (0, 0, 1)]
    assert ends[0] == ends[1] != ends[2]
    other = executed(replace(made, seed=made.seed + 1), 0).lines[-1][0].end[-1]
    assert other != ends[0]
    named = executed(replace(made, name="other"), 0).lines[-1][0].end[-1]
    assert named != ends[0]


class Watcher:
    """A guest that only takes notes."""

    def __init__(self) -> None:
        self.open: dict[int, tuple[float, float]] = {}
        self.windows: list[tuple[int, float, float, float]] = []

    def idle(self, device: int, now: float, until: float) -> None:
        """A window opens."""
        assert device not in self.open
        self.open[device] = now, until

    def busy(self, device: int, now: float) -> float:
        """It closes."""
        start, until = self.open.pop(device)
        self.windows.append((device, start, until, now))
        return now

    def lost(self, device: int, now: float) -> None:
        """Not in these tests."""
        raise AssertionError


@pytest.mark.parametrize("name", SCHEDULES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_guest_is_told_every_window_and_its_exact_end(name: str, data: st.DataObject) -> None:
    made = data.draw(setups(name, least=0.1))
    guest = Watcher()
    executor = executed(made, guest=guest)
    expected = back_to_back(made.schedule, made.times, made.iterations, ending=made.ending)
    assert_equal(executor, expected)
    assert all(until == end for _, _, until, end in guest.windows)
    assert all(until == np.inf for _, until in guest.open.values())
    assert set(guest.open) == set(range(made.replicas * made.ranks))
    for rank in range(made.ranks):
        mine = [(start, end) for device, start, _, end in guest.windows if device % made.ranks == rank]
        told = [(start, end) for start, end in mine if end - start > 1e-9]  # less is the rounding of equal sums
        ends = [float(line.finish[rank]) for line in expected]
        known = idle_windows(expected, until_s=ends[-1]).of_rank(rank)
        # a wait for the all-reduce of other ranks, just before one for an input, is a window of its own for the guest
        assert sum(end - start for start, end in told) == pytest.approx(
            made.replicas * sum(window.length_s for window in known), abs=1e-9
        )
        assert all(
            any(window.start_s - 1e-9 <= start and end <= window.end_s + 1e-9 for window in known)
            for start, end in told
        )


class Holder(Watcher):
    """A guest that gives device 1 back late."""

    def __init__(self, late: float) -> None:
        super().__init__()
        self.late = late
        self.held: list[tuple[float, float]] = []

    def busy(self, device: int, now: float) -> float:
        """Later than asked, on one device."""
        super().busy(device, now)
        if device != 1:
            return now
        self.held.append((now, now + self.late))
        return now + self.late


def test_the_training_waits_for_a_guest_that_is_late() -> None:
    guest = Holder(0.25)
    executor = executed(BASE, guest=guest)
    starts = {float(start) for copies in executor.lines for start in copies[0].of_rank(copies[0].start, 1)}
    assert guest.held
    assert {until for _, until in guest.held} <= starts
    assert executor.lines[-1][0].finish.max() > executed(BASE).lines[-1][0].finish.max()


def test_a_guest_cannot_give_a_device_back_in_the_past() -> None:
    with pytest.raises(InternalError, match="gives device 1 back"):
        executed(BASE, guest=Holder(-0.25))


def test_lateness_moves_the_expected_end_of_a_window() -> None:
    """Under jitter the end of a window is an expectation: the planned gap after the planned end of the op before."""
    made = setup(node(jitter={"distribution": "lognormal", "cv": 0.2}))
    guest = Watcher()
    executed(made, guest=guest)
    off = [abs(until - end) for _, _, until, end in guest.windows]
    assert max(off) > 0.0
    assert all(until >= start for _, start, until, _ in guest.windows)
