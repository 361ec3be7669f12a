"""Rounds: everybody takes turns, limits and interruptions hold, and the figures are what they say."""

import gc
import math
import statistics
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.calibration.measure import Effort
from simulator.calibration.measure.probe import Lap, ThreadClock, Unavailable
from simulator.calibration.measure.result import rows_of
from simulator.calibration.measure.rounds import LEAST_S, MOST_TIMES, Timing, run_rounds
from simulator.errors import ScenarioError
from tests.calibration.measure.fakes import Clock, probe

SPENT = st.floats(1e-7, 10.0)


def turns(clock: Clock, count: int, seconds: float) -> tuple[list[str], list[object]]:
    """Probes that write down whose turn it is."""
    said: list[str] = []

    def calls(name: str) -> object:
        def call() -> None:
            said.append(name)
            clock.spend(seconds)

        return call

    return said, [probe(clock, str(i), calls(str(i))) for i in range(count)]  # type: ignore[arg-type]


def test_all_take_turns_and_every_other_round_runs_backwards() -> None:
    clock = Clock()
    said, probes = turns(clock, 3, 1.0)
    done = run_rounds(probes, Effort(3, 2, 1e6), wall=clock)  # type: ignore[arg-type]
    order = [name for i, name in enumerate(said) if i == 0 or said[i - 1] != name]
    assert order == ["0", "1", "2", "1", "0", "1", "2"]
    assert [len(one.medians_s) for one in done.timings] == [3, 3, 3]
    assert all(one.least_s == 1.0 and one.cv_rounds == 0.0 for one in done.timings)
    assert done.notes == ()


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.floats(1e-4, 3.0), st.floats(0.01, 60.0))
def test_the_limit_bounds_the_total(count: int, rounds: int, calls: int, seconds: float, limit_s: float) -> None:
    clock = Clock()
    _, probes = turns(clock, count, seconds)
    done = run_rounds(probes, Effort(rounds, calls, limit_s), wall=clock)  # type: ignore[arg-type]
    # what had begun when the time was up: two calls of a first turn (to warm up), and one lap
    assert clock.now_s <= limit_s + 3 * seconds + 1e-9
    whole = all(len(one.medians_s) == rounds for one in done.timings) and len(done.timings) == count
    assert whole or any("time limit" in note for note in done.notes)
    assert all(one.calls >= calls * len(one.medians_s) for one in done.timings)


def test_short_calls_are_repeated_until_they_make_a_turn() -> None:
    clock = Clock()
    _, probes = turns(clock, 1, LEAST_S / 50)
    done = run_rounds(probes, Effort(1, 8, 1e6), wall=clock)  # type: ignore[arg-type]
    assert done.timings[0].calls in (50, 51)  # sums of floats


def test_an_interruption_keeps_finished_rounds() -> None:
    clock = Clock()
    left = [13]

    def call() -> None:
        clock.spend(1.0)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    probes = [probe(clock, name, call) for name in "ab"]
    done = run_rounds(probes, Effort(5, 3, 1e6), wall=clock)
    assert done.interrupted
    assert [one.probe.labels["layer"] for one in done.timings] == ["a", "b"]
    assert [len(one.medians_s) for one in done.timings] == [1, 1]  # 2 x (warm-up, cache, 3 laps), then the third
    assert gc.isenabled()


def test_what_cannot_run_is_left_out_with_the_reason() -> None:
    clock = Clock()

    def refuse() -> None:
        raise Unavailable("no such kernel")

    probes = [probe(clock, name, lambda: clock.spend(1.0), refuse if name in "bc" else None) for name in "abc"]
    done = run_rounds(probes, Effort(2, 1, 1e6), wall=clock)
    assert [one.probe.labels["layer"] for one in done.timings] == ["a"]
    assert done.notes == ("left out layer b and 1 more: no such kernel",)


def test_what_is_not_settled_gets_more_rounds() -> None:
    """A quiet moment comes in every fifth round only; the probe beside it needs no second look."""
    clock = Clock()
    said: list[str] = []

    def restless() -> None:
        said.append("a")
        clock.spend(1.0 if (len(said) - 2) // 3 in (4, 9) else 2.0 + len(said) / 100)

    probes = [probe(clock, "a", restless), probe(clock, "b", lambda: clock.spend(1.0))]
    done = run_rounds(probes, Effort(5, 2, 1e6), wall=clock)
    assert [len(one.medians_s) for one in done.timings] == [10, 5]
    assert [one.least_s for one in done.timings] == pytest.approx([1.0, 1.0])
    assert done.notes == ()


def test_what_never_settles_is_told() -> None:
    clock = Clock()
    speed = [1.0]

    def slower() -> None:
        speed[0] *= 1.1
        clock.spend(speed[0])

    done = run_rounds([probe(clock, "a", slower)], Effort(3, 1, 1e9), wall=clock)
    assert len(done.timings[0].medians_s) == 3 * MOST_TIMES
    assert "1 of 1 probes was met in one round only" in done.notes[0]


@given(st.lists(st.lists(SPENT, min_size=3, max_size=9), min_size=1, max_size=5))
def test_least_median_and_noise(rounds: list[list[float]]) -> None:
    timing = Timing(probe(Clock(), "x", int))
    for spent in rounds:
        timing.add([Lap(one, one) for one in spent])
    assert timing.least_s == min(map(min, rounds))
    medians = [statistics.median(one) for one in rounds]
    if len(rounds) == 1:
        assert timing.cv_rounds is None
    else:
        assert timing.cv_rounds == pytest.approx(statistics.stdev(medians) / statistics.fmean(medians))
    ((row,), notes) = rows_of([timing])
    assert notes == ()
    assert row.latency_us == pytest.approx(1e6 * timing.least_s)
    assert row.median >= 1.0
    assert row.rounds == len(rounds)


@given(st.lists(SPENT, min_size=3, max_size=9), st.floats(0.1, 0.9), st.floats(1.5, 50.0))
def test_disturbed_laps_do_not_set_the_least(clean: list[float], short: float, waited: float) -> None:
    """Time that others stole, taken off the wrong lap, makes it too short: the wall does not."""
    spent = min(clean)
    stolen = Lap(short * spent, spent * waited + 1e-5)
    timing = Timing(probe(Clock(), "x", int))
    timing.add([*(Lap(one, one) for one in clean), stolen])
    assert timing.least_s == spent
    only = Timing(probe(Clock(), "x", int))
    only.add([stolen, stolen])
    assert only.least_s == stolen.spent_s  # nothing better is known


def test_a_clock_that_does_not_move_gives_no_row() -> None:
    timing = Timing(probe(Clock(), "x", int))
    timing.add([Lap(0.0, 0.0)] * 3)
    rows, notes = rows_of([timing])
    assert rows == ()
    assert "shorter than the clock" in notes[0]


def test_reading_the_clock_is_taken_off() -> None:
    ticks = Clock()

    def read() -> float:
        ticks.spend(0.25)
        return ticks.now_s

    clock = ThreadClock(processor=read, process=read, wall=read)
    lap = clock.lap(lambda: ticks.spend(2.0))
    assert lap.spent_s == pytest.approx(2.0)
    assert lap.wall_s == pytest.approx(2.0)
    assert clock.lap(int).spent_s == 0.0


def test_work_of_other_threads_is_refused() -> None:
    own, all_of_it = Clock(), Clock()

    def call() -> None:
        own.spend(0.1)
        all_of_it.spend(0.4)

    with pytest.raises(ScenarioError, match="OPENBLAS_NUM_THREADS=1"):
        ThreadClock(processor=own, process=all_of_it).warm_up(call)

    def alone() -> None:
        own.spend(0.1)
        all_of_it.spend(0.1)

    ThreadClock(processor=own, process=all_of_it).warm_up(alone)


def test_a_real_thread_beside_is_seen() -> None:
    def work() -> None:
        sum(range(2_000_000))

    def call() -> None:
        helper = threading.Thread(target=work)
        helper.start()
        helper.join()

    with pytest.raises(ScenarioError, match="other threads"):
        ThreadClock().warm_up(call)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"calls": 0}, {"limit_s": 0.0}, {"limit_s": math.nan}])
def test_efforts_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ScenarioError, match="must be"):
        Effort(**wrong)  # type: ignore[arg-type]
