"""Every combination of some values of a scenario, simulated with common random numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.cluster import vary
from simulator.cluster.evaluate import MOST_REPLICATIONS, load_kernel
from simulator.cluster.simulate import Progress
from simulator.cluster.spread import Spread, cores
from simulator.errors import Problem, ScenarioError
from simulator.planner.sweep.axes import Axis, axes_of, check_axes, grid
from simulator.planner.sweep.identity import base_identity, point_identity, value_identities
from simulator.planner.sweep.ledger import Ledger, opened
from simulator.planner.sweep.points import Work, of_exception, rows
from simulator.planner.sweep.result import SweepResult
from simulator.results.cohort import Json
from simulator.scenario import Scenario

TOGETHER = 4
"""Points that travel together: few, so that little is lost when the sweep is ended."""
AT_A_TIME = 4096
"""Points that are handed out before the next ones are made: all of a large grid would take much memory."""


def sweep(
    scenario: Scenario,
    axes: Mapping[str, Any] | Sequence[Axis],
    *,
    replications: int | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    ledger: str | Path | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    """Simulate every combination of the values in ``axes``, a mapping of dotted keys to values.

    ``replications`` holds for all points; by default each has what its scenario says (three for ``auto``).
    Replication i of every point meets the same arrivals, exits and jitter, as far as its load is the same. The table
    is the same, bit for bit, whoever computes it: ``workers`` processes (all cores by default) or an ``executor`` of
    your own, as in :func:`simulator.evaluate`.

    ``ledger`` names a file that keeps finished points, so that the same call after an interruption does only what is
    left. It is of use as long as scenario, files, program and replications are the same; values may be added.
    ``progress`` hears the share of the points that are done.

    A point that cannot be simulated is a row with its error. ScenarioError when no point is a valid scenario.
    """
    _check(scenario, replications, workers)
    found = axes_of(axes) if isinstance(axes, Mapping) else tuple(axes)
    check_axes(found)
    identity = base_identity(scenario, replications) if ledger is not None else {}
    with nullcontext() if ledger is None else opened(Path(ledger), identity) as book:
        points = _points(scenario, found, book)
        reused = {point.number: book.known[point.identity] for point in points if book and point.identity in book.known}
        left = [point for point in points if point.number not in reused]
        run = _Run(scenario, replications, book, len(points), reused, progress)
        if left:
            run.all(left, executor, workers)
        return _result(scenario, found, points, run, () if book is None or book.note is None else (book.note,))


@dataclass(frozen=True, slots=True)
class Point:
    """One combination: its number, overrides, values by key and, for the ledger, what it depends on."""

    number: int
    sets: tuple[str, ...]
    values: Json
    identity: str


class _Run:
    """Answers by number of the point, told to the ledger as they come."""

    def __init__(
        self,
        base: Scenario,
        replications: int | None,
        book: Ledger | None,
        total: int,
        known: Mapping[int, Json],
        progress: Progress | None,
    ) -> None:
        self.answers = dict(known)
        self.reused = len(known)
        self._work = Work(base, replications)
        self._book, self._total, self._progress = book, total, progress

    def all(self, points: Sequence[Point], executor: Executor | None, workers: int | None) -> None:
        """Do all these points."""
        first = _first_valid(self._work.base, points)
        self._tick()
        count = min(cores() if workers is None else workers, len(points))
        if executor is not None or count > 1:
            load_kernel([first])
        for start in range(0, len(points), AT_A_TIME):
            self._some(points[start : start + AT_A_TIME], executor, count)

    def _some(self, points: Sequence[Point], executor: Executor | None, workers: int) -> None:
        def tell(_: int) -> None:
            fresh = [(points[place], one) for place, one in spread.answers.items()]
            spread.answers.clear()
            self._note(fresh)

        spread: Spread[tuple[str, ...], Json] = Spread(self._work, [point.sets for point in points], tell, TOGETHER)
        if executor is not None:
            spread.through(executor, workers)
        elif workers > 1:
            spread.in_processes(workers)
        else:
            spread.here()

    def _note(self, fresh: Sequence[tuple[Point, Json | Exception]]) -> None:
        found = [(point, of_exception(one) if isinstance(one, Exception) else one) for point, one in fresh]
        self.answers |= {point.number: one for point, one in found}
        if self._book is not None:  # what the program or the machine is to blame for is tried again next time
            self._book.add({point.identity: one for point, one in found if not one["internal"]})
        self._tick()

    def _tick(self) -> None:
        if self._progress is not None:
            self._progress(len(self.answers) / self._total)


def _points(base: Scenario, axes: Sequence[Axis], book: Ledger | None) -> list[Point]:
    parts = [value_identities(item, base.source) if book is not None else [""] * len(item.texts) for item in axes]
    sets = [item.sets() for item in axes]
    return [
        Point(
            number,
            tuple(own[place] for own, place in zip(sets, places)),
            {item.key: item.values[place] for item, place in zip(axes, places)},
            point_identity(own[place] for own, place in zip(parts, places)),
        )
        for number, places in enumerate(grid(axes))
    ]


def _first_valid(base: Scenario, points: Sequence[Point]) -> Scenario:
    """The scenario of the first point that is one. If there is none, the problems of the first point are told."""
    first: ScenarioError | None = None
    for point in points:
        try:
            return vary(base, point.sets)
        except ScenarioError as error:
            first = first or error
    assert first is not None
    raise first


def _result(
    scenario: Scenario, axes: tuple[Axis, ...], points: Sequence[Point], run: _Run, notes: tuple[str, ...]
) -> SweepResult:
    said = Counter(text for point in points for text in run.answers[point.number]["warnings"])
    return SweepResult(
        scenario.name,
        scenario.source.sha256,
        scenario.seed,
        axes,
        tuple(row for point in points for row in rows(point.number, point.values, run.answers[point.number], scenario)),
        tuple(_counted(text, count, len(points)) for text, count in said.items()),
        run.reused,
        sum(one["internal"] for one in run.answers.values()),
        notes,
    )


def _counted(text: str, count: int, total: int) -> str:
    return text if count == total else f"{text} ({count} of {total} points)"


def _check(scenario: object, replications: int | None, workers: int | None) -> None:
    if not isinstance(scenario, Scenario):
        raise TypeError(f"sweep() takes a scenario, from load(path) or loads(text), not {type(scenario).__name__}")
    for name, value in (("replications", replications), ("workers", workers)):
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_REPLICATIONS
        ):
            message = f"must be a whole number from 1 to {MOST_REPLICATIONS}, got {value!r}"
            raise ScenarioError(Problem(message, path=name))
