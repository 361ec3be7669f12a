"""Plan files: what is deployed in every window, in the scenario's own form, and how good that is."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from simulator.errors import Problem, ScenarioError
from simulator.files import write_text
from simulator.scenario.base import Rule, Strict
from simulator.scenario.files import decode, read_bytes
from simulator.scenario.nodes import Entry, Node, printable
from simulator.scenario.overrides import placed
from simulator.scenario.planparts import PlannedForecast, PlannedScenario, PlanWindow
from simulator.scenario.problems import from_pydantic, worded
from simulator.scenario.quantities import Text
from simulator.scenario.source import Source, split_lines
from simulator.scenario.yamltext import Unreadable, read_tree

__all__ = ["Plan", "PlanWindow", "PlannedForecast", "PlannedScenario", "ReadPlan", "plan_text", "read_plan"]


class Plan(Strict):
    """Deployments of every window, what they were sized for, and how good they are."""

    version: Literal[1]
    """Version of this format: 1."""
    scenario: PlannedScenario = PlannedScenario()
    """The scenario that the plan is for."""
    forecast: PlannedForecast | None = None
    """The load forecast; left out: the load of the scenario."""
    windows: Annotated[tuple[PlanWindow, ...], Field(strict=False, min_length=1, max_length=10_000)]
    """The windows in order, without gap."""
    certificate: dict[Text, Any] | None = None
    """How good the plan is: lower bounds and the gaps to them, what binds, the headroom, what was rejected and why."""
    verification: dict[Text, Any] | None = None
    """How the plan was simulated before it was written: replications, attainment with its bounds, 99th percentile."""

    def rules(self) -> Iterator[Rule]:
        """Windows follow each other from 0 on, each with the same services."""
        if self.windows[0].start != 0:
            yield ("windows", 0, "start"), "must be 0: the first window begins with the run"
        for index, (before, window) in enumerate(pairwise(self.windows), start=1):
            if window.start != before.end:
                yield ("windows", index, "start"), f"must be the end of the window before, {before.end:g}s"
            if set(window.services) != set(before.services):
                yield ("windows", index, "services"), "must be the services of the window before"
        for index, window in enumerate(self.windows):
            if window.end <= window.start:
                yield ("windows", index, "end"), f"must be later than the start, {window.start:g}s"


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A plan with the places of its keys."""

    plan: Plan
    source: Source

    def changed(self, source: Source) -> tuple[Source, list[Problem]]:
        """The scenario's source with the plan's deployments, whose problems point into the plan."""
        services = source.tree.child("services")
        known = services.value if services is not None and isinstance(services.value, dict) else {}
        entries, problems = dict(known), []
        for name in self.plan.windows[0].services:
            if name not in known:
                text = f"the scenario has no service {name!r}"
                problems.append(self.source.problem(("windows", 0, "services", name), text))
                continue
            entry = entries[name]
            own = dict(entry.value.value) if isinstance(entry.value.value, dict) else {}
            own.pop("deployment", None)
            own["deployments"] = Entry(self._mark("deployments"), self._deployments(name))
            entries[name] = Entry(entry.key, replace(entry.value, value=own))
        root = source.tree
        assert isinstance(root.value, dict)
        if services is not None:
            key = root.value["services"].key
            root = replace(root, value={**root.value, "services": Entry(key, replace(services, value=entries))})
        return replace(source, tree=root, notes=(*source.notes, *self._notes(source))), problems

    def _mark(self, raw: str) -> Node:
        return Node(raw, 1, 1, raw=raw, origin=self.source.name)

    def _deployments(self, name: str) -> Node:
        found = []
        for index in range(len(self.plan.windows)):
            window = self.source.tree.child("windows").child(index)  # type: ignore[union-attr]  # it was validated
            assert window is not None
            node = window.child("services").child(name)  # type: ignore[union-attr]
            start = window.child("start")
            assert node is not None
            assert start is not None
            own = placed(node, self.source.name)
            assert isinstance(own.value, dict)
            found.append(replace(own, value={**own.value, "from": Entry(self._mark("from"), start)}))
        return Node(found, 1, 1, origin=self.source.name)

    def _notes(self, source: Source) -> list[str]:
        made = self.plan.scenario
        if made.sha256 is not None and made.sha256 != source.sha256:
            return [f"the plan {self.source.name} was made for another version of this scenario"]
        if made.sha256 is not None and tuple(made.variants) != source.variants:
            said = ", ".join(made.variants) or "none"
            return [f"the plan {self.source.name} was made for other variants of this scenario ({said})"]
        return []


def read_plan(path: str | os.PathLike[str]) -> ReadPlan:
    """Read and check a plan file; raises ScenarioError with every problem of the file."""
    file = Path(path)
    data = read_bytes(file)
    name = printable(str(file))
    text = decode(data, name)
    source = Source(name, file, file.parent, hashlib.sha256(data).hexdigest(), split_lines(text), Node({}, 1, 1))
    try:
        tree = read_tree(text)
    except Unreadable as error:
        raise ScenarioError(source.at_line(error.message, error.line, error.column)) from None
    problems = [source.at_line(one.message, one.line, one.column) for one in tree.problems]
    if tree.root is None or not isinstance(tree.root.value, dict):
        raise ScenarioError(Problem("is no plan: `plan optimize -o` writes one", file=name))
    source = replace(source, tree=tree.root)
    try:
        plan = Plan.model_validate(tree.root.plain())
    except ValidationError as error:
        problems += worded(source, Plan, list(from_pydantic(source, error)))
        raise ScenarioError(problems) from None
    if problems:
        raise ScenarioError(problems)
    return ReadPlan(plan, source)


def write_plan(plan: Plan, path: str | os.PathLike[str]) -> None:
    """Write a plan as :func:`read_plan` and ``plan simulate --plan`` read it, whole or not at all."""
    write_text(Path(path), plan_text(plan))


def plan_text(plan: Plan) -> str:
    """A plan as YAML 1.2, quantities with their units; ``read_plan`` reads the same plan back."""
    from ruamel.yaml import YAML

    tree = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    out = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None  # lists and mappings of scalars stay on one line
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the order is the reader's
    yaml.dump({"version": plan.version, **{key: value for key, value in tree.items() if key != "version"}}, out)
    return out.getvalue()
