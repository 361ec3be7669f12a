"""A day's real load against what was deployed: cost, attainment, device-hours, changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.cluster.simulate import simulate
from simulator.planner.backtest.days import Day, of_day
from simulator.planner.backtest.strategies import Decided
from simulator.planner.optimize.load import workload_at
from simulator.results import Result
from simulator.scenario import Scenario
from simulator.scenario.shapes import Steps


@dataclass(frozen=True, slots=True)
class Replayed:
    """Figures of one day under one strategy.

    ``cost`` is that of all devices held over the day; ``changes`` the instants at which the number of replicas
    changed, in the mean over replications; ``attainment`` None where no objective is stated.
    """

    cost: float
    device_hours: float
    attainment: float | None
    p99_s: float | None
    changes: float
    requests: float
    verified: bool
    reason: str | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "cost": self.cost,
            "device_hours": self.device_hours,
            "attainment": self.attainment,
            "p99": self.p99_s,
            "changes": self.changes,
            "requests": self.requests,
            "verified": self.verified,
            "reason": self.reason,
        }


def replay(day: Day, decided: Decided, replications: int) -> Replayed:
    """Simulate the day; all strategies meet the same arrivals."""
    scenario = replayed_scenario(day, decided)
    result = simulate(scenario, replications=replications, tables=False)
    figures = result.to_dict()["services"][day.case.service]
    hours = scenario.run.duration / 3600.0
    return Replayed(
        cost=(figures["cost_per_hour"] or 0.0) * hours,
        device_hours=figures["device_hours"],
        attainment=figures["attainment"],
        p99_s=figures["latency"]["p99"],
        changes=changes(result),
        requests=figures["arrived"] / max(len(result.runs), 1),
        verified=decided.verified,
        reason=decided.reason,
    )


def replayed_scenario(day: Day, decided: Decided) -> Scenario:
    """The service alone, with what was deployed and the load that came."""
    name, scenario = day.case.service, of_day(day.case.scenario, day.case.service)
    spec = scenario.services[name]
    mean = float(day.actual.mean())
    factors = tuple(float(value) for value in day.actual / mean)
    # what is validated is text with units
    steps = Steps.model_construct(kind="steps", every=day.case.fine.step_s, factors=factors)
    load = workload_at(spec.workload, mean).model_copy(update={"shape": (steps,), "scale": 1.0})
    service = spec.model_copy(update={"workload": load, "deployment": None, "deployments": decided.deployments})
    # the service is alone with its devices: what others held is no longer there
    return scenario.model_copy(update={"services": {name: service}, "planner": None})


def changes(result: Result) -> float:
    """Instants within a run at which replicas came or went, in the mean over replications."""
    counts = []
    for run in result.runs:
        instants = np.concatenate([run.replicas.ready_s, run.replicas.released_s])
        inside = instants[(instants > 0.0) & (instants < run.duration_s)]
        counts.append(np.unique(inside).size)
    return float(np.mean(counts)) if counts else 0.0
