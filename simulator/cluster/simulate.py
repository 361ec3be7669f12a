"""From a scenario to its result: lower once, run every replication, combine."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from simulator.cluster.engine import Engine
from simulator.cluster.lower import lower
from simulator.cluster.lowered import Lowered
from simulator.errors import Problem, ScenarioError
from simulator.results import Result, check_conservation, metrics, precise_enough, warmup_end_s
from simulator.results.record import RunRecord
from simulator.scenario import Scenario

MIN_REPLICATIONS = 3
ENDS_EARLY = 0.95
"""A recorded load that ends before this share of the run is worth a warning."""
Progress = Callable[[float], None]
"""Called now and then with the share of the work done (0..1)."""


def simulate(
    scenario: Scenario,
    *,
    seed: int | None = None,
    engine: str | None = None,
    replications: int | str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Simulate a scenario; ``seed``, ``engine`` and ``replications`` override what it says.

    Raises ScenarioError for what cannot be simulated, with its place in the scenario.
    """
    scenario = _overridden(scenario, seed, engine, replications)
    run = scenario.run
    if not scenario.services:
        raise ScenarioError(scenario.source.problem(("services",), "there is no service to simulate"))
    lowered = lower(scenario)
    records, figures, warnings = [], [], []
    for number in range(_most_replications(scenario)):
        record = run_once(scenario, lowered, number, _share(progress, number, scenario))
        records.append(record)
        figures.append(metrics(record))
        warnings += _silences(scenario, record)
        enough = run.replications == "auto" and number + 1 >= MIN_REPLICATIONS
        if enough and precise_enough(figures, run.target.figure, run.target.half_width):
            break
    else:
        if run.replications == "auto":
            warnings.append(
                f"replications: auto ended after {len(records)} (target.max_replications): {run.target.figure} is not "
                f"known to {run.target.half_width:g} of itself yet"
            )
    return Result.build(
        scenario.name,
        scenario.seed,
        "simpy",
        "asked for" if run.engine == "simpy" else "the reference engine is the only one",
        records,
        metrics=figures,
        scenario_hash=scenario.source.sha256,
        variants=scenario.source.variants,
        overrides=scenario.source.sets,
        warnings=list(dict.fromkeys(warnings)),
    )


def run_once(scenario: Scenario, lowered: Lowered, replication: int, progress: Progress | None = None) -> RunRecord:
    """One replication, checked for conservation."""

    def tick(now: float) -> None:
        if progress is not None:
            progress(min(now / lowered.duration_s, 1.0))

    with _collector_paused():
        record = Engine(lowered, replication, scenario.source.folder, tick if progress else None).run()
    if scenario.run.warmup == "auto":
        record = replace(record, warmup_s=warmup_end_s(record))
    check_conservation(record)
    return record


def _silences(scenario: Scenario, record: RunRecord) -> list[str]:
    """Statements about services whose load is missing, or ends early because its record does."""
    found = []
    for index, info in enumerate(record.services):
        arrival_s = record.requests.arrival_s[record.requests.service == index]
        recorded = scenario.services[info.name].workload.process in ("trace", "rates")
        if not (arrival_s >= record.warmup_s).any():
            found.append(f"service {info.name}: no request arrived between warmup and duration, so it has no figures")
        elif recorded and arrival_s[-1] < ENDS_EARLY * record.duration_s:
            found.append(
                f"service {info.name}: its recorded load ends at {arrival_s[-1]:.4g}s of {record.duration_s:g}s; "
                "shorten run.duration or say repeat: true"
            )
    return found


def _overridden(scenario: Scenario, seed: int | None, engine: str | None, replications: int | str | None) -> Scenario:
    """A copy of the scenario with other values, checked like those of a file; it keeps its source."""
    if not isinstance(scenario, Scenario):
        raise TypeError(f"simulate() takes a scenario, from load(path) or loads(text), not {type(scenario).__name__}")
    if engine not in (None, "auto", "simpy"):
        raise ScenarioError(Problem(f"must be auto or simpy, got {engine!r}", path="engine"))
    if replications not in (None, "auto") and not _is_whole(replications, 1, 10_000):
        message = f"must be a whole number from 1 to 10000, or auto, got {replications!r}"
        raise ScenarioError(Problem(message, path="replications"))
    if seed is not None and not _is_whole(seed, 0, 2**63 - 1):
        raise ScenarioError(Problem(f"must be a whole number from 0 to 2^63 - 1, got {seed!r}", path="seed"))
    changes = {"engine": engine, "replications": replications}
    run = scenario.run.model_copy(update={key: value for key, value in changes.items() if value is not None})
    return scenario.model_copy(update={"run": run, "seed": scenario.seed if seed is None else seed})


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _most_replications(scenario: Scenario) -> int:
    asked = scenario.run.replications
    return scenario.run.target.max_replications if isinstance(asked, str) else asked


def _share(progress: Progress | None, number: int, scenario: Scenario) -> Progress | None:
    if progress is None:
        return None
    total = _most_replications(scenario)
    return lambda share: progress((number + share) / total)


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
