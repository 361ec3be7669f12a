"""When a training is expected to need its devices again: its timeline without jitter, iteration by iteration."""

from __future__ import annotations

from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Timeline, evaluate, holds
from simulator.costs.pipeline.times import Floats


class Plan:
    """Expected instants, from ``begin`` (ranks,) [s] of an iteration on; iterations are evaluated when asked for."""

    def __init__(self, setup: TrainingSetup, iteration: int, begin: Floats) -> None:
        self.setup = setup
        self._held = holds(setup.schedule, setup.times)
        self._first = iteration
        self._begin = begin
        self._lines: list[Timeline] = []

    def line(self, iteration: int) -> Timeline:
        """The expected timeline of an iteration, back to back with those before it."""
        while len(self._lines) <= iteration - self._first:
            begin = self._lines[-1].finish if self._lines else self._begin
            setup = self.setup
            self._lines.append(evaluate(setup.schedule, setup.times, ending=setup.ending, begin=begin))
        return self._lines[iteration - self._first]

    def next_op(self, iteration: int, rank: int, op: int, now: float) -> float:
        """When the op with this number is expected to start if its rank is through with the one before at ``now``."""
        line = self.line(iteration)
        first = int(line.schedule.arrays.first[rank])
        free = line.begin[rank] if op == first else line.end[op - 1] + self._held[op - 1]
        return _shifted(float(line.start[op]), float(free), now)

    def step(self, iteration: int, rank: int, now: float) -> float:
        """When the optimizer step is expected to start if the rank's all-reduce has ended at ``now``."""
        line = self.line(iteration)
        return _shifted(float(line.step[rank]), float(line.reduced[rank]), now)


def _shifted(planned: float, free: float, now: float) -> float:
    """A planned instant, as much later as the rank is; exact where the rank is on time."""
    return max(planned + (now - free), now)
