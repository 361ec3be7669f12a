"""Section ``trainings``: pipelined training; what runs in its idle windows is in ``fill``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_key, by_shape
from simulator.scenario.fill import FillKinds, Named
from simulator.scenario.quantities import (
    Count,
    Duration,
    FileName,
    Name,
    PositiveDuration,
    PositiveFactor,
    PositiveSize,
    Precision,
    Size,
)
from simulator.scenario.service import Jitter

ScheduleName = Literal[
    "gpipe",
    "1f1b",
    "interleaved-1f1b",
    "looped-bfs",
    "zb-h1",
    "zb-h2",
    "interleaved-zero-bubble",
    "zb-1p",
    "zb-2p",
    "zb-v",
    "chimera",
    "dualpipe",
    "dualpipe-v",
    "hanayo",
    "inference",
]
"""Schedules by name, those of ``costs.pipeline``."""
PositiveDurations = Annotated[
    PositiveDuration | Annotated[tuple[PositiveDuration, ...], Field(strict=False, min_length=1, max_length=100_000)],
    by_shape("a duration such as 5ms, or a list of one per stage"),
]
Durations = Annotated[
    Duration | Annotated[tuple[Duration, ...], Field(strict=False, min_length=1, max_length=100_000)],
    by_shape("a duration such as 5ms, or a list of one per stage"),
]
Sizes = Annotated[
    Size | Annotated[tuple[Size, ...], Field(strict=False, min_length=1, max_length=100_000)],
    by_shape("a size such as 2GiB, or a list of one per stage"),
]


class Pipeline(Strict):
    """A pipeline of stages, one device each (more with `devices_per_replica` of the pool)."""

    schedule: ScheduleName | None = None
    """Order of forward and backward passes on a stage; left out: `1f1b`. `1f1b` with chunks is interleaved."""
    order: FileName | None = None
    """File with the order of the ops of every stage, in the format of PyTorch; instead of `schedule`."""
    stages: Annotated[int, Field(ge=1, le=10_000)]
    """Stages of the pipeline."""
    microbatches: Annotated[int, Field(ge=1, le=1_000_000)]
    """Microbatches per iteration."""
    chunks: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Model chunks per stage; left out: as many as the schedule usually has."""
    pool: Name
    """Pool of the stages' devices, in `cluster.pools`."""
    replicas: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Data-parallel copies of the pipeline."""
    overlap: bool = True
    """Whether a stage computes while it sends; else it waits until all has arrived."""

    @property
    def schedule_name(self) -> str:
        """The schedule that is meant."""
        name = self.schedule or "1f1b"
        return "interleaved-1f1b" if name == "1f1b" and (self.chunks or 1) > 1 else name

    def rules(self) -> Iterator[Rule]:
        """An order is a schedule of its own."""
        if self.order is not None and self.schedule is not None:
            yield ("order",), "goes not with `schedule`: the file says what every stage does"


class StageTimes(Strict):
    """Times of one microbatch on one stage; one value for all of them, or a list."""

    forward: PositiveDurations
    """Forward pass [s]; a list has one per stage, or per chunk where a stage has several."""
    backward_input: Durations | None = None
    """Backward pass for the inputs [s]; only an `inference` pipeline has none."""
    backward_weight: Durations = 0.0
    """Backward pass for the weights [s]."""
    transfer: Durations = 0.0
    """Transfer between neighbouring stages [s]; a list has one per boundary."""
    transfer_back: Durations | None = None
    """Transfer of gradients, if it takes another time than `transfer` [s]."""
    fused: PositiveFactor = 1.0
    """Time of a forward and a backward that run as one, relative to one after the other."""
    all_reduce: Durations = 0.0
    """All-reduce of a stage's gradients at the end of an iteration [s]."""
    optimizer: Durations = 0.0
    """Optimizer step of a stage [s]."""


class ModelTimes(Strict):
    """Times that follow from a model and a microbatch size; its layers are cut into balanced stages."""

    model: Name
    """Model that is trained, in `models`."""
    microbatch: Count
    """Samples per microbatch."""
    precision: Precision = "fp16"
    """Number format of the layers."""
    backward: PositiveFactor = 2.0
    """Time of a backward pass relative to the forward pass; half of it is for the inputs, half for the weights."""
    all_reduce: Durations = 0.0
    """All-reduce of a stage's gradients at the end of an iteration [s]."""
    optimizer: Durations = 0.0
    """Optimizer step of a stage [s]."""


_MODEL_KEYS: dict[str, type[Strict]] = dict.fromkeys(("model", "microbatch", "precision", "backward"), ModelTimes)
_STAGE_KEYS = [key for key in StageTimes.model_fields if key not in ("all_reduce", "optimizer")]
TrainingTimes = Annotated[
    StageTimes | ModelTimes,
    by_key(
        "{forward, backward_input, backward_weight, transfer} or {model, microbatch}",
        _MODEL_KEYS | dict.fromkeys(_STAGE_KEYS, StageTimes),
    ),
]


class TrainingMemory(Strict):
    """What a stage holds; one value for all of them, or a list with one per stage (per chunk where it has several)."""

    activation: Sizes
    """Activations of one microbatch, from its forward pass to its backward pass for the inputs [bytes]."""
    kept: Sizes = 0.0
    """What of them is kept for the backward pass for the weights [bytes]."""
    weights: Sizes | None = None
    """Weights, gradients and optimizer state [bytes]; left out: the weights of the model, if it is known."""
    limit: PositiveSize | None = None
    """Most that activations may take on a stage; `zb-1p` and `zb-2p` search within it, others are refused beyond it."""


class Training(Strict):
    """A pipelined training and what runs in its idle windows."""

    pipeline: Pipeline
    """The pipeline."""
    times: TrainingTimes
    """Times of one microbatch per stage, or the model they follow from."""
    memory: TrainingMemory | None = None
    """What a stage holds; left out: unknown, and not checked."""
    jitter: Jitter = Jitter()
    """Random factor on the time of every pass."""
    iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 4
    """Iterations that are simulated, back to back."""
    synchronous: bool = False
    """Whether no optimizer step starts before the all-reduce of every stage has ended (a global gradient norm)."""
    fill: FillKinds | None = None
    """What runs in the idle windows; left out: nothing."""

    def rules(self) -> Iterator[Rule]:
        """Only an inference pipeline has no backward pass."""
        times, pipeline = self.times, self.pipeline
        may_lack = pipeline.order is not None or pipeline.schedule == "inference"
        if isinstance(times, StageTimes) and times.backward_input is None and not may_lack:
            yield ("times",), "`backward_input` is missing: only `schedule: inference` has no backward pass"

    def names(self) -> Iterator[Named]:
        """What this names elsewhere in the scenario: kind, name, key path."""
        yield "pool", self.pipeline.pool, ("pipeline", "pool")
        if isinstance(self.times, ModelTimes):
            yield "model", self.times.model, ("times", "model")
        if self.fill is not None:
            for what, name, path in self.fill.names():
                yield what, name, ("fill", *path)
