"""Trainings and streams: sections of a scenario beside its services, each simulated by a room of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TypeAlias

from simulator.cluster.lower.hardware import Hardware, pools_of
from simulator.results.jobs import JobRun, Jobs
from simulator.scenario import Scenario

Replicate: TypeAlias = "Callable[[int], Mapping[str, JobRun]]"
"""The number of a replication in, a run of every job of the section out."""
Prepare: TypeAlias = "Callable[[Scenario, Mapping[str, Hardware]], Replicate]"
"""A scenario and its pools in, what runs its replications out; refuses what cannot work, with its place."""

SECTIONS: dict[str, str] = {
    "trainings": "simulator.cluster.training.run:prepare",
    "streams": "simulator.cluster.streaming.run:prepare",
}
"""Section by name: who simulates it, as ``module:function``. One line each."""


def simulated(scenario: Scenario) -> list[str]:
    """Sections that the scenario has and that can be simulated."""
    return [name for name in SECTIONS if getattr(scenario, name)]


def prepare(scenario: Scenario) -> dict[str, Replicate]:
    """All sections, ready to run. Raises ScenarioError for what cannot work, with its place."""
    pools = pools_of(scenario)
    return {name: _preparer(name)(scenario, pools) for name in simulated(scenario)}


def run(
    sections: Mapping[str, Replicate], replications: int, done: Mapping[str, Jobs] | None = None
) -> dict[str, Jobs]:
    """All replications of every section but those that are ``done``."""
    have = done or {}
    return {
        name: have[name] if name in have else Jobs([replicate(number) for number in range(replications)])
        for name, replicate in sections.items()
    }


def _preparer(section: str) -> Prepare:
    module, _, name = SECTIONS[section].partition(":")
    found: Prepare = getattr(import_module(module), name)
    return found
