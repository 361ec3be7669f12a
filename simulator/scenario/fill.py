"""What runs in the idle windows of a training: ``trainings.<name>.fill``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from simulator.scenario.base import Path, Rule, Strict, by_key, by_shape
from simulator.scenario.quantities import (
    Count,
    Duration,
    Name,
    PositiveDuration,
    PositiveFactor,
    Share,
    ShareOf,
    Size,
    Text,
)

Named: TypeAlias = tuple[Literal["pool", "model", "service"], str, Path]
"""A name of another part of the scenario: what it is, the name, the key path that says it."""


class FillJob(Strict):
    """Work that can run in idle windows, piece by piece."""

    name: Name
    """Name of the job."""
    piece: PositiveDuration | None = None
    """Length of one piece [s]; or a `model` with its `batch`."""
    model: Name | None = None
    """Model, in `models`, whose batches are the pieces, cut between layers to fit the windows."""
    batch: Count | None = None
    """Items of one batch of the model."""
    memory: Size
    """Memory the job needs beside the training [bytes]."""
    pieces: Count | None = None
    """Pieces in all; left out: there are always more."""
    deadline: PositiveDuration | None = None
    """When all pieces should be done, from the start of the training [s]."""
    preemptible: bool = False
    """Whether a piece may be cut where a window ends, to go on in a later one of the same device."""

    def rules(self) -> Iterator[Rule]:
        """A piece is given, or a model and a batch; a deadline is for a number of pieces."""
        if (self.piece is None) == (self.model is None):
            yield (), "must say either `piece` or `model` and `batch`"
        elif (self.model is None) != (self.batch is None):
            yield (), "must say `model` and `batch` together"
        if self.deadline is not None and self.pieces is None:
            yield ("deadline",), "needs `pieces`: how many are to be done by then"


class Fill(Strict):
    """How idle windows are filled, whatever with."""

    policy: Literal["first_fit", "best_fit", "shortest_first", "deadline", "utilization"] = "best_fit"
    """Which piece goes into which window."""
    switch: Duration = 0.0
    """Time to change from the training to something else and back, together, or from one job to another [s]."""
    margin: Annotated[float, ShareOf(below_one=True)] = 0.0
    """Safety: a piece has to fit even if it took this much longer, relative."""
    band: Share = 0.1
    """Drift of the times, relative, beyond which the windows are computed anew."""
    slowdown_budget: Share = 0.0
    """Largest accepted slowdown of the training; nothing starts that could exceed it."""

    def names(self) -> Iterator[Named]:
        """What this names elsewhere in the scenario."""
        yield from ()


class JobsFill(Fill):
    """Idle windows filled with jobs."""

    jobs: Annotated[
        tuple[Annotated[FillJob | Text, by_shape("{name, piece, memory}, or the name of a job")], ...],
        Field(strict=False, min_length=1),
    ]
    """Jobs, described here or named from the catalogue."""

    def rules(self) -> Iterator[Rule]:
        """Every job has a name of its own."""
        seen: set[str] = set()
        for index, job in enumerate(self.jobs):
            name = job if isinstance(job, str) else job.name
            if name in seen:
                yield ("jobs", index), f"two jobs are called {name!r}"
            seen.add(name)

    def names(self) -> Iterator[Named]:
        """Models whose batches are pieces."""
        for index, job in enumerate(self.jobs):
            if isinstance(job, FillJob) and job.model is not None:
                yield "model", job.model, ("jobs", index, "model")


class SameFill(Fill):
    """Idle windows filled with a second instance of the same training."""

    same: Literal[True]
    """`true`: a second instance of this training fills the windows."""
    microbatches: Count | None = None
    """Microbatches per iteration of the second instance; left out: as many as the first has."""
    barrier: bool = True
    """Whether the second instance updates its weights together on all stages after each of its iterations."""
    scale: PositiveFactor = 1.0
    """Size of its microbatches relative to those of the first: their times, transfers and activations."""


class ServicesFill(Fill):
    """Idle windows filled with inference services of the scenario."""

    services: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
    """Services, in `services`, whose replicas live in the windows."""

    def names(self) -> Iterator[Named]:
        """The services."""
        for index, service in enumerate(self.services):
            yield "service", service, ("services", index)


FillKinds = Annotated[
    JobsFill | SameFill | ServicesFill,
    by_key(
        "{jobs: [...], slowdown_budget}, {same: true} or {services: [...]}",
        {"jobs": JobsFill, "same": SameFill, "services": ServicesFill},
    ),
]
"""What can fill idle windows."""
