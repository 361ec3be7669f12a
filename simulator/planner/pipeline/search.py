"""The best pipeline under a memory limit, how far it may be from the best possible, and the trade against memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.costs.pipeline import SCHEDULES
from simulator.planner.pipeline.bounds import least_iteration_s
from simulator.planner.pipeline.case import PipelineCase
from simulator.planner.pipeline.compare import best_of, end_of, head_of, least_memory, notes_of
from simulator.planner.pipeline.rows import ROUNDING, TOO_BIG, Built, Candidate, Row, build, limits, row_of, try_out
from simulator.planner.pipeline.space import candidates, neighbours, within_memory

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]
Progress = Callable[[float], object]
OUT_OF_TIME, INTERRUPTED = "time limit", "interrupted"
BETTER = 1e-9
"""Relative gain below which a time is no better, but rounded otherwise."""


@dataclass(frozen=True)
class Found:
    """What a search found. ``rows``: every candidate, in the order in which they were tried.

    ``best`` fits and takes the least time per iteration; None: nothing fits. ``stopped``: why the search ended before
    its end; None: it did not. ``left`` candidates were not tried then.
    """

    case: PipelineCase
    rows: tuple[Row, ...]
    best: Row | None
    stopped: str | None
    left: int
    notes: tuple[str, ...]

    @property
    def bound_s(self) -> float | None:
        """No order of passes takes less on any of the placements, cuts and microbatches that were tried [s]."""
        return min((row.least_s for row in self.rows if row.least_s is not None), default=None)

    @property
    def ideal_s(self) -> float | None:
        """All work shared evenly, no bubbles at all [s]."""
        return min((row.ideal_s for row in self.rows if row.ideal_s is not None), default=None)

    @property
    def gap(self) -> float | None:
        """By which share the best one takes longer than the bound, at most."""
        if self.best is None or not self.bound_s or self.best.iteration_s is None:
            return None
        return max(self.best.iteration_s / self.bound_s - 1.0, 0.0)

    @property
    def front(self) -> tuple[Row, ...]:
        """Of those that fit: each takes less time than all that need less memory; fastest last."""
        fitting = sorted((row for row in self.rows if row.fits), key=lambda row: (_memory(row), row.iteration_s))
        kept: list[Row] = []
        for row in fitting:
            if not kept or _time(row) < _time(kept[-1]) * (1.0 - BETTER):
                kept.append(row)
        return tuple(kept)

    @property
    def shown(self) -> Row | None:
        """What pictures show: the best one, else the one that needs least memory."""
        return self.best or least_memory(self.rows)

    def to_dict(self) -> Json:
        """As JSON values: ``{"best": {...}, "bound", "gap", "front": [...], "rows": [...], ...}``."""
        return {
            **head_of(self.case),
            "bound": self.bound_s,
            "ideal": self.ideal_s,
            "gap": self.gap,
            "settings": None if self.best is None else settings(self.case, self.best),
            "front": [row.to_dict() for row in self.front],
            "stopped": self.stopped,
            "left": self.left,
            "rows": [row.to_dict() for row in self.rows],
            **end_of(self.best, self.notes),
        }

    @property
    def frame(self) -> pd.DataFrame:
        """One row per candidate, in the order in which they were tried."""
        from simulator.results.shown_table import frame_of

        return frame_of({**row.to_dict(), "best": row is self.best} for row in self.rows)

    def _repr_html_(self) -> str:
        from simulator.planner.shown import pipelines_html

        return pipelines_html(self.to_dict())


def _memory(row: Row) -> float:
    found = row.activations if row.memory is None else row.memory
    return float("inf") if found is None else found


def _time(row: Row) -> float:
    return float("inf") if row.iteration_s is None else row.iteration_s


def settings(case: PipelineCase, row: Row) -> dict[str, str]:
    """Overrides of the scenario with which ``plan simulate`` runs a row; not its cut, which no key says."""
    here, candidate = f"trainings.{case.name}", row.candidate
    if candidate.order:
        return {}
    found = {
        f"{here}.pipeline.schedule": candidate.schedule,
        f"{here}.pipeline.microbatches": str(candidate.microbatches),
        f"{here}.pipeline.chunks": str(candidate.chunks),
    }
    if SCHEDULES[candidate.schedule].timed:
        stages = case.stages(case.ranks, candidate.microbatches, candidate.bounds)
        limit = case.search_limit(candidate.schedule, stages)
        if stages.memory is not None and limit is not None:
            found[f"{here}.memory.limit"] = f"{limit!r}B"
    if row.batch is not None:
        found[f"{here}.times.microbatch"] = str(row.batch)
    return found


class _Run:
    """A search under way."""

    def __init__(self, case: PipelineCase, until: float, progress: Progress | None) -> None:
        self.case, self.until, self.progress = case, until, progress
        self.rows: list[Row] = []
        self.left: list[Candidate] = []
        self.stopped: str | None = None

    def over(self) -> bool:
        """Whether the time is up, which is then the reason to stop."""
        if self.stopped is None and time.monotonic() >= self.until:
            self.stopped = OUT_OF_TIME
        return self.stopped is not None

    def all(self, found: list[Candidate]) -> None:
        """Try the candidates one after another, then better cuts of the best one."""
        self.left = found[::-1]
        count = len(found)
        while self.left and not (self.rows and self.over()):
            self.rows.append(try_out(self.case, self.left[-1]))
            candidate = self.left.pop()
            if self.rows[-1].status == TOO_BIG and candidate.bounds is None:
                self._recut(candidate)
            if self.progress is not None:
                self.progress(1.0 - len(self.left) / count)
        self._refine()

    def _recut(self, candidate: Candidate) -> None:
        """A candidate that does not fit, with stages that leave room for its activations."""
        bounds = within_memory(self.case, build(self.case, candidate))
        if bounds is not None:
            cut = candidate._replace(bounds=bounds)
            self.rows.append(row_of(self.case, cut, build(self.case, cut)))

    def _refine(self) -> None:
        """Move single layers of the best one over a boundary, as long as that shortens the iteration."""
        best = best_of(self.rows)
        if best is None or best.bounds is None or self.over():
            return
        built = build(self.case, best.candidate)
        while (moved := self._moved(best, built)) is not None:
            best = moved
            self.rows.append(best)

    def _moved(self, best: Row, built: Built) -> Row | None:
        """The first of the neighbouring cuts that is faster and fits; None: there is none, or no time."""
        for bounds in neighbours(best.bounds or ()):
            if self.over():
                return None
            candidate = best.candidate._replace(bounds=bounds)
            stages = self.case.stages(built.schedule.stages, candidate.microbatches, bounds)
            limit = limits(self.case, built.schedule, stages)
            enough = _time(best) * (1.0 - BETTER)
            if least_iteration_s(built.schedule, stages, limit * (1.0 + ROUNDING)) >= enough:
                continue  # no order could be faster
            timed = not candidate.order and SCHEDULES[candidate.schedule].timed
            other = build(self.case, candidate) if timed else Built(built.schedule, stages, limit)
            row = row_of(self.case, candidate, other)
            if row.fits and _time(row) < enough:
                return row
        return None


def search(
    case: PipelineCase,
    schedules: Sequence[str] | None = None,
    *,
    memory_limit: float | None = None,
    chunks: Sequence[int] | None = None,
    microbatches: Sequence[int] | None = None,
    time_limit_s: float = float("inf"),
    progress: Progress | None = None,
) -> Found:
    """The pipeline with the least time per iteration that fits.

    Looks at all ``schedules`` that suit the training, 1 to 4 ``chunks``, and all ``microbatches`` into which the
    samples of an iteration can be cut, unless told otherwise. Stages are cut so that the slowest is as fast as can be;
    where that does not fit, as balanced as memory lets them be; and the best candidate's boundaries are moved as long
    as that helps. ``memory_limit``: what activations may take on a rank [bytes, or microbatches], instead of the
    scenario's. Those that look best come first; when the time is up, or on Ctrl-C, what was found until then is the
    answer.
    """
    asked = case.limited(memory_limit)
    run = _Run(asked, time.monotonic() + time_limit_s, progress)
    try:
        run.all(ordered(asked, candidates(asked, schedules, chunks, microbatches)))
    except KeyboardInterrupt:
        run.stopped = INTERRUPTED
    return Found(
        asked, tuple(run.rows), best_of(run.rows), run.stopped, len(run.left), tuple(notes_of(asked, run.rows))
    )


def ordered(case: PipelineCase, found: Iterator[Candidate]) -> list[Candidate]:
    """Candidates, those first that a rough estimate says to be fast: bubbles of ``(p - 1) / v`` slots, half of them
    where backwards are split. With a model, small microbatches take longer each, which only trying them tells: the
    number that the scenario says comes first.
    """

    def estimate(candidate: Candidate) -> tuple[bool, float]:
        m, p, v = candidate.microbatches, case.ranks, candidate.chunks
        split = 0.5 if candidate.schedule.startswith(("zb", "interleaved-zero", "dual")) else 1.0
        return m != case.microbatches, (m + split * (p - 1) / v) / m

    return sorted(found, key=estimate)
