"""Failures: what is lost, when the training goes on, and how much time that costs on average."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simulator.cluster.clock import Clock
from simulator.cluster.lower.hardware import pools_of
from simulator.cluster.training.executor import Executor, drive
from simulator.cluster.training.faults import Breakdowns
from simulator.cluster.training.laps import factors_of, seconds_of
from simulator.cluster.training.run import prepare
from simulator.cluster.training.setup import TrainingSetup, setup_of
from simulator.costs.pipeline import evaluate
from simulator.errors import ScenarioError
from simulator.results.training import TrainingRun
from tests.cluster.training.made import node, scenario, setup
from tests.cluster.training.test_executor import Watcher


def failing(mtbf: float, mttr: float, start_up: float = 0.0, pool: Any = None, **more: Any) -> TrainingSetup:
    """A training whose devices fail."""
    faults = {"faults": {"mtbf": f"{mtbf}s", "mttr": f"{mttr}s"}, "start_up": f"{start_up}s", **(pool or {})}
    return setup(node(pool=faults, **more))


def run(made: TrainingSetup, replication: int = 0, guest: Any = None) -> Executor:
    """The training with its faults."""
    executor = Executor(Clock(), made, replication, guest)
    executor.begin()
    assert made.pool.pool.faults is not None
    Breakdowns(executor, made.pool.pool.faults, replication)
    drive(executor.clock, executor)
    return executor


def stops(executor: Executor) -> list[tuple[float, float]]:
    """From the first failure of a stop to the restart [s]."""
    found: dict[float, float] = {}
    for failure in executor.failures:
        found.setdefault(failure.restart_s, failure.instant_s)
    return [(start, end) for end, start in found.items()]


def test_nothing_runs_while_a_device_is_down_and_every_iteration_is_whole() -> None:
    made = failing(300.0, 20.0, start_up=7.0, iterations=30, pipeline={"replicas": 2})
    executor = run(made)
    down = stops(executor)
    assert len(down) > 5
    assert [failure.instant_s for failure in executor.failures] == sorted(f.instant_s for f in executor.failures)
    alone = evaluate(made.schedule, made.times)
    for copies in executor.lines:
        for line in copies:
            assert not any(line.start.min() < end and start < line.finish.max() for start, end in down)
            np.testing.assert_allclose(line.end - line.start, alone.end - alone.start, rtol=1e-12)
    length = float(alone.finish.max())
    begins = [line.begin for copies in executor.lines for line in copies]
    nexts = [start for start, _ in down[1:]] + [float("inf")]
    for (start, end), following in zip(down, nexts):
        assert end - start > 7.0
        # all ranks of both copies begin at the restart; seen where that iteration was not lost as well
        assert following < end + length or sum(bool((begin == end).all()) for begin in begins) == 2
    assert any(following >= end + length for (_, end), following in zip(down, nexts))


def test_a_failure_costs_the_iterations_that_not_all_stages_had_finished() -> None:
    """With 12 s of work lost at most by each stop, and each at least repaired and started up, the sum is the time."""
    made = failing(200.0, 5.0, start_up=2.0, iterations=20)
    executor = run(made)
    alone = float(evaluate(made.schedule, made.times).finish.max())
    elapsed = max(float(line.finish.max()) for line in executor.lines[-1])
    down = sum(end - start for start, end in stops(executor))
    assert executor.failures
    assert down < elapsed - down
    lost = elapsed - down - 20 * alone
    # back to back, iterations overlap a little: what a run saves by that is less than two iterations per stop
    assert -2 * alone * (len(stops(executor)) + 1) < lost < 2 * alone * len(stops(executor))


def test_a_repeated_iteration_draws_the_same_times() -> None:
    made = failing(150.0, 5.0, iterations=12, jitter={"distribution": "lognormal", "cv": 0.2})
    executor = run(made, 3)
    assert executor.failures
    factors = factors_of(made, 3)
    for iteration, (line,) in enumerate(executor.lines):
        cells = seconds_of(made, factors(0, iteration))
        np.testing.assert_allclose(line.end - line.start, cells, rtol=1e-9)


def test_the_mean_time_of_an_iteration_with_failures() -> None:
    """One stage, exponential up times: E = (e^(T / mtbf) - 1) (mtbf + mttr); 1 seed set in 1000 is off."""
    mtbf, mttr, seconds = 9.0, 2.0, 6.0
    shape = {"stages": 1, "microbatches": 2}
    made = failing(mtbf, mttr, iterations=300, pipeline=shape)
    means = []
    for replication in range(10):
        executor = run(made, replication)
        means.append(float(executor.lines[-1][0].finish[0]) / 300)
    theory = (math.exp(seconds / mtbf) - 1.0) * (mtbf + mttr)
    half = stats.t.ppf(0.9995, len(means) - 1) * stats.sem(means)
    assert half < 0.1 * theory
    assert abs(np.mean(means) - theory) < half


def test_the_weights_are_loaded_before_the_restart() -> None:
    memory = {"activation": "1GB", "weights": ["2GB", "4GB", "1GB", "1GB"]}
    made = failing(100.0, 1.0, start_up=3.0, pool={"load_bandwidth": "2GB/s"}, memory=memory)
    assert made.restart_s == pytest.approx(3.0 + 4.0 / 2.0)


def test_a_guest_is_told_what_it_loses() -> None:
    class Mourner(Watcher):
        """Counts losses."""

        def __init__(self) -> None:
            super().__init__()
            self.gone: list[tuple[int, float]] = []

        def lost(self, device: int, now: float) -> None:
            """A device has failed."""
            self.gone.append((device, now))

    guest = Mourner()
    executor = run(failing(150.0, 5.0, iterations=12), guest=guest)
    assert guest.gone == [(failure.device, failure.instant_s) for failure in executor.failures]
    assert len(guest.gone) > 1


def test_a_late_guest_is_waited_for_after_a_restart_too() -> None:
    """A device is never used while the guest still holds it, whatever failed in between."""

    class Slow(Watcher):
        """Gives every device back late, and notes until when it has it."""

        def __init__(self) -> None:
            super().__init__()
            self.holds: list[tuple[int, float, float]] = []

        def busy(self, device: int, now: float) -> float:
            """Three seconds late."""
            super().busy(device, now)
            self.holds.append((device, now, now + 3.0))
            return now + 3.0

        def lost(self, device: int, now: float) -> None:
            """Its holds end there."""
            self.holds = [(d, a, min(b, now) if d == device else b) for d, a, b in self.holds]

    guest = Slow()
    executor = run(failing(100.0, 0.5, iterations=12), guest=guest)
    assert len(executor.failures) > 3
    for copies in executor.lines:
        for line in copies:
            for device, start, end in guest.holds:
                ops = slice(*line.schedule.arrays.first[device : device + 2])
                assert not ((line.start[ops] < end - 1e-9) & (line.end[ops] > start + 1e-9)).any()


def test_the_figures_tell_of_failures() -> None:
    pool = {"faults": {"mtbf": "200s", "mttr": "5s"}, "start_up": "2s"}
    made = scenario(node(pool=pool, iterations=20))
    (found,) = prepare(made, pools_of(made))(0).values()
    assert isinstance(found, TrainingRun)
    figures = found.to_dict()
    executor = run(setup_of(made, "t", pools_of(made)))
    assert figures["failures"] == len(executor.failures) > 0
    assert figures["down"] == pytest.approx(sum(end - start for start, end in stops(executor)))
    assert figures["elapsed"] == pytest.approx(max(float(line.finish.max()) for line in executor.lines[-1]))
    assert [tuple(one) for one in found.failures] == [tuple(one) for one in executor.failures]


def test_a_training_that_hardly_finishes_an_iteration_is_refused() -> None:
    made = scenario(node(pool={"faults": {"mtbf": "10s", "mttr": "1s"}}))
    with pytest.raises(ScenarioError, match="would hardly finish an iteration: 13 of its 4 stages") as caught:
        prepare(made, pools_of(made))
    assert caught.value.problems[0].path == "cluster.pools.g.faults"
