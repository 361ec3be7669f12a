"""Many candidates in one call: what planner and sweeps ask, spread over the cores of one machine or of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import islice
from typing import Any

from simulator.cluster.engines import Choice, EngineName, choose, recorded, tallied
from simulator.cluster.lower import lower
from simulator.cluster.lowered import Lowered
from simulator.cluster.simulate import Progress, keeps_tables
from simulator.cluster.spread import Spread, cores
from simulator.errors import Problem, ScenarioError
from simulator.results import Miss, Result, RunFrame, metrics, tally_metrics
from simulator.results.cohort import Json
from simulator.results.strictjson import plain
from simulator.scenario import Scenario

MOST_REPLICATIONS = 10_000
HAS_ONE = "of a Dask client take client.get_executor()"
LOOKED_AT = 8
"""Candidates among which one is looked for that the compiled engine covers."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A scenario whose cluster is lowered already: for a search that changes the arrays and not the file.

    ``scenario`` gives the folder of its files, the engine asked for and the warm-up; all else comes from ``lowered``.
    """

    scenario: Scenario
    lowered: Lowered


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What became of one candidate. One that failed has its ``error`` and no figures."""

    engine: EngineName | None = None
    """The engine that ran."""
    engine_reason: str | None = None
    metrics: Json = field(default_factory=lambda: {"services": {}, "pools": {}})
    """The figures ``services`` and ``pools`` of a :class:`~simulator.results.Result`, over all replications."""
    replications: tuple[Json, ...] = ()
    """The same of each replication. Replication i of every candidate meets the same load, so that differences between
    two candidates, replication by replication, are less uncertain than each of them."""
    misses: tuple[Miss, ...] = ()
    """Stated objectives that are not met."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    """Why there are no figures."""
    internal: bool = False
    """Whether the error is not the candidate's: a fault of the program, or of the machine."""

    @property
    def holds(self) -> bool:
        """Whether it ran and met every stated objective."""
        return self.error is None and not self.misses

    @property
    def attainment(self) -> dict[str, float | None]:
        """Share of requests answered in time, by service; None without an objective."""
        return {name: figures["attainment"] for name, figures in self.metrics["services"].items()}

    @property
    def p99_s(self) -> dict[str, float | None]:
        """99th percentile of the latency [s], by service; None where nothing was completed."""
        return {name: figures["latency"]["p99"] for name, figures in self.metrics["services"].items()}

    @property
    def cost_per_hour(self) -> dict[str, float | None]:
        """Cost of the devices held, per hour, by service."""
        return {name: figures["cost_per_hour"] for name, figures in self.metrics["services"].items()}

    def _repr_html_(self) -> str:
        from simulator.results.html import services_html

        missed = [f"missed: {one}" for one in self.misses]
        said = [*missed, *(f"warning: {text}" for text in self.warnings), *([self.error] if self.error else [])]
        return services_html(self.metrics, said)


def evaluate(
    candidates: Iterable[Scenario | Candidate],
    *,
    replications: int = 1,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Simulate many candidates, one :class:`Evaluation` for each in their order.

    The figures are those of ``simulate(scenario, replications=..., tables=False)``, whoever computes them and on
    however many ``workers``: by default as many processes as there are cores, with ``workers=1`` this one alone.
    A ``concurrent.futures.Executor`` of your own is used as it is and goes on living; ``workers`` then says how many
    it has, which only decides how many candidates travel together. ``progress`` hears the share of them done.

    A candidate that cannot be simulated is a row with its error. An interruption cancels what has not begun, and ends
    the processes that this call has started.
    """
    jobs = _checked(candidates)
    for name, value in (("replications", replications), ("workers", 1 if workers is None else workers)):
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_REPLICATIONS:
            message = f"must be a whole number from 1 to {MOST_REPLICATIONS}, got {value!r}"
            raise ScenarioError(Problem(message, path=name))
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(f"executor must be a concurrent.futures.Executor, not {type(executor).__name__}; {HAS_ONE}")
    spread = Spread(partial(_evaluated, replications=replications), jobs, _share(progress, len(jobs)))
    workers = min(cores() if workers is None else workers, max(len(jobs), 1))
    if executor is not None or workers > 1:
        load_kernel(jobs)
    if executor is not None:
        spread.through(executor, workers)
    elif workers > 1:
        spread.in_processes(workers)
    else:
        spread.here()
    return [_row(spread.answers[number]) for number in range(len(jobs))]


def _checked(candidates: Any) -> list[Scenario | Candidate]:
    if isinstance(candidates, Scenario | Candidate):
        raise TypeError("evaluate() takes a list of scenarios; one alone is for simulate()")
    found = list(candidates)
    for item in found:
        if not isinstance(item, Scenario | Candidate):
            raise TypeError(f"evaluate() takes scenarios and Candidates, not {type(item).__name__}")
    return found


def _share(progress: Progress | None, count: int) -> Callable[[int], None]:
    return lambda done: None if progress is None else progress(done / count)


def _row(answer: Evaluation | Exception) -> Evaluation:
    """The row of a candidate, also of one that could not be sent or did not come back."""
    if isinstance(answer, Evaluation):
        return answer
    if isinstance(answer, BrokenExecutor):
        return Evaluation(error="the process that simulated it ended abruptly, out of memory perhaps", internal=True)
    return _fault(answer)


def _fault(error: Exception) -> Evaluation:
    return Evaluation(error=f"{type(error).__name__}: {error}", internal=True)


def _evaluated(candidate: Scenario | Candidate, replications: int) -> Evaluation:
    """One candidate, whatever comes of it."""
    try:
        return _simulated(*_lowered(candidate), replications)
    except ScenarioError as error:
        return Evaluation(error=str(error))
    except Exception as error:  # noqa: BLE001 # its row says so, the others go on
        return _fault(error)


def _lowered(candidate: Scenario | Candidate) -> tuple[Scenario, Lowered]:
    if isinstance(candidate, Candidate):
        return candidate.scenario, candidate.lowered
    if not candidate.services:
        raise ScenarioError(candidate.source.problem(("services",), "there is no service to simulate"))
    return candidate, lower(candidate)


def _simulated(scenario: Scenario, lowered: Lowered, replications: int) -> Evaluation:
    choice = choose(lowered, scenario.run.engine)
    tables = _needs_tables(scenario, choice) and keeps_tables(scenario, lowered, choice, asked=False)
    frames, figures, folder = [], [], scenario.source.folder
    for number in range(replications):
        if tables:
            record = recorded(lowered, choice.name, number, folder, warmup=scenario.run.warmup)
            frames.append(RunFrame(**{item.name: getattr(record, item.name) for item in fields(RunFrame)}))
            figures.append(metrics(record))
        else:
            frame, tally, _ = tallied(lowered, number, folder)
            frames.append(frame)
            figures.append(tally_metrics(frame, tally))
    return _told(scenario, choice, frames, figures)


def _needs_tables(scenario: Scenario, choice: Choice) -> bool:
    """The reference engine knows nothing else, and a warm-up is found in the table of requests."""
    return choice.name == "simpy" or scenario.run.warmup == "auto"


def _told(scenario: Scenario, choice: Choice, frames: Sequence[RunFrame], figures: Sequence[Json]) -> Evaluation:
    result = Result.build(scenario.name, scenario.seed, choice.name, choice.reason, frames, metrics=figures)
    told = result.to_dict()
    return Evaluation(
        engine=choice.name,
        engine_reason=choice.reason,
        metrics={"services": told["services"], "pools": told["pools"]},
        replications=tuple(plain(item) for item in figures),
        misses=tuple(result.misses()),
        warnings=tuple(told["warnings"]),
    )


def load_kernel(candidates: Sequence[Scenario | Candidate]) -> None:
    """Compile the engine, or load it from disk, before others do it at the same time.

    Processes that are forked inherit it, others find it on disk. What goes wrong here is told in the candidate's row.
    """
    any(_is_loaded_for(candidate) for candidate in islice(candidates, LOOKED_AT))


def _is_loaded_for(candidate: Scenario | Candidate) -> bool:
    """Whether the candidate is one for the compiled engine, which then is ready."""
    try:
        scenario, lowered = _lowered(candidate)
        if choose(lowered, scenario.run.engine).name == "simpy":
            return False
        _compile_for(lowered, scenario)
    except Exception:  # noqa: BLE001 # as above
        return False
    return True


def _compile_for(lowered: Lowered, scenario: Scenario) -> None:
    """Compile for the types of a run's arrays, without running: they are the same in every run."""
    import numba

    from simulator.cluster.compiled import CompiledEngine, entry

    engine = CompiledEngine(lowered, 0, scenario.source.folder, keep_tables=False)
    act: Any = entry.act()
    typeof: Any = numba.typeof
    act.compile(tuple(typeof(item) for item in (0, 0, 0, 0.0, *engine.arrays.arguments)))
