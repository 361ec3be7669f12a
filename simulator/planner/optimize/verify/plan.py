"""A plan before it is written: simulated over its whole horizon, and judged by what one more run would reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from simulator.cluster.evaluate import Candidate, load_kernel
from simulator.cluster.lower import lower
from simulator.errors import InternalError, ScenarioError
from simulator.planner.optimize.judge.crew import Crew
from simulator.planner.optimize.judge.slices import gap_cv
from simulator.planner.optimize.load import workload_over
from simulator.planner.optimize.problem import PlannedLoad
from simulator.planner.optimize.verify.horizon import Horizon, Run, horizon_of, run_horizon
from simulator.planner.optimize.verify.transitions import Transition, transitions
from simulator.planner.optimize.verify.verified import ServiceVerification, Target, WindowFigures, summed
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment

__all__ = ["ServiceVerification", "Verification", "WindowFigures", "targets_of", "verify"]
REPLICATIONS = 10


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a plan meets its objectives over the horizon, and the figures that say so.

    ``services``: what is planned; ``missed``: windows (numbers) in which a service has to have more room, empty where
    it holds; ``peaks``: most devices of each pool that were held at once in any run; ``sampled``: whether paths of the
    forecast were run as well.
    """

    holds: bool
    replications: int
    first_replication: int
    services: dict[str, ServiceVerification] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
    sampled: bool = False
    reason: str | None = None

    @property
    def missed(self) -> dict[str, tuple[int, ...]]:
        """Windows in which each service has to have more room."""
        return {name: one.missed for name, one in self.services.items()}

    @property
    def cost(self) -> float:
        """Price of what the planned services hold over the horizon."""
        return sum(one.cost for one in self.services.values())

    @property
    def device_hours(self) -> float:
        """Device-hours of the planned services."""
        return sum(one.device_hours for one in self.services.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, for the plan."""
        return {
            "holds": self.holds,
            "reason": self.reason,
            "replications": self.replications,
            "first_replication": self.first_replication,
            "cost": self.cost,
            "device_hours": self.device_hours,
            "services": {name: one.to_dict() for name, one in self.services.items()},
            "peaks": self.peaks,
            "transitions": [one.to_dict() for one in self.transitions],
        }


def verify(
    scenario: Scenario,
    deployments: Mapping[str, Sequence[Deployment]],
    load: PlannedLoad,
    targets: Mapping[str, float] | None = None,
    *,
    replications: int | None = None,
    first: int = 0,
    workers: int | None = None,
    crew: Crew | None = None,
    tell: Callable[[float], None] | None = None,
) -> Verification:
    """Simulate a plan over the whole horizon, with all other services, and judge it.

    ``deployments``: one for each window, by service that is planned. The load is the scenario's own where it was
    planned for, else each window has its rate (the planning quantile of a forecast); paths of the forecast, one in
    each replication, are run beside and reported. The plan holds if the one-sided 95 % prediction bound of one run's
    attainment meets the target of every service and class: ``targets``, or what the scenario states.

    ``first``: number of the first replication; another one asks with other random numbers. What cannot be simulated
    is a verification that does not hold, with its ``reason``.
    """
    count = replications or _replications(scenario)
    own = crew is None
    crew = crew or Crew(workers)
    try:
        return _verified(scenario, deployments, load, targets, count, first, crew, tell)
    except ScenarioError as error:
        return Verification(False, count, first, reason=str(error))
    finally:
        if own:
            crew.close()


def targets_of(scenario: Scenario, services: Sequence[str], targets: Mapping[str, float] | None = None) -> list[Target]:
    """What is asked of each service, and of its classes that ask for more than being counted."""
    found = []
    for name in services:
        spec = scenario.services[name]
        stated = spec.slo.attainment if spec.slo else None
        asked = (targets or {}).get(name, stated)
        if asked is not None:
            found.append(Target(name, None, asked))
        for number, kind in enumerate(spec.classes or ()):
            own = kind.slo.attainment if kind.slo and kind.slo.attainment is not None else stated
            if own is not None:
                found.append(Target(name, number, own, kind.name))
    return found


def _replications(scenario: Scenario) -> int:
    return REPLICATIONS if scenario.planner is None else scenario.planner.verification.replications


Job = tuple[int, dict[str, Any]]
"""Number of the replication, and the workloads that are other than the scenario's."""


def _verified(
    scenario: Scenario,
    deployments: Mapping[str, Sequence[Deployment]],
    load: PlannedLoad,
    targets: Mapping[str, float] | None,
    count: int,
    first: int,
    crew: Crew,
    tell: Callable[[float], None] | None,
) -> Verification:
    whole = horizon_of(scenario, deployments, load)
    lowered = lower(whole)
    names = list(deployments)
    starts = tuple(window.start_s for window in load.windows)
    horizon = Horizon(lowered, whole.run.engine, whole.source.folder, starts)
    jobs = _jobs(scenario, names, load, count, first)
    load_kernel([Candidate(whole, lowered)])
    told = None if tell is None else lambda done: tell(done / len(jobs))
    runs = [_checked(found) for found in crew.each(partial(_run, horizon), jobs, told)]
    asked = targets_of(scenario, names, targets)
    services = {
        name: summed(
            [run.services[name] for run in runs[:count]],
            [run.services[name] for run in runs[count:]] if name in load.samples else [],
            load.windows,
            [target for target in asked if target.service == name],
            float(lowered.warmup_s),
        )
        for name in names
    }
    missing = [f"{name}: {one.reason}" for name, one in services.items() if one.reason]
    peaks = {pool.name: max(run.peaks[pool.name] for run in runs) for pool in lowered.pools}
    return Verification(
        not missing, count, first, services, peaks, tuple(transitions(lowered, load)), len(runs) > count,
        "; ".join(missing) or None,
    )  # fmt: skip


def _jobs(scenario: Scenario, names: Sequence[str], load: PlannedLoad, count: int, first: int) -> list[Job]:
    """Runs at what the plan is sized for, then one for each path of the forecast."""
    given = [name for name in names if name not in load.own]
    cvs = {name: gap_cv(scenario, name, load.windows) for name in given}

    def over(name: str, values: Any) -> Any:
        return workload_over(scenario.services[name].workload, load, values, cvs[name])

    sized = {name: over(name, load.rates[name]) for name in given}
    jobs: list[Job] = [(first + number, sized) for number in range(count)]
    sampled = [name for name in given if name in load.samples and len(load.samples[name])]
    for number in range(count if sampled else 0):
        paths = {name: load.samples[name][(first + number) % len(load.samples[name])] for name in sampled}
        jobs.append((first + number, {**sized, **{name: over(name, path) for name, path in paths.items()}}))
    return jobs


def _run(horizon: Horizon, job: Job) -> Run:
    return run_horizon(horizon, *job)


def _checked(found: Run | Exception) -> Run:
    if isinstance(found, ScenarioError):
        raise found
    if isinstance(found, Exception):
        raise InternalError(f"a run of the plan failed: {type(found).__name__}: {found}") from found
    return found
