"""Section ``trainings``: pipelined training, and what runs in its idle windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_key, by_shape
from simulator.scenario.quantities import Count, Duration, Name, PositiveDuration, Share, Size, Text


class Pipeline(Strict):
    """A pipeline of stages, one device each."""

    schedule: Literal["gpipe", "1f1b"] = "1f1b"
    """Order of forward and backward passes on a stage."""
    stages: Annotated[int, Field(ge=1, le=10_000)]
    """Stages of the pipeline."""
    microbatches: Annotated[int, Field(ge=1, le=1_000_000)]
    """Microbatches per iteration."""
    chunks: Annotated[int, Field(ge=1, le=1_000)] = 1
    """Model chunks per stage (more than 1: interleaved)."""
    pool: Name
    """Pool of the stages' devices, in `cluster.pools`."""


class StageTimes(Strict):
    """Times of one microbatch on one stage."""

    forward: PositiveDuration
    """Forward pass [s]."""
    backward_input: PositiveDuration
    """Backward pass for the inputs [s]."""
    backward_weight: Duration = 0.0
    """Backward pass for the weights [s]."""
    transfer: Duration = 0.0
    """Transfer between neighbouring stages [s]."""


class ModelTimes(Strict):
    """Times that follow from a model and a microbatch size."""

    model: Name
    """Model that is trained, in `models`."""
    microbatch: Count
    """Samples per microbatch."""


_MODEL_KEYS: dict[str, type[Strict]] = {"model": ModelTimes, "microbatch": ModelTimes}
_STAGE_KEYS = ("forward", "backward_input", "backward_weight", "transfer")
TrainingTimes = Annotated[
    StageTimes | ModelTimes,
    by_key(
        "{forward, backward_input, backward_weight, transfer} or {model, microbatch}",
        _MODEL_KEYS | dict.fromkeys(_STAGE_KEYS, StageTimes),
    ),
]


class FillJob(Strict):
    """Work that can run in idle windows, piece by piece."""

    name: Name
    """Name of the job."""
    piece: PositiveDuration
    """Length of one piece, which is never split [s]."""
    memory: Size
    """Memory the job needs beside the training [bytes]."""


class JobsFill(Strict):
    """Idle windows filled with jobs."""

    jobs: Annotated[
        tuple[Annotated[FillJob | Text, by_shape("{name, piece, memory}, or the name of a job")], ...],
        Field(strict=False, min_length=1),
    ]
    """Jobs, described here or named from the catalogue."""
    slowdown_budget: Share = 0.0
    """Largest accepted slowdown of the training."""


class SameFill(Strict):
    """Idle windows filled with a second instance of the same training."""

    same: Literal[True]
    """`true`: a second instance of this training fills the windows."""
    slowdown_budget: Share = 0.0
    """Largest accepted slowdown of the training."""


class Training(Strict):
    """A pipelined training and what runs in its idle windows."""

    pipeline: Pipeline
    """The pipeline."""
    times: TrainingTimes
    """Times of one microbatch per stage, or the model they follow from."""
    fill: (
        Annotated[
            JobsFill | SameFill,
            by_key("{jobs: [...], slowdown_budget} or {same: true}", {"jobs": JobsFill, "same": SameFill}),
        ]
        | None
    ) = None
    """What runs in the idle windows; left out: nothing."""

    def rules(self) -> Iterator[Rule]:
        """Interleaving needs whole rounds of microbatches."""
        pipeline = self.pipeline
        if pipeline.chunks > 1 and pipeline.microbatches % pipeline.stages:
            yield (
                ("pipeline", "microbatches"),
                f"must be a multiple of the stages ({pipeline.stages}) when `chunks` is more than 1",
            )
