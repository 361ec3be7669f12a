"""The second instance of a scenario: its ops, its memory, the bound on its rate, and how it is best run."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simulator.cluster.fill.filler import Rules
from simulator.cluster.fill.ops import OpGraph, op_graph
from simulator.cluster.fill.rehearsal import rehearsed
from simulator.cluster.fill.second import Second
from simulator.cluster.lower.layers import placed
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Memory, Schedule, Times, make, peaks, unit_memory
from simulator.costs.pipeline.filling import (
    Cycle,
    Fit,
    cycle_of,
    demand_of,
    periods_per_iteration,
    steady_lines,
)
from simulator.costs.pipeline.times import Floats
from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.fill import SameFill


@dataclass(frozen=True, eq=False)
class SecondPlan:
    """A second instance in the steady state of a first one, ``cycle``.

    ``periods``: of the first per iteration of the second, at the least (a proven bound). ``alone_s``: time of its
    iteration on devices of its own, back to back.
    """

    second: Second
    schedule: Schedule
    microbatches: int
    cycle: Cycle
    periods: float
    alone_s: float

    @property
    def work_s(self) -> Floats:
        """What one iteration keeps every rank busy for (ranks,) [s]."""
        return self.second.graph.work_s()

    def utilization(self, iterations_per_s: float) -> float:
        """Share of the time in which the devices are busy if the second instance makes so many iterations."""
        first = 1.0 - self.cycle.idle_s / self.cycle.period_s
        return float((first + self.work_s * iterations_per_s).mean())

    @property
    def bound(self) -> float:
        """The most that the devices can be used without delay of the first instance."""
        return min(self.utilization(1.0 / (self.periods * self.cycle.period_s)), 1.0)

    @property
    def ideal(self) -> float:
        """Use of the devices if the second kept pace with the first, one iteration for one: for the same model and
        microbatches ``min(1, 2 m / (m + p - 1))``."""
        return min(self.utilization(1.0 / self.cycle.period_s), 1.0)


def second_plan(scenario: Scenario, setup: TrainingSetup, rules: Rules, written: SameFill) -> SecondPlan:
    """The plan; raises ScenarioError where there is no such schedule, no memory, or never time for an op."""
    here = ("trainings", setup.name, "fill")
    times = _scaled(setup.times, written.scale)
    memory = None if setup.memory is None else _heavier(setup.memory, written.scale)
    schedule = _schedule(scenario, setup, written, times, memory)
    held = unit_memory(schedule) if memory is None else memory
    own = peaks(schedule, held)
    _check_memory(scenario, setup, own if memory is not None else np.zeros(setup.ranks))
    graph = op_graph(schedule, times, setup.ending, held.activation, held.kept)
    cycle = cycle_of(steady_lines(setup.schedule, setup.times, setup.ending))
    _check_windows(scenario, setup, rules.fit, graph, cycle)
    update = np.asarray(setup.ending.all_reduce, dtype=float) + np.asarray(setup.ending.optimizer, dtype=float)
    periods = periods_per_iteration(cycle, demand_of(schedule, times, update), barrier=written.barrier)
    if not np.isfinite(periods):
        raise ScenarioError(scenario.source.problem(here, "a stage that the second instance needs never idles"))
    alone = cycle_of(steady_lines(schedule, times, setup.ending)).period_s
    second = rehearsed(setup, rules, graph, own, barrier=written.barrier, periods=periods)
    return SecondPlan(second, schedule, schedule.microbatches, cycle, periods, alone)


def _scaled(times: Times, scale: float) -> Times:
    if scale == 1.0:
        return times
    parts = ("forward", "backward_input", "backward_weight", "transfer", "transfer_back")
    return replace(times, **{name: getattr(times, name) * scale for name in parts})


def _heavier(memory: Memory, scale: float) -> Memory:
    return Memory(memory.activation * scale, memory.kept * scale)


def _schedule(
    scenario: Scenario, setup: TrainingSetup, written: SameFill, times: Times, memory: Memory | None
) -> Schedule:
    """The schedule of the first instance, with the microbatches of the second."""
    count = written.microbatches or setup.schedule.microbatches
    if count == setup.schedule.microbatches:
        return setup.schedule
    place = ("trainings", setup.name, "fill", "microbatches")
    pipeline = setup.written.pipeline
    if pipeline.order is not None:
        message = (
            f"must be {setup.schedule.microbatches}, as in {pipeline.order}: the order of another number is unknown"
        )
        raise ScenarioError(scenario.source.problem(place, message))
    shape = pipeline.schedule_name, pipeline.stages, count, pipeline.chunks
    try:
        return make(*shape, times=times, memory=memory)
    except ScenarioError as error:
        raise placed(scenario, place, error) from None


def _check_memory(scenario: Scenario, setup: TrainingSetup, own: Floats) -> None:
    """Both instances are there at once: weights, gradients, optimizer state and the activations of each."""
    first = peaks(setup.schedule, setup.memory) if setup.memory is not None else np.zeros(setup.ranks)
    needed = first + own + 2.0 * setup.weights
    if needed.max() > setup.capacity:
        rank = int(needed.argmax())
        message = (
            f"two instances do not fit: stage {rank} holds up to {needed[rank] / 1e9:.4g} GB, its devices have "
            f"{setup.capacity / 1e9:.4g} GB; take fewer microbatches, or another schedule"
        )
        raise ScenarioError(scenario.source.problem(("trainings", setup.name, "fill"), message))


def _check_windows(scenario: Scenario, setup: TrainingSetup, fit: Fit, graph: OpGraph, cycle: Cycle) -> None:
    """Every op fits into the longest window of its rank; one that does not would wait for ever."""
    for rank, (edges, idle) in enumerate(zip(cycle.edges, cycle.idle)):
        longest = _longest(edges, idle, cycle.period_s)
        needed = max(graph.seconds[op] for op in graph.orders[rank])
        if not fit.fits(longest, needed):
            message = (
                f"an op of the second instance takes {needed:.4g}s on stage {rank}, whose longest idle window is "
                f"{longest:.4g}s (with switch and margin it does not fit): take smaller microbatches (`scale`)"
            )
            raise ScenarioError(scenario.source.problem(("trainings", setup.name, "fill"), message))


def _longest(edges: Floats, idle: Floats, period: float) -> float:
    """Longest window of a rank; the one at the end of a period and that at the head of the next are one."""
    gaps = np.diff(idle)
    if gaps.max(initial=0.0) >= period:
        return float("inf")
    wide = [float(gap) for gap in gaps]
    if edges[1] == 0.0 and edges[-2] >= period * (1.0 - 1e-12):
        wide.append(wide[1] + wide[-2])
    return max(wide, default=0.0)
