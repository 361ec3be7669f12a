"""One replication of all trainings of a scenario."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.cluster.clock import Clock
from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.training.executor import Executor, drive
from simulator.cluster.training.faults import Breakdowns
from simulator.cluster.training.figures import figures_of, ops_of
from simulator.cluster.training.setup import TrainingSetup, setups_of
from simulator.results.jobs import DeviceUse
from simulator.results.training import TrainingRun
from simulator.scenario import Scenario


def replicate(scenario: Scenario, pools: Mapping[str, Hardware], replication: int) -> dict[str, TrainingRun]:
    """A run of every training; raises ScenarioError for what cannot work, with its place."""
    return {name: run_training(setup, replication) for name, setup in setups_of(scenario, pools).items()}


def run_training(setup: TrainingSetup, replication: int) -> TrainingRun:
    """One training by itself, from instant 0 until its last iteration is finished."""
    clock = Clock()
    executor = Executor(clock, setup, replication)
    executor.begin()
    if setup.pool.pool.faults is not None:
        Breakdowns(executor, setup.pool.pool.faults, replication)
    drive(clock, executor)
    figures = figures_of(executor, 0.0)
    warnings = list(setup.warnings)
    if setup.written.fill is not None:
        warnings.append(f"training {setup.name}: `fill` was checked but is not simulated by this version")
    use = DeviceUse(setup.pool.name, setup.devices, figures["utilization"])
    return TrainingRun(setup.name, figures, ops_of(executor.lines), (use,), tuple(warnings), tuple(executor.failures))
