"""The schedules of a training side by side, for its stages, microbatches and chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.costs.pipeline import SCHEDULES, Shape
from simulator.errors import Problem, ScenarioError
from simulator.planner.pipeline.case import PipelineCase, schedules_of
from simulator.planner.pipeline.rows import Candidate, Row, try_out
from simulator.scenario.base import unknown

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]
Progress = Callable[[float], object]


@dataclass(frozen=True)
class Comparison:
    """One row per schedule; ``best`` fits and takes the least time per iteration (None: nothing fits)."""

    case: PipelineCase
    rows: tuple[Row, ...]
    best: Row | None
    notes: tuple[str, ...]

    @property
    def shown(self) -> Row | None:
        """What pictures show: the best one, else the one that needs least memory."""
        return self.best or least_memory(self.rows)

    def to_dict(self) -> Json:
        """As JSON values: ``{"rows": [...], "best": {...}, ...}``."""
        return {**head_of(self.case), "rows": [row.to_dict() for row in self.rows], **end_of(self.best, self.notes)}

    @property
    def frame(self) -> pd.DataFrame:
        """One row per schedule."""
        from simulator.results.shown_table import frame_of

        return frame_of({**row.to_dict(), "best": row is self.best} for row in self.rows)

    def _repr_html_(self) -> str:
        from simulator.planner.shown import pipelines_html

        return pipelines_html(self.to_dict())


def head_of(case: PipelineCase) -> Json:
    """What is the same for all rows, as JSON values."""
    return {
        "scenario": case.scenario.name,
        "training": case.name,
        "stages": case.ranks,
        "copies": case.copies,
        "limit": case.limit,
        "capacity": case.capacity,
        "memory_unit": "bytes" if case.sized else "microbatches",
    }


def end_of(best: Row | None, notes: Sequence[str]) -> Json:
    """The choice and the remarks, as JSON values."""
    return {"best": None if best is None else best.to_dict(), "notes": list(notes)}


def least_memory(rows: Sequence[Row]) -> Row | None:
    """Of the rows that were tried, the one that needs the least memory."""
    tried = [row for row in rows if row.activations is not None]
    return min(tried, key=lambda row: (row.memory or row.activations, row.iteration_s), default=None)


def best_of(rows: Sequence[Row]) -> Row | None:
    """The row that fits and takes the least time per iteration; of equal ones that with less memory, then the first."""
    fitting = [row for row in rows if row.fits]
    return min(fitting, key=lambda row: (row.iteration_s, row.memory or row.activations), default=None)


def compare(
    case: PipelineCase,
    schedules: Sequence[str] | None = None,
    *,
    chunks: int | None = None,
    microbatches: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Try the schedules (all that suit the training, unless named) with the microbatches and chunks of the scenario.

    ``chunks`` and ``microbatches`` replace those of the scenario; a schedule that has only one number of chunks takes
    that one. A file of the scenario with an order of its own is the first row.
    """
    candidates = list(_candidates(case, schedules, chunks, microbatches or case.microbatches))
    rows = []
    for number, candidate in enumerate(candidates, start=1):
        rows.append(try_out(case, candidate))
        if progress is not None:
            progress(number / len(candidates))
    return Comparison(case, tuple(rows), best_of(rows), tuple(notes_of(case, rows)))


def known_names(case: PipelineCase, schedules: Sequence[str] | None) -> list[str]:
    """The schedules that are meant; ScenarioError for an unknown one."""
    for name in schedules or ():
        if name not in SCHEDULES:
            raise ScenarioError(Problem(unknown("schedule", name, SCHEDULES)))
    return list(dict.fromkeys(schedules or schedules_of(case)))


def _candidates(
    case: PipelineCase, schedules: Sequence[str] | None, chunks: int | None, microbatches: int
) -> Iterator[Candidate]:
    written = case.order()
    if written is not None and schedules is None and microbatches == written.microbatches:
        yield Candidate(written.name, microbatches, written.chunks, order=True)
    asked = chunks or case.training.pipeline.chunks
    for name in known_names(case, schedules):
        usual = SCHEDULES[name].default_chunks
        wanted = usual if asked is None else asked
        # those that cannot have the chunks asked for are compared with their own
        fits = SCHEDULES[name].refusal(_shape(case, microbatches, wanted)) is None
        yield Candidate(name, microbatches, wanted if fits else usual)


def _shape(case: PipelineCase, microbatches: int, chunks: int) -> Shape:
    return Shape(case.ranks, microbatches, chunks)


def notes_of(case: PipelineCase, rows: Sequence[Row]) -> Iterator[str]:
    """What is to be known about the figures, one sentence each."""
    yield from case.warnings()
    if not case.sized:
        yield "the training says nothing of `memory`: activations are in microbatches of one stage"
    if case.training.jitter.distribution != "deterministic":
        yield "times are exact here; the jitter of the scenario is in `plan simulate`"
    if case.pool.pool.faults is not None:
        yield "devices do not fail here; they do in `plan simulate`"
    others = {row.candidate.microbatches for row in rows} - {case.microbatches}
    if others and case.batch is None:
        yield (
            "times and activations of other numbers of microbatches are taken as proportional to the microbatch: what "
            "each pass costs whatever its size is not known without a model"
        )
    elif others and case.sized:
        yield "activations of other microbatches are taken as proportional to their size"
    if any(row.candidate.schedule in ("chimera", "dualpipe") and row.memory is not None for row in rows):
        yield "chimera and dualpipe hold the model twice, once for each direction"
