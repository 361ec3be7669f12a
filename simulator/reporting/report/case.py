"""What a report is about: a scenario, its plan and its result, and the numbers that the parts make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from simulator.cluster.lower import lower
from simulator.cluster.lower.hardware import Hardware, pools_of
from simulator.cluster.lowered import Lowered
from simulator.planner.stream import Groups, compare_groups
from simulator.reporting.report.bench import FEW, Bench, bench_of
from simulator.reporting.report.content import Block
from simulator.results import Result
from simulator.scenario import Scenario
from simulator.scenario.planfile import Plan

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One chapter: its numbers, and how they are shown.

    ``numbers``: plain values, None where the chapter has nothing to say of this case and is left out; ``blocks``: what
    is shown of them. Both may ask the case for the numbers of other parts.
    """

    name: str
    title: str
    numbers: Callable[[Case], Json | None]
    blocks: Callable[[Case], Sequence[Block]]


@dataclass(frozen=True, eq=False)
class Case:
    """A scenario (with a plan's deployments where there is one), its result, and what the numbers are made from."""

    scenario: Scenario
    plan: Plan | None
    result: Result
    command: str
    plan_name: str | None = None
    draws: int = 12
    parts: Mapping[str, Part] = field(default_factory=dict)
    _known: dict[str, Json | None] = field(default_factory=dict)

    @cached_property
    def figures(self) -> Json:
        """The result as ``plan simulate --json`` prints it."""
        return self.result.to_dict()

    @cached_property
    def bench(self) -> Bench | None:
        """Where what-ifs are tried; None without services."""
        return bench_of(self.scenario)

    @cached_property
    def small_bench(self) -> Bench | None:
        """The same with fewer requests, for what takes many runs."""
        return bench_of(self.scenario, FEW)

    @cached_property
    def lowered(self) -> Lowered:
        """The cluster as arrays; services that live in a training's idle windows are not among them."""
        from simulator.cluster.fill.tenants import without_tenants

        return lower(without_tenants(self.scenario))

    @cached_property
    def pools(self) -> dict[str, Hardware]:
        """Every pool."""
        return pools_of(self.scenario)

    @cached_property
    def groups(self) -> dict[str, Groups]:
        """Group sizes of every stream."""
        return {name: compare_groups(self.scenario, name) for name in self.scenario.streams}

    def numbers(self, name: str) -> Json | None:
        """The numbers of a part, made when they are first asked for."""
        if name not in self._known:
            self._known[name] = self.parts[name].numbers(self)
        return self._known[name]

    @property
    def tree(self) -> Json:
        """All numbers: the result, and what the parts made so far."""
        return {"result": self.figures, **{name: found for name, found in self._known.items() if found is not None}}
