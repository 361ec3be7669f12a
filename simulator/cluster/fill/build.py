"""From ``trainings.<name>.fill`` to what fills the windows; what cannot work is refused with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from simulator.cluster.clock import Clock
from simulator.cluster.fill.filler import Filler, Rules
from simulator.cluster.fill.joblist import jobs_of
from simulator.cluster.fill.jobs import JobsFiller
from simulator.cluster.fill.second import Second, SecondFiller
from simulator.cluster.fill.secondplan import SecondPlan, second_plan
from simulator.cluster.fill.serving import ServicesFiller
from simulator.cluster.fill.tenants import Tenant, tenants_of
from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline.filling import POLICIES, Fit, Job
from simulator.scenario import Scenario
from simulator.scenario.fill import Fill, JobsFill, SameFill, ServicesFill


class FillPlan(Protocol):
    """What is to run in the windows of one training: makes a filler for every replication."""

    @property
    def rules(self) -> Rules:
        """How it behaves."""
        ...

    def filler(self, clock: Clock, setup: TrainingSetup, replication: int) -> Filler:
        """The filler of a replication."""
        ...


@dataclass(frozen=True)
class JobsPlan:
    """Fill jobs and the policy that chooses among their pieces."""

    rules: Rules
    jobs: tuple[Job, ...]
    policy: str

    def filler(self, clock: Clock, setup: TrainingSetup, replication: int) -> Filler:
        """One that runs the jobs."""
        return JobsFiller(clock, setup, self.rules, self.jobs, POLICIES[self.policy])


@dataclass(frozen=True)
class SamePlan:
    """A second instance, and how it is run."""

    rules: Rules
    plan: SecondPlan

    @property
    def second(self) -> Second:
        """The second instance."""
        return self.plan.second

    def filler(self, clock: Clock, setup: TrainingSetup, replication: int) -> Filler:
        """One that runs the second instance."""
        return SecondFiller(clock, setup, self.rules, self.plan.second)


@dataclass(frozen=True)
class ServicesPlan:
    """Services that live in the windows."""

    rules: Rules
    tenants: tuple[Tenant, ...]

    def filler(self, clock: Clock, setup: TrainingSetup, replication: int) -> Filler:
        """One that serves their requests."""
        return ServicesFiller(clock, setup, self.rules, self.tenants, replication)


def fill_plan(scenario: Scenario, setup: TrainingSetup, pools: Mapping[str, Hardware]) -> FillPlan | None:
    """What runs in the windows of a training; None: nothing."""
    written = setup.written.fill
    if written is None:
        return None
    rules = rules_of(written)
    if isinstance(written, JobsFill):
        return JobsPlan(rules, jobs_of(scenario, setup, written), written.policy)
    if isinstance(written, SameFill):
        return SamePlan(rules, second_plan(scenario, setup, rules, written))
    assert isinstance(written, ServicesFill)
    return ServicesPlan(rules, tenants_of(scenario, setup, pools, written))


def rules_of(written: Fill) -> Rules:
    """The rules that a scenario states."""
    return Rules(Fit(written.switch, written.margin), written.slowdown_budget, written.band)
