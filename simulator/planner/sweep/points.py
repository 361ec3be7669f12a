"""One point of a sweep: its scenario, its figures as flat values, and its rows in the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any

from simulator.cluster import vary
from simulator.errors import ScenarioError
from simulator.planner.outcome import Outcome, entries, fault, leaf_ends, leaves, outcome
from simulator.results.cohort import Json
from simulator.scenario import Scenario

KINDS = {"services": "service", "trainings": "training", "streams": "stream"}
"""Columns that name what a row speaks of, by section."""
DIED = "the process that simulated it ended abruptly, out of memory perhaps"


@dataclass(frozen=True, slots=True)
class Work:
    """Simulates points of a scenario; other processes can be sent it."""

    base: Scenario
    replications: int | None

    def __call__(self, sets: Sequence[str]) -> Json:
        """The answer for the point with these overrides."""
        try:
            scenario = vary(self.base, sets)
        except ScenarioError as error:
            return answer(Outcome(error=str(error)))
        return answer(outcome(scenario, self.replications))


def answer(found: Outcome) -> Json:
    """What is kept of a point, all of it JSON: a row of figures for every service, training and stream."""
    return {
        "rows": [{KINDS[section]: name, "figures": _figures(tree)} for section, name, tree in entries(found.figures)],
        "engine": found.engine,
        "missed": [str(miss) for miss in found.misses],
        "missing": sorted({miss.service for miss in found.misses}),
        "warnings": list(found.warnings),
        "error": found.error,
        "internal": found.internal,
    }


def of_exception(error: Exception) -> Json:
    """The answer of a point that could not be sent or did not come back."""
    if isinstance(error, BrokenExecutor):
        return answer(Outcome(error=DIED, internal=True))
    return answer(fault(error))


def _figures(tree: Json) -> Json:
    """Every figure, followed by its interval where one is known."""
    found: Json = {}
    for metric, value in leaves(tree).items():
        low, high = leaf_ends(tree, metric)
        found[metric] = value
        if low is not None:
            found[f"{metric}_lo"], found[f"{metric}_hi"] = low, high
    return found


def rows(number: int, values: Json, told: Json, base: Scenario) -> Iterator[Json]:
    """The rows of one point; a failed one has a row for everything that the scenario names, with the reason."""
    kinds = [KINDS[section] for section in KINDS if section == "services" or getattr(base, section)]
    if told["error"] is not None:
        named = [{KINDS[section]: name, "figures": {}} for section in KINDS for name in getattr(base, section)]
    else:
        named = told["rows"]
    for one in named:
        what: dict[str, Any] = {kind: one.get(kind) for kind in kinds}
        state = {"engine": told["engine"], "holds": _holds(one, told), "error": told["error"]}
        yield {"point": number, **values, **what, **state, **one["figures"]}


def _holds(one: Json, told: Json) -> bool | None:
    """Whether the service met its stated objectives; None where it failed, or for what has none."""
    return None if told["error"] is not None or "service" not in one else one["service"] not in told["missing"]
