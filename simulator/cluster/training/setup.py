"""A training of a scenario as values: its schedule, times, memory and devices. Everybody starts from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.lower.layers import placed
from simulator.cluster.lowered import Jitter
from simulator.cluster.training.stagetimes import Place, spread, times_and_weights
from simulator.costs.pipeline import (
    SCHEDULES,
    Ending,
    Memory,
    Schedule,
    Times,
    evaluate,
    make,
    memory_of,
    peaks,
    refusal,
)
from simulator.costs.pipeline.csvformat import load_csv
from simulator.costs.pipeline.times import Floats
from simulator.errors import Problem, ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.training import Pipeline, Training, TrainingMemory

MOST_OPS = 5e6
"""Ops of one replication: each is an event, and a row of the timeline."""
MOST_REPEATS = 5.0
"""Failures to be expected during one iteration, at most: with five, one in 148 is finished."""


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """One training, ready to be simulated or evaluated; all times in seconds, all sizes in bytes.

    ``memory``: activations by virtual stage, None where the scenario does not tell them. ``weights`` (ranks,) what else
    each rank holds: weights, gradients, optimizer state; 0 where unknown. ``capacity`` of the devices of one rank.
    ``replicas`` data-parallel copies of the pipeline. ``restart_s``: from the repair of a device to the restart.
    """

    name: str
    written: Training
    schedule: Schedule
    times: Times
    ending: Ending
    memory: Memory | None
    weights: Floats
    capacity: float
    iterations: int
    jitter: Jitter
    replicas: int
    pool: Hardware
    restart_s: float
    seed: int
    warnings: tuple[str, ...] = ()

    @property
    def ranks(self) -> int:
        """Stages of one copy of the pipeline."""
        return self.schedule.ranks

    @property
    def devices(self) -> int:
        """Devices of the pool that the training holds throughout."""
        return self.ranks * self.replicas * self.pool.pool.devices_per_replica

    @property
    def room(self) -> Floats:
        """What weights leave of the memory of each rank (ranks,) [bytes]: the ``capacity`` of ``idle_windows``."""
        return self.capacity - self.weights


def setup_of(scenario: Scenario, name: str, pools: Mapping[str, Hardware]) -> TrainingSetup:
    """The training ``name`` of a scenario; raises ScenarioError, with its place, for what cannot work."""
    training = scenario.trainings[name]
    here: Place = ("trainings", name)
    pool = pools[training.pipeline.pool]
    known = _untimed(scenario, here, training.pipeline)
    stages = _stages(training.pipeline) if known is None else known.stages
    times, ending, weights, warnings = times_and_weights(scenario, name, pool, stages)
    memory = None
    if training.memory is not None:
        parts = stages / training.pipeline.stages
        memory = _memory(scenario, (*here, "memory"), training.memory, stages, parts)
        if training.memory.weights is not None:
            weights = spread(scenario, (*here, "memory", "weights"), training.memory.weights, stages, "stage", parts)
    schedule = _timed(scenario, here, training, times, memory) if known is None else known
    held = _held(schedule, weights)
    setup = TrainingSetup(
        name=name,
        written=training,
        schedule=schedule,
        times=times,
        ending=ending,
        memory=memory,
        weights=held,
        capacity=pool.memory_bytes * pool.pool.devices_per_replica,
        iterations=training.iterations,
        jitter=Jitter(training.jitter.distribution, training.jitter.cv or 0.0),
        replicas=training.pipeline.replicas,
        pool=pool,
        restart_s=pool.pool.start_up + (float(held.max()) / pool.load_bandwidth if pool.load_bandwidth else 0.0),
        seed=scenario.seed,
        warnings=warnings,
    )
    _check(scenario, here, setup)
    return setup


def setups_of(scenario: Scenario, pools: Mapping[str, Hardware]) -> dict[str, TrainingSetup]:
    """Every training of a scenario by name; raises ScenarioError for what cannot work, before anything runs."""
    found = {name: setup_of(scenario, name, pools) for name in scenario.trainings}
    for setup in found.values():
        _check_faults(scenario, setup)
    return found


def _check_faults(scenario: Scenario, setup: TrainingSetup) -> None:
    """Refuse a training that would hardly ever finish an iteration."""
    faults = setup.pool.pool.faults
    if faults is None:
        return
    stages = setup.ranks * setup.replicas
    line = evaluate(setup.schedule, setup.times, ending=setup.ending)
    expected = float(line.finish.max()) * stages / faults.mtbf
    if expected > MOST_REPEATS:
        message = (
            f"training {setup.name!r} would hardly finish an iteration: {expected:.2g} of its {stages} stages fail "
            f"during each on average, at most {MOST_REPEATS:g} are simulated; raise mtbf"
        )
        raise ScenarioError(scenario.source.problem(("cluster", "pools", setup.pool.name, "faults"), message))


def _untimed(scenario: Scenario, here: Place, pipeline: Pipeline) -> Schedule | None:
    """The schedule, unless it depends on the times."""
    if pipeline.order is not None:
        return _from_file(scenario, here, pipeline)
    name = pipeline.schedule_name
    why = refusal(name, pipeline.stages, pipeline.microbatches, pipeline.chunks)
    if why is not None:
        key = next((key for word, key in _CULPRITS.items() if word in why), "schedule")
        if "even numbers of ranks and" in why and pipeline.stages % 2:
            key = "stages"  # of two numbers the one that is odd
        raise ScenarioError(scenario.source.problem((*here, "pipeline", key), why))
    if SCHEDULES[name].timed:
        return None
    return make(name, pipeline.stages, pipeline.microbatches, pipeline.chunks)


_CULPRITS = {"microbatches": "microbatches", "chunk": "chunks", "ranks": "stages"}
"""The key that a refusal is about, by a word of it."""


def _stages(pipeline: Pipeline) -> int:
    """Virtual stages of a schedule that depends on the times."""
    return pipeline.stages * (pipeline.chunks or SCHEDULES[pipeline.schedule_name].default_chunks)


def _timed(scenario: Scenario, here: Place, training: Training, times: Times, memory: Memory | None) -> Schedule:
    """The schedule that is searched for these times."""
    pipeline = training.pipeline
    limit = None if training.memory is None else training.memory.limit
    shape = pipeline.schedule_name, pipeline.stages, pipeline.microbatches, pipeline.chunks
    try:
        return make(*shape, times=times, memory=memory, limit=limit)
    except ScenarioError as error:
        plain = ScenarioError([Problem(problem.message) for problem in error.problems])
        own = limit is not None and any(problem.path == "limit" for problem in error.problems)
        raise placed(scenario, (*here, *(("memory", "limit") if own else ("pipeline", "schedule"))), plain) from None


def _from_file(scenario: Scenario, here: Place, pipeline: Pipeline) -> Schedule:
    """The order of a file, which has as many stages and microbatches as the scenario says."""
    assert pipeline.order is not None
    place = (*here, "pipeline", "order")
    try:
        schedule = load_csv(scenario.source.file(pipeline.order))
    except ScenarioError as error:
        raise placed(scenario, place, error) from None
    found = {"stages": schedule.ranks, "microbatches": schedule.microbatches, "chunks": schedule.chunks}
    for key, count in found.items():
        said = getattr(pipeline, key)
        if said is not None and said != count:
            message = f"must be {count}, as the order in {pipeline.order} has it, got {said}"
            raise ScenarioError(scenario.source.problem((*here, "pipeline", key), message))
    return schedule


def _memory(scenario: Scenario, here: Place, written: TrainingMemory, stages: int, parts: float) -> Memory:
    activation = spread(scenario, (*here, "activation"), written.activation, stages, "stage", parts)
    kept = spread(scenario, (*here, "kept"), written.kept, stages, "stage", parts)
    if (kept > activation).any():
        raise ScenarioError(scenario.source.problem((*here, "kept"), "must be at most `activation` on every stage"))
    return memory_of(stages, activation, kept)


def _held(schedule: Schedule, weights: Floats) -> Floats:
    """Weights on every rank: those of all stages that it holds, twice where the model is there in two directions."""
    return np.array([weights[[stage for _, stage in held]].sum() for held in schedule.held])


def _check(scenario: Scenario, here: Place, setup: TrainingSetup) -> None:
    """What the setup needs is there: backward times, memory, and a bound on the ops."""
    schedule, written = setup.schedule, setup.written
    problem = scenario.source.problem
    if not schedule.forward_only and not setup.times.backward_input.any():
        raise ScenarioError(problem((*here, "times"), "the schedule has backward passes: `backward_input` is missing"))
    ops = float(len(schedule.arrays.kind)) * setup.iterations * setup.replicas
    if ops > MOST_OPS:
        message = f"{ops:.2g} passes in one replication, at most {MOST_OPS:.0e} are simulated: lower `iterations`"
        raise ScenarioError(problem((*here, "iterations"), message))
    peak = peaks(schedule, setup.memory) if setup.memory is not None else np.zeros(setup.ranks)
    limit = None if written.memory is None else written.memory.limit
    if limit is not None and peak.max() > limit * (1.0 + 1e-9):
        message = (
            f"activations of stage {int(peak.argmax())} reach {peak.max() / 1e9:.4g} GB under {schedule.name}: raise "
            "the limit, or take a schedule that holds fewer microbatches at once"
        )
        raise ScenarioError(problem((*here, "memory", "limit"), message))
    needed = peak + setup.weights
    if needed.max() > setup.capacity:
        message = (
            f"does not fit: stage {int(needed.argmax())} holds up to {needed.max() / 1e9:.2f} GB under "
            f"{schedule.name}, its devices in pool {setup.pool.name!r} have {setup.capacity / 1e9:.2f} GB; take fewer "
            "microbatches at once (another schedule), more stages, or raise devices_per_replica"
        )
        raise ScenarioError(problem((*here, "pipeline"), message))
