"""What becomes of one scenario among many: all its figures and those of each replication, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.cluster import evaluate, simulate
from simulator.errors import ScenarioError
from simulator.results import Miss, Result
from simulator.results.cohort import Json
from simulator.results.figures import ends
from simulator.results.strictjson import plain
from simulator.scenario import Scenario

SECTIONS = ("services", "trainings", "streams")
WHEN_AUTO = 3
"""Replications where a scenario leaves their number to the run: everyone who is compared has equally many."""
_NESTED = ("layers", "from", "ci95", "portions", "classes", "twin", "exits", "stages")
"""Keys that are names, or whose entries differ from one deployment to the next."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one scenario. One that failed has its ``error`` and no figures."""

    figures: Json = field(default_factory=lambda: {name: {} for name in SECTIONS})
    """``services``, ``trainings`` and ``streams`` as in a result, over all replications."""
    replications: tuple[Json, ...] = ()
    """The same of each replication."""
    engine: str | None = None
    misses: tuple[Miss, ...] = ()
    """Stated objectives that are not met."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    internal: bool = False
    """Whether the error is not the scenario's: a fault of the program, or of the machine."""


def outcome(scenario: Scenario, replications: int | None = None, *, exact: bool = False) -> Outcome:
    """Simulate one scenario, whatever comes of it; by default as often as it says itself.

    One of services alone is a candidate of :func:`~simulator.cluster.evaluate`; with trainings or streams all of it
    is simulated, and so it is where percentiles are to be ``exact`` (as far as a run keeps tables unasked).
    """
    count = stated_replications(scenario) if replications is None else replications
    if exact or scenario.trainings or scenario.streams:
        return _whole(scenario, count, None if exact else False)
    row = evaluate([scenario], replications=count, workers=1)[0]
    nothing: Json = {"trainings": {}, "streams": {}}
    return Outcome(
        {"services": row.metrics["services"], **nothing},
        tuple({"services": item["services"], **nothing} for item in row.replications),
        row.engine,
        row.misses,
        row.warnings,
        row.error,
        row.internal,
    )


def stated_replications(scenario: Scenario) -> int:
    """Replications that the scenario asks for; three where it says ``auto``."""
    asked = scenario.run.replications
    return WHEN_AUTO if isinstance(asked, str) else asked


def _whole(scenario: Scenario, count: int, tables: bool | None) -> Outcome:
    try:
        result = simulate(scenario, replications=count, tables=tables)
    except ScenarioError as error:
        return Outcome(error=str(error))
    except Exception as error:  # noqa: BLE001 # its row says so, the others go on
        return fault(error)
    told = result.to_dict()
    return Outcome(
        {name: told[name] for name in SECTIONS},
        replications_of(result),
        told["engine"],
        tuple(result.misses()),
        tuple(told["warnings"]),
    )


def replications_of(result: Result) -> tuple[Json, ...]:
    """The figures of each replication of a result, by section."""
    count = result.to_dict()["replications"]
    found: list[Json] = [{"services": item["services"]} for item in result.metrics] or [
        {"services": {}} for _ in range(count)
    ]
    for section in ("trainings", "streams"):
        for number, tree in enumerate(found):
            runs = result.jobs[section].runs[number] if section in result.jobs else {}
            tree[section] = {name: run.to_dict() for name, run in runs.items()}
    return tuple(plain(tree) for tree in found)


def fault(error: Exception) -> Outcome:
    """The outcome of something that is not the scenario's fault."""
    return Outcome(error=f"{type(error).__name__}: {error}", internal=True)


def leaves(tree: Json) -> dict[str, float | None]:
    """The figures of a service, training or stream by name: those of the latency bare (``p99``), of classes dotted.

    ``utilization`` of a service is that of its busiest portion. Shares of the exits, portions and twins are left out.

    >>> leaves({"arrived": 3, "latency": {"p99": 0.2}, "classes": {"paid": {"goodput": 2.0}}})
    {'arrived': 3, 'p99': 0.2, 'classes.paid.goodput': 2.0}
    """
    found = {path.removeprefix("latency."): value for path, value in _numbers(tree, "")}
    busy = [item["utilization"] for item in tree.get("portions", ()) if item["utilization"] is not None]
    if "portions" in tree:
        found["utilization"] = max(busy, default=None)
    for name, entry in tree.get("classes", {}).items():
        found |= {f"classes.{name}.{key}": value for key, value in leaves(entry).items()}
    return found


def leaf_ends(tree: Json, metric: str) -> tuple[float | None, float | None]:
    """The 95 % interval of one of :func:`leaves`; (None, None) without one."""
    if metric == "utilization" and "portions" in tree:
        busiest: Json = max(tree["portions"], key=lambda item: item["utilization"] or 0.0, default={})
        return ends(busiest, metric)
    if metric.startswith("classes."):
        for name, entry in tree.get("classes", {}).items():
            if metric.startswith(f"classes.{name}."):
                return leaf_ends(entry, metric.removeprefix(f"classes.{name}."))
    return ends(tree, metric)


def _numbers(tree: Json, prefix: str) -> Iterator[tuple[str, float | None]]:
    for key, value in tree.items():
        if key in _NESTED:
            continue
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{key}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield f"{prefix}{key}", value


def entries(figures: Json) -> Iterator[tuple[str, str, Json]]:
    """Section, name and figures of everything that has some."""
    for section in SECTIONS:
        for name, tree in figures.get(section, {}).items():
            yield section, name, tree
