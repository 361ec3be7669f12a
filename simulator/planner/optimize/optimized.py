"""What an optimisation returns: the plan, how good it is, and whether it passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.planner.optimize.problem import PlannedLoad, PoolLimit, Space
from simulator.planner.optimize.search.found import Choice
from simulator.results.cohort import Json
from simulator.scenario import Scenario
from simulator.scenario.planfile import Plan
from simulator.scenario.planparts import PlanWindow
from simulator.version import __version__

if TYPE_CHECKING:
    import pandas as pd

Choices = Sequence[Sequence[Choice]]
"""By service, then by window."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is told while it works: the phase, the share of it that is done where that is known, and how it stands."""

    phase: str
    share: float | None = None
    incumbent: float | None = None
    bound: float | None = None
    gap: float | None = None
    evaluations: int = 0


@dataclass(frozen=True, eq=False)
class Optimized:
    """The best plan found.

    ``holds``: it meets every objective over the whole horizon, as simulated; else ``reason`` says why not, and ``plan``
    is the best that was found, None where nothing was. ``certificate`` and ``verification`` stand in the plan as well.
    ``tried``: every candidate that was judged, one row each. ``pareto``: what less latency or more accuracy costs,
    where that was asked for. ``interrupted``: the search was ended by Ctrl-C.
    """

    scenario: Scenario
    objective: str
    load: PlannedLoad
    pools: tuple[PoolLimit, ...]
    spaces: tuple[Space, ...]
    choices: Choices | None
    plan: Plan | None
    holds: bool
    reason: str | None
    certificate: Json
    verification: Json | None
    cost: Json | None
    """``total`` money over the horizon, ``per_hour``, and ``switching``, what changes take of the total."""
    tried: pd.DataFrame = field(repr=False)
    pareto: list[Json] | None = None
    interrupted: bool = False
    notes: tuple[str, ...] = ()

    def to_dict(self) -> Json:
        """As JSON values."""
        source = self.scenario.source
        return {
            "scenario": self.scenario.name,
            "scenario_hash": source.sha256,
            "variants": list(source.variants),
            "overrides": list(source.sets),
            "seed": self.scenario.seed,
            "version": __version__,
            "objective": self.objective,
            "holds": self.holds,
            "reason": self.reason,
            "horizon": self.load.windows[-1].end_s,
            "forecast": None if self.load.forecast is None else self.load.forecast.model_dump(),
            "cost": self.cost,
            "windows": [] if self.plan is None else [_window(one) for one in self.plan.windows],
            "certificate": self.certificate,
            "verification": self.verification,
            "pareto": self.pareto,
            "tried": len(self.tried),
            "notes": list(self.notes),
        }

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each window and service of the plan."""
        from simulator.results.shown_table import frame_of

        return frame_of(
            {"start": window["start"], "end": window["end"], "service": name, **row}
            for window in self.to_dict()["windows"]
            for name, row in window["services"].items()
        )

    def _repr_html_(self) -> str:
        from simulator.planner.shown import optimized_html

        return optimized_html(self.to_dict())


def _window(window: PlanWindow) -> Json:
    return {
        "start": window.start,
        "end": window.end,
        "services": {name: _row(window, name) for name in window.services},
    }


def _row(window: PlanWindow, name: str) -> Json:
    deployment, said = window.services[name], window.stated[name]
    formats = list(dict.fromkeys(str(portion.precision) for portion in deployment.portions))
    waits = [portion.max_wait for portion in deployment.portions]
    return {
        "rate": window.rate[name],
        "exit_mode": deployment.exit_mode,
        "execution": said.execution,
        "splits": list(said.splits),
        "batch": list(said.batch),
        "max_wait": max(waits),
        "precision": "/".join(formats),
        "rule": None if deployment.rule is None else deployment.rule.model_dump(),
        "ramps": None if deployment.ramps is None else list(deployment.ramps),
        "resources": [one.model_dump() for one in said.resources],
        "survival": [one.model_dump() for one in window.survival.get(name, ())],
        **window.predicted[name].model_dump(),
    }
