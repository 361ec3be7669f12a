"""From a scenario to its report."""

from __future__ import annotations

from collections.abc import Callable

from simulator.cluster.simulate import simulate
from simulator.reporting.report.case import Case
from simulator.reporting.report.content import Report, Section
from simulator.reporting.report.sections import PARTS
from simulator.results.strictjson import plain
from simulator.scenario import Scenario
from simulator.scenario.planfile import Plan

Progress = Callable[[float], None]
DRAWS = 12
"""Draws of the costs' error: enough for the ends of a band, as they are spread evenly."""


def make_report(
    scenario: Scenario,
    plan: Plan | None = None,
    *,
    plan_name: str | None = None,
    command: str = "plan report",
    seed: int | None = None,
    replications: int | str | None = None,
    draws: int = DRAWS,
    progress: Progress | None = None,
) -> Report:
    """A capacity report of a scenario, which holds the deployments of ``plan`` already where there is one.

    ``numbers["result"]`` is what :func:`simulator.simulate` says of the same scenario; the other numbers are those of
    the parts, by their name. ``command`` is what is said to make the same report again.
    """
    if seed is not None:
        scenario = scenario.model_copy(update={"seed": seed})
    parts = {part.name: part for part in PARTS}
    result = simulate(scenario, replications=replications)
    case = Case(scenario, plan, result, command, plan_name, draws, parts)
    for done, part in enumerate(PARTS):
        case.numbers(part.name)
        if progress is not None:
            progress((done + 1) / len(PARTS))
    sections = tuple(
        Section(part.name, part.title, tuple(part.blocks(case)))
        for part in PARTS
        if case.numbers(part.name) is not None
    )
    return Report(scenario.name, _subtitle(case), plain(case.tree), sections)


def _subtitle(case: Case) -> str:
    counts = {name: len(case.figures[name]) for name in ("services", "trainings", "streams")}
    told = [f"{count} {name if count > 1 else name[:-1]}" for name, count in counts.items() if count]
    plan = f", plan {case.plan_name}" if case.plan_name else ""
    return f"{', '.join(told)}{plan}"
