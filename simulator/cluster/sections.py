"""Trainings and streams: sections of a scenario beside its services, each simulated by a room of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TypeAlias

from simulator.cluster.lower.hardware import Hardware
from simulator.results.jobs import JobRun, Jobs
from simulator.scenario import Scenario

Replicate: TypeAlias = "Callable[[Scenario, Mapping[str, Hardware], int], Mapping[str, JobRun]]"
"""A scenario, its pools and the number of a replication in, a run of every job of the section out."""

SECTIONS: dict[str, str] = {
    "trainings": "simulator.cluster.training.run:replicate",
    "streams": "simulator.cluster.streaming.run:replicate",
}
"""Section by name: who simulates it, as ``module:function``. One line each."""


def simulated(scenario: Scenario) -> list[str]:
    """Sections that the scenario has and that can be simulated."""
    return [name for name in SECTIONS if getattr(scenario, name)]


def run_sections(scenario: Scenario, pools: Mapping[str, Hardware], replications: int) -> dict[str, Jobs]:
    """All replications of every section. Raises ScenarioError for what cannot work, with its place."""
    return {
        name: Jobs([_replicate(name)(scenario, pools, number) for number in range(replications)])
        for name in simulated(scenario)
    }


def _replicate(section: str) -> Replicate:
    module, _, name = SECTIONS[section].partition(":")
    found: Replicate = getattr(import_module(module), name)
    return found
