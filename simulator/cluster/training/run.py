"""Replications of all trainings of a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from simulator.cluster.clock import Clock
from simulator.cluster.fill.build import FillPlan, fill_plan
from simulator.cluster.fill.figures import fill_figures, warnings_of
from simulator.cluster.fill.filler import Filler
from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.training.executor import Executor, drive
from simulator.cluster.training.faults import Breakdowns
from simulator.cluster.training.figures import figures_of, ops_of
from simulator.cluster.training.setup import TrainingSetup, setups_of
from simulator.costs.pipeline import Timeline
from simulator.results.jobs import DeviceUse
from simulator.results.training import TrainingRun
from simulator.scenario import Scenario


def prepare(scenario: Scenario, pools: Mapping[str, Hardware]) -> Callable[[int], dict[str, TrainingRun]]:
    """What runs every training once, by replication; raises ScenarioError for what cannot work, with its place."""
    setups = setups_of(scenario, pools)
    plans = {name: fill_plan(scenario, setup, pools) for name, setup in setups.items()}
    return lambda replication: {name: run_training(one, replication, plans[name]) for name, one in setups.items()}


def run_training(setup: TrainingSetup, replication: int, fill: FillPlan | None = None) -> TrainingRun:
    """One training by itself, from instant 0 until its last iteration is finished, and what fills its idle windows."""
    if fill is None:
        executor = _executed(Clock(), setup, replication)
        figures, warnings = figures_of(executor, 0.0), list(setup.warnings)
        busy = figures["utilization"]
    else:
        # failures come at instants of the calendar, so that a run without filling would meet others
        alone = [] if _fails(setup) else _executed(Clock(), setup, replication).lines
        clock = Clock()
        filler = fill.filler(clock, setup, replication)
        executor = _executed(clock, setup, replication, filler, alone)
        figures = figures_of(executor, 0.0)
        filled = fill_figures(fill, filler, executor, alone)
        figures["fill"] = filled
        warnings = [*setup.warnings, *warnings_of(setup.name, filled)]
        busy = min(figures["utilization"] + filled["recovered"] / (figures["elapsed"] * len(executor.devices)), 1.0)
    use = DeviceUse(setup.pool.name, setup.devices, busy)
    return TrainingRun(setup.name, figures, ops_of(executor.lines), (use,), tuple(warnings), tuple(executor.failures))


def _fails(setup: TrainingSetup) -> bool:
    return setup.pool.pool.faults is not None


def _executed(
    clock: Clock,
    setup: TrainingSetup,
    replication: int,
    filler: Filler | None = None,
    alone: Sequence[Sequence[Timeline]] = (),
) -> Executor:
    """The training, run to its end; ``alone``: its laps without the filler."""
    executor = Executor(clock, setup, replication, filler)
    if filler is not None:
        filler.attach(executor, alone)
    executor.begin()
    if setup.pool.pool.faults is not None:
        Breakdowns(executor, setup.pool.pool.faults, replication)
    drive(clock, executor)
    return executor
