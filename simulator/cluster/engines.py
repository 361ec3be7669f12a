"""Which engine runs a cluster, and one replication with it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from simulator.cluster.lowered import Lowered
from simulator.costs.early_exit import Drawn, ProfileTable, Replay, RowSource
from simulator.errors import Problem, ScenarioError
from simulator.results import RunFrame, RunRecord, Tally, check_conservation, check_tally, warmup_end_s
from simulator.results.jobs import JobRun
from simulator.scenario.workload import Closed

if TYPE_CHECKING:
    from simulator.cluster.compiled import CompiledEngine
    from simulator.cluster.engine import Engine

EngineName = Literal["simpy", "compiled"]
Progress = Callable[[float], None]
"""Called now and then with the simulated time reached [s]."""
Place = Callable[[Sequence[str | int], str], Problem]
"""Where in the scenario's text a key stands, with what is to be said of it."""
PATH = ("run", "engine")
MOST_SERVICES = 4096
MOST_REPLICAS = 64**3
"""Replicas of one portion, over all windows, that the compiled engine can hold."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that runs, and why."""

    name: EngineName
    reason: str


def choose(lowered: Lowered, asked: str, place: Place | None = None) -> Choice:
    """The compiled engine unless the scenario needs, or its author asks for, the reference.

    Raises ScenarioError, at ``place`` of ``run.engine``, where the compiled one is asked for and cannot.
    """
    missing = missing_feature(lowered)
    if asked == "simpy":
        return Choice("simpy", "asked for")
    if asked == "compiled":
        if missing is not None:
            message = f"the compiled engine does not cover {missing}; take simpy or auto"
            raise ScenarioError(Problem(message, path="run.engine") if place is None else place(PATH, message))
        return Choice("compiled", "asked for")
    if missing is not None:
        return Choice("simpy", f"the compiled engine does not cover {missing}")
    return Choice("compiled", "covers everything in this scenario")


def missing_feature(lowered: Lowered) -> str | None:
    """What of a lowered cluster only the reference engine knows; None when there is nothing."""
    if lowered.links:
        return "shared links"
    if lowered.server is not None:
        return lowered.server.reason
    if len(lowered.services) > MOST_SERVICES:
        return f"more than {MOST_SERVICES:,} services"
    if any(service.twin is not None for service in lowered.services):
        return "a twin beside a service"
    if any(deployment.scaling for service in lowered.services for deployment in service.deployments):
        return "an autoscaler"
    for service in lowered.services:
        if isinstance(service.workload, Closed) and service.exits and not _by_numbers_alone(service.exits.rows):
            return "exit rows that follow an order or a mix in a closed load"
        for deployment in service.deployments:
            most = MOST_REPLICAS // len(service.deployments)
            if any(sum(replicas) > most for replicas in deployment.replicas):
                return f"more than {most:,} replicas of a portion"
    return None


def _by_numbers_alone(rows: RowSource) -> bool:
    """Whether the row of a request depends on its uniform number alone, not on when it comes or after whom."""
    if isinstance(rows, Replay):
        return rows.mix is None and isinstance(rows.order, Drawn)
    return isinstance(rows, ProfileTable)


def recorded(
    lowered: Lowered,
    engine: EngineName,
    replication: int,
    folder: Path,
    progress: Progress | None = None,
    warmup: float | Literal["auto"] = 0.0,
) -> RunRecord:
    """One replication with all its tables, its warm-up found where that is ``auto``, checked for conservation."""
    with _collector_paused():
        record = _engine(engine)(lowered, replication, folder, progress).run()
    return _checked(record, warmup)


def recorded_with_streams(
    lowered: Lowered,
    replication: int,
    folder: Path,
    progress: Progress | None = None,
    warmup: float | Literal["auto"] = 0.0,
) -> tuple[RunRecord, Mapping[str, JobRun]]:
    """The same by the reference engine, and the streams that share the parameter server's link with the services."""
    from simulator.cluster.engine import Engine

    with _collector_paused():
        engine = Engine(lowered, replication, folder, progress)
        record = engine.run()
        streams = engine.streams(record.end_s)
    return _checked(record, warmup), streams


def _checked(record: RunRecord, warmup: float | Literal["auto"]) -> RunRecord:
    if warmup == "auto":
        record = replace(record, warmup_s=warmup_end_s(record))
    check_conservation(record)
    return record


def _engine(name: EngineName) -> type[Engine] | type[CompiledEngine]:
    """The engine of a name; Numba is loaded only where it is needed."""
    if name == "simpy":
        from simulator.cluster.engine import Engine

        return Engine
    from simulator.cluster.compiled import CompiledEngine

    return CompiledEngine


def tallied(
    lowered: Lowered, replication: int, folder: Path, progress: Progress | None = None
) -> tuple[RunFrame, Tally, dict[int, tuple[int, float]]]:
    """One replication in constant memory, checked for conservation.

    Also, by service, how many requests arrived between warm-up and the end of the load, and when the last of them came
    [s] (0 in a closed load, where nobody asks).
    """
    from simulator.cluster.compiled import CompiledEngine

    engine = CompiledEngine(lowered, replication, folder, progress, keep_tables=False)
    frame, tally = engine.tally()
    check_tally(frame, tally)
    arrived, group = {}, 0
    for index, info in enumerate(frame.services):
        count = int(tally.cohort[group : group + len(info.classes)].sum())
        arrived[index] = count, engine.last_arrival_s.get(index, 0.0)
        group += len(info.classes)
    return frame, tally, arrived


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No cyclic garbage arises in a run, and looking for it among millions of objects costs a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
