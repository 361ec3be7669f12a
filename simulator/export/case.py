"""What is exported: the scenario with its deployments, window by window."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from simulator import catalogue
from simulator.cluster import load
from simulator.errors import Problem, ScenarioError
from simulator.export.parts import Part, parts_of
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment
from simulator.scenario.files import decode, read_bytes
from simulator.scenario.nodes import printable
from simulator.scenario.planfile import read_plan
from simulator.scenario.yamltext import Unreadable, read_tree


@dataclass(frozen=True, slots=True)
class Window:
    """What is deployed from ``start_s`` to ``end_s``."""

    number: int
    """Number in the plan, from 0."""
    start_s: float
    end_s: float
    services: dict[str, Deployment]
    parts: dict[str, tuple[Part, ...]]
    """Parts by service."""

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """The parts of all services."""
        return tuple(part for parts in self.parts.values() for part in parts)


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario with what a plan deploys, or with its own deployments."""

    scenario: Scenario
    windows: tuple[Window, ...]
    file: str
    """Name of the plan file, or of the scenario without one."""
    sha256: str
    """SHA-256 of that file's text."""

    @property
    def length_s(self) -> float:
        """From the start of the first window to the end of the last [s]."""
        return self.windows[-1].end_s - self.windows[0].start_s

    def only(self, number: int | None) -> Case:
        """The same with one window; None: all of them."""
        if number is None:
            return self
        if not 0 <= number < len(self.windows):
            last = len(self.windows) - 1
            message = f"there is no window {number}: " + (f"it has 0 to {last}" if last else "it has only window 0")
            raise ScenarioError(Problem(message, file=self.file))
        return replace(self, windows=(self.windows[number],))


def read_case(
    path: str | os.PathLike[str],
    scenario: str | os.PathLike[str] | None = None,
    sets: tuple[str, ...] = (),
    variants: tuple[str, ...] = (),
) -> Case:
    """Read a plan and its scenario (``scenario``, or what the plan names), or a scenario with deployments itself.

    Variants and overrides are those that the plan was made with, where none are given.
    """
    file = Path(path)
    name = printable(str(file))
    if not is_plan(file):
        if scenario is not None:
            raise ScenarioError(Problem("is no plan (it has no `windows`), so it goes not with --scenario", file=name))
        loaded = load(file, sets=sets, variants=variants)
        return case_of(loaded, name, loaded.source.sha256)
    plan = read_plan(file)
    made = plan.plan.scenario
    place = Path(scenario) if scenario is not None else _named(made.path, file, name)
    anew = {one.partition("=")[0] for one in sets}
    kept = tuple(one for one in made.sets if one.partition("=")[0] not in anew)
    loaded = load(place, sets=(*kept, *sets), variants=variants or made.variants, plan=file)
    return case_of(loaded, name, plan.source.sha256, plan.plan.windows[-1].end)


def is_plan(file: Path) -> bool:
    """Whether a file has the key ``windows``, which a scenario has not; ScenarioError when it cannot be read."""
    name = printable(str(file))
    try:
        root = read_tree(decode(read_bytes(file), name)).root
    except Unreadable as error:
        raise ScenarioError(Problem(error.message, name, error.line, error.column)) from None
    return root is not None and isinstance(root.value, dict) and "windows" in root.value


def _named(written: str | None, plan: Path, name: str) -> Path:
    """The scenario that a plan names, relative to the plan, or as it was named where the plan was made."""
    if written is None:
        raise ScenarioError(Problem("does not name its scenario: add --scenario FILE", file=name, path="scenario.path"))
    for found in (plan.parent / written, Path(written)):
        if found.is_file():
            return found
    message = f"there is no file {printable(str(plan.parent / written))}: add --scenario FILE"
    raise ScenarioError(Problem(message, file=name, path="scenario.path"))


def case_of(scenario: Scenario, file: str, sha256: str, end_s: float | None = None) -> Case:
    """The case of a scenario whose deployments stand: windows begin wherever any service changes what is deployed.

    ``file`` and ``sha256`` say where they come from; the last window ends at ``end_s`` (None: with the run).
    """
    if not scenario.services:
        raise ScenarioError(Problem("has no service: trainings and streams are not exported", file=file))
    for name, service in scenario.services.items():
        if not service.timeline:
            message = f"nothing is deployed for service {name}: find a plan with `plan optimize`, and export that"
            raise ScenarioError(Problem(message, file=file))
    changes = {start for service in scenario.services.values() for start, _ in service.timeline}
    last_s = scenario.run.duration if end_s is None else end_s
    starts = sorted(start for start in changes if start < last_s)
    windows = []
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], last_s])):
        services = {
            key: [one for begin, one in service.timeline if begin <= start][-1]
            for key, service in scenario.services.items()
        }
        parts = {key: parts_of(scenario, key, one) for key, one in services.items()}
        windows.append(Window(number, start, end, services, parts))
    return Case(scenario, tuple(windows), file, sha256)


def device_name(scenario: Scenario, pool: str) -> str:
    """The device of a pool in words: its name in the catalogue, or ``a device described in the scenario``."""
    device = scenario.cluster.pools[pool].device
    if isinstance(device, str) and device in catalogue.device_names():
        return device
    return "a device described in the scenario"
