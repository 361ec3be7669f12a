"""The fill jobs of a scenario, with the times of their pieces on the devices of the training."""

from __future__ import annotations

import math

from simulator.cluster.lower.layers import ModelCosts, placed
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline.filling import Job
from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.fill import FillJob, JobsFill

PRECISION = "fp16"
"""Number format in which the batches of a model run, as in a training."""


def jobs_of(scenario: Scenario, setup: TrainingSetup, written: JobsFill) -> tuple[Job, ...]:
    """All jobs; raises ScenarioError for one that no window has the memory for."""
    return tuple(_job(scenario, setup, index, job) for index, job in enumerate(written.jobs))


def _job(scenario: Scenario, setup: TrainingSetup, index: int, job: FillJob | str) -> Job:
    here = ("trainings", setup.name, "fill", "jobs", index)
    if isinstance(job, str):
        message = (
            f"no fill job {job!r} is in the catalogue: describe it as {{name, piece, memory}} or "
            "{name, model, batch, memory}"
        )
        raise ScenarioError(scenario.source.problem(here, message))
    most = float(setup.room.max())
    if job.memory > most:
        message = f"fits no stage: training {setup.name!r} leaves at most {most / 1e9:.4g} GB"
        raise ScenarioError(scenario.source.problem((*here, "memory"), message))
    return Job(
        job.name,
        (job.piece,) if job.piece is not None else _layers(scenario, setup, here, job),
        job.memory,
        math.inf if job.pieces is None else job.pieces,
        math.inf if job.deadline is None else job.deadline,
        job.batch or 1,
        job.preemptible,
    )


def _layers(scenario: Scenario, setup: TrainingSetup, here: tuple[str | int, ...], job: FillJob) -> tuple[float, ...]:
    """Times of the layers of a model at the batch: a batch may be cut between them to fit a window [s]."""
    assert job.model is not None
    assert job.batch is not None
    costs = ModelCosts(scenario, job.model, scenario.models[job.model])
    try:
        laws = [costs.cost(layer, setup.pool, PRECISION).law for layer in range(len(costs.layers))]
    except ScenarioError as error:
        if any(problem.file for problem in error.problems):
            raise
        raise placed(scenario, (*here, "model"), error) from None
    return tuple(float(law.seconds(job.batch)) for law in laws)
