"""From a scenario to its result: lower once, run every replication, combine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.cluster import sections
from simulator.cluster.engines import Choice, choose, recorded, recorded_with_streams, tallied
from simulator.cluster.fill.tenants import without_tenants
from simulator.cluster.lower import lower
from simulator.cluster.lower.capacity import expected_backlog, expected_requests
from simulator.cluster.lower.exits import ModelExits
from simulator.cluster.lower.layers import ModelCosts
from simulator.cluster.lowered import MOST_INSIDE, Lowered
from simulator.cluster.sections import Replicate
from simulator.errors import Problem, ScenarioError
from simulator.results import Result, RunFrame, RunRecord, metrics, precise_enough, tally_metrics
from simulator.results.cohort import Json
from simulator.results.jobs import JobRun, Jobs
from simulator.scenario import Scenario

MIN_REPLICATIONS = 3
ENDS_EARLY = 0.95
"""A recorded load that ends before this share of the run is worth a warning."""
SMALL = 1e6
"""Requests of one replication whose tables are kept without being asked for."""
MOST_REQUESTS = 4e7
"""Requests of one replication whose tables can be kept: each takes some hundred bytes."""
Progress = Callable[[float], None]
"""Called now and then with the share of the work done (0..1)."""


def simulate(
    scenario: Scenario,
    *,
    seed: int | None = None,
    engine: str | None = None,
    replications: int | str | None = None,
    tables: bool | None = None,
    progress: Progress | None = None,
) -> Result:
    """Simulate a scenario; ``seed``, ``engine`` and ``replications`` override what it says.

    ``tables`` says whether the result keeps a row for every request and batch; without them a run takes constant memory
    and its percentiles come from a sketch (see ``results.sketch``). By default they are kept for up to a million
    requests in each replication.

    Raises ScenarioError for what cannot be simulated, with its place in the scenario.
    """
    scenario = _overridden(scenario, seed, engine, replications)
    run, whole = scenario.run, scenario
    scenario = without_tenants(whole)  # those are served, and reported, where they live
    lowered = lower(scenario)
    prepared = sections.prepare(whole)
    warnings = [*scenario.source.notes]
    if not scenario.services:
        return _jobs_alone(whole, lowered, prepared, warnings)
    choice = choose(lowered, run.engine, scenario.source.problem if engine is None else None)
    keep = keeps_tables(scenario, lowered, choice, tables)
    runs: list[RunFrame] = []
    figures = []
    streams: list[Mapping[str, JobRun]] = []
    for number in range(_most_replications(scenario)):
        tick = _share(progress, number, scenario)
        if keep:
            record, beside = _run_with_streams(scenario, lowered, number, tick)
            runs.append(record)
            streams.append(beside)
            figures.append(metrics(record))
            arrived = _arrived(record)
        else:
            frame, tally, arrived = tallied(lowered, number, scenario.source.folder, _simulated(tick, lowered))
            runs.append(frame)
            figures.append(tally_metrics(frame, tally))
        warnings += _silences(scenario, runs[-1], arrived)
        enough = run.replications == "auto" and number + 1 >= MIN_REPLICATIONS
        if enough and precise_enough(figures, run.target.figure, run.target.half_width):
            break
    else:
        if run.replications == "auto":
            warnings.append(
                f"replications: auto ended after {len(runs)} (target.max_replications): {run.target.figure} is not "
                f"known to {run.target.half_width:g} of itself yet"
            )
    shared = {"streams": Jobs(streams)} if _has_streams(lowered) else {}
    jobs = sections.run(prepared, len(runs), shared)
    return _result(scenario, lowered, choice, runs, figures, jobs, warnings)


def check(scenario: Scenario) -> None:
    """Refuse what cannot be simulated, without a run: raises ScenarioError with its place.

    Of services that wait for a plan the model is bound, and the exits that it names are read.
    """
    waiting = scenario.undeployed
    deployed = {name: service for name, service in scenario.services.items() if name not in waiting}
    lower(without_tenants(scenario.model_copy(update={"services": deployed})))
    for model in dict.fromkeys(scenario.services[name].model for name in waiting):
        _ = ModelExits(ModelCosts(scenario, model, scenario.models[model])).source
    sections.prepare(scenario)


def _jobs_alone(scenario: Scenario, lowered: Lowered, prepared: Mapping[str, Replicate], warnings: list[str]) -> Result:
    """A scenario without services: its trainings and streams."""
    if not prepared:
        message = "there is no service to simulate, nor anything else that this version simulates"
        raise ScenarioError(scenario.source.problem(("services",), message))
    jobs = _until_settled(scenario, prepared, warnings)
    choice = Choice("simpy", "trainings and streams run on the reference engine")
    return _result(scenario, lowered, choice, [], [], jobs, warnings)


def _until_settled(scenario: Scenario, prepared: Mapping[str, Replicate], warnings: list[str]) -> dict[str, Jobs]:
    """As many replications of the jobs as are asked for: with ``auto`` until the times of all are known well enough."""
    auto, target = scenario.run.replications == "auto", scenario.run.target
    runs: dict[str, list[Mapping[str, JobRun]]] = {name: [] for name in prepared}
    for number in range(_most_replications(scenario)):
        for name, replicate in prepared.items():
            runs[name].append(replicate(number))
        enough = auto and number + 1 >= MIN_REPLICATIONS
        if enough and all(Jobs(found).settled(target.half_width) for found in runs.values()):
            break
    else:
        if auto:
            warnings.append(
                f"replications: auto ended after {target.max_replications} (target.max_replications): the time of an "
                f"iteration or step is not known to {target.half_width:g} of itself yet"
            )
    return {name: Jobs(found) for name, found in runs.items()}


def _result(
    scenario: Scenario,
    lowered: Lowered,
    choice: Choice,
    runs: list[RunFrame],
    figures: list[Json],
    jobs: Mapping[str, Jobs],
    warnings: list[str],
) -> Result:
    return Result.build(
        scenario.name,
        scenario.seed,
        choice.name,
        choice.reason,
        runs,
        metrics=figures,
        scenario_hash=scenario.source.sha256,
        variants=scenario.source.variants,
        overrides=scenario.source.sets,
        warnings=list(dict.fromkeys(warnings)),
        jobs=jobs,
        pools=lowered.pools,
    )


def run_once(scenario: Scenario, lowered: Lowered, replication: int, progress: Progress | None = None) -> RunRecord:
    """One replication with its tables, by the engine that the scenario asks for, checked for conservation."""
    engine = choose(lowered, scenario.run.engine).name
    tick = _simulated(progress, lowered)
    return recorded(lowered, engine, replication, scenario.source.folder, tick, scenario.run.warmup)


def _has_streams(lowered: Lowered) -> bool:
    """Whether streams share a link with the services, and so run with them."""
    return lowered.server is not None and bool(lowered.server.streams)


def _run_with_streams(
    scenario: Scenario, lowered: Lowered, replication: int, progress: Progress | None
) -> tuple[RunRecord, Mapping[str, JobRun]]:
    """One replication with its tables, and the streams that run with it (none where they run by themselves)."""
    if not _has_streams(lowered):
        return run_once(scenario, lowered, replication, progress), {}
    tick = _simulated(progress, lowered)
    return recorded_with_streams(lowered, replication, scenario.source.folder, tick, scenario.run.warmup)


def _simulated(progress: Progress | None, lowered: Lowered) -> Progress | None:
    """What an engine tells: the simulated time reached [s]."""
    if progress is None:
        return None
    return lambda now: progress(min(now / lowered.duration_s, 1.0))


def keeps_tables(scenario: Scenario, lowered: Lowered, choice: Choice, asked: bool | None) -> bool:
    """Whether tables are kept: where they are asked for or needed, and unasked while they are small."""
    expected = sum(
        expected_requests(service, lowered, scenario.source.folder, scenario.source.problem)
        for service in lowered.services
    )
    needs = {"tables=True": asked, "run.warmup: auto": scenario.run.warmup == "auto", "simpy": choice.name == "simpy"}
    needed = [what for what, holds in needs.items() if holds]
    if needed and expected > MOST_REQUESTS:
        message = (
            f"about {expected:.2g} requests in one replication, at most {MOST_REQUESTS:.0e} with tables, which "
            f"{needed[0]} needs: shorten run.duration or lower the load"
        )
        raise ScenarioError(scenario.source.problem(("run",), message))
    keep = bool(needed) or (asked is None and expected <= SMALL)
    if not keep:
        _check_backlog(scenario, lowered)
    return keep


def _check_backlog(scenario: Scenario, lowered: Lowered) -> None:
    """Refuse a load of which more waits in the end than memory can hold; without tables nothing else bounds it."""
    for service in lowered.services:
        backlog = expected_backlog(scenario, service, lowered.overlap)
        if backlog > MOST_INSIDE:
            message = (
                f"about {backlog:.2g} requests would wait at once, at most {MOST_INSIDE:.2g} are simulated: lower the "
                "load, shorten run.duration or bound the queue"
            )
            raise ScenarioError(scenario.source.problem(("services", service.info.name, "workload"), message))


Arrived = dict[int, tuple[int, float]]
"""By service: requests that arrived between warm-up and the end of the load, and when the last request came [s]."""


def _arrived(record: RunRecord) -> Arrived:
    found = {}
    for index in range(len(record.services)):
        arrival_s = record.requests.arrival_s[record.requests.service == index]
        found[index] = int((arrival_s >= record.warmup_s).sum()), float(arrival_s[-1]) if len(arrival_s) else 0.0
    return found


def _silences(scenario: Scenario, run: RunFrame, arrived: Arrived) -> list[str]:
    """Statements about services whose load is missing, or ends early because its record does."""
    found = []
    for index, info in enumerate(run.services):
        count, last_s = arrived[index]
        played = scenario.services[info.name].workload.process in ("trace", "rates")
        if not count:
            found.append(f"service {info.name}: no request arrived between warmup and duration, so it has no figures")
        elif played and last_s < ENDS_EARLY * run.duration_s:
            found.append(
                f"service {info.name}: its recorded load ends at {last_s:.4g}s of {run.duration_s:g}s; "
                "shorten run.duration or say repeat: true"
            )
    return found


def _overridden(scenario: Scenario, seed: int | None, engine: str | None, replications: int | str | None) -> Scenario:
    """A copy of the scenario with other values, checked like those of a file; it keeps its source."""
    if not isinstance(scenario, Scenario):
        raise TypeError(f"simulate() takes a scenario, from load(path) or loads(text), not {type(scenario).__name__}")
    if engine not in (None, "auto", "simpy", "compiled"):
        raise ScenarioError(Problem(f"must be auto, simpy or compiled, got {engine!r}", path="engine"))
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
