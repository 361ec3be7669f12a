"""Windows follow the training: when measured times leave a band around the believed ones, they are computed anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulator.cluster.training.executor import Executor
from simulator.cluster.training.plan import Plan
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline.filling import drifted, measured_times
from simulator.costs.pipeline.times import Times


class Drift:
    """What a filler believes of the times of its training, and when it corrects itself."""

    def __init__(self, setup: TrainingSetup, band: float, believed: Times) -> None:
        self.setup, self.band, self.believed = setup, band, believed
        self.own = believed is not setup.times
        """Whether the executor's own expectation is not what the filler goes by."""
        self.recomputed = 0
        """How often the windows were computed anew."""
        self._plan: Plan | None = None

    def until(self, executor: Executor, device: int, now: float, expected: float) -> float:
        """When a device is expected to be needed again; ``expected`` is what the executor says."""
        if not self.own:
            return expected
        on = executor.devices[device]
        lap, rank = on.lap.iteration, on.rank
        if self._plan is None:
            self._plan = self._anew(executor)
        if on.at < on.stop:
            return self._plan.next_op(lap, rank, executor.wiring.op[on.at], now)
        return self._plan.step(lap, rank, now)

    def saw(self, executor: Executor, iteration: int) -> None:
        """An iteration has ended: compare its times with the believed ones."""
        measured = measured_times(executor.lines[iteration], self.believed)
        if drifted(self.believed, measured, self.band):
            self.believed, self.own = measured, True
            self.recomputed += 1
            self._plan = None

    def _anew(self, executor: Executor) -> Plan:
        """A plan from the last iteration that all have ended."""
        setup, lines = replace(self.setup, times=self.believed), executor.lines
        begin = np.max([line.finish for line in lines[-1]], axis=0) if lines else np.zeros(setup.ranks)
        return Plan(setup, len(lines), begin)
