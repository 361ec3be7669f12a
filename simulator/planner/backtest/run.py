"""Forecast, plan and replay a real load, day after day, beside the alternatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.errors import Problem, ScenarioError
from simulator.planner.backtest.days import Case, Day, case_of, days_of, of_day
from simulator.planner.backtest.replay import Replayed, replay
from simulator.planner.backtest.strategies import STRATEGIES, Decided, Made, Planning, Reaction
from simulator.planner.optimize.problem import PlannedLoad
from simulator.results.intervals import interval
from simulator.results.strictjson import to_json
from simulator.scenario import Scenario
from simulator.scenario.base import unknown
from simulator.workload.forecast.reading import LoadSeries, Source, read_series, seconds
from simulator.workload.forecast.regular import DAY_S

if TYPE_CHECKING:
    import pandas as pd

WINDOW_S = 3600.0
TARGET = 0.7
"""Utilization that the autoscaler aims at, where none is asked for."""
COMPARED = ("cost", "device_hours", "attainment", "changes")
Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class PlanBacktest:
    """Replayed days by strategy, and what was asked."""

    scenario: str
    service: str
    series: str
    window_s: float
    quantile: float
    target: float | None
    starts_s: tuple[float, ...]
    days: dict[str, tuple[Replayed, ...]]

    def total(self, name: str) -> dict[str, Any]:
        """Sums over the days of a strategy; the attainment is the mean over requests."""
        rows = self.days[name]
        known = [(one.attainment, one.requests) for one in rows if one.attainment is not None]
        weight = math.fsum(count for _, count in known)
        share = math.fsum(value * count for value, count in known) / weight if weight else None
        return {
            "cost": math.fsum(one.cost for one in rows),
            "device_hours": math.fsum(one.device_hours for one in rows),
            "attainment": share,
            "missed_days": sum(self.missed(one) for one in rows),
            "changes": math.fsum(one.changes for one in rows) / len(rows),
            "unverified_days": sum(not one.verified for one in rows),
        }

    def missed(self, one: Replayed) -> bool:
        """Whether a day falls short of the objective."""
        return self.target is not None and one.attainment is not None and one.attainment < self.target

    def paired(self, name: str, reference: str) -> dict[str, Any]:
        """Differences to another strategy, day by day: mean and 95 % interval (Student-t over the days)."""
        found: dict[str, Any] = {}
        for key in COMPARED:
            pairs = [(getattr(a, key), getattr(b, key)) for a, b in zip(self.days[name], self.days[reference])]
            gaps = [a - b for a, b in pairs if a is not None and b is not None]
            found[key] = None if not gaps else {"mean": math.fsum(gaps) / len(gaps), "ci95": interval(gaps)}
        return found

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        names = list(self.days)
        return {
            "scenario": self.scenario,
            "service": self.service,
            "series": self.series,
            "window": self.window_s,
            "quantile": self.quantile,
            "target": self.target,
            "days_s": list(self.starts_s),
            "strategies": {
                name: {
                    "about": STRATEGIES[name].about,
                    "total": self.total(name),
                    "versus": {names[0]: self.paired(name, names[0])} if name != names[0] else {},
                    "days": [one.to_dict() for one in self.days[name]],
                }
                for name in names
            },
        }

    def to_json(self) -> str:
        """The figures as JSON text."""
        return to_json(self.to_dict())

    @property
    def frame(self) -> pd.DataFrame:
        """One row per strategy and day."""
        from simulator.results.shown_table import frame_of

        return frame_of(
            {"strategy": name, "start_s": start, **one.to_dict()}
            for name, rows in self.days.items()
            for start, one in zip(self.starts_s, rows)
        )

    def _repr_html_(self) -> str:
        from simulator.planner.shown import backtest_html

        return backtest_html(self.to_dict())


def backtest(
    scenario: Scenario,
    series: Source,
    *,
    column: str | Sequence[str] = "requests",
    interval: object = None,
    gaps: str | None = None,
    begin: object = None,
    days: int = 4,
    window: object = None,
    scale: float | None = None,
    service: str | None = None,
    strategies: Sequence[str] | None = None,
    target: float = TARGET,
    replications: int = 1,
    options: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> PlanBacktest:
    """At every midnight: forecast from what came before, plan, and replay what really came.

    ``series``, ``column``, ``interval`` and ``gaps`` as in :func:`simulator.forecast`; a count times ``scale`` over
    the length of its bin is the rate. ``begin``: first day on the clock of the series; ``window``: planning interval
    (default: the scenario's, else 1h). ``target``: utilization that the autoscaler aims at; ``options`` go to
    :func:`simulator.optimize`. Every strategy meets the same arrivals. Raises ScenarioError for what cannot be done.
    """
    names = _names(strategies)
    read = read_series(series, column=column, interval=interval, gaps=gaps)
    case = _case(scenario, read, service, window, scale)
    chosen = days_of(case, None if begin is None else seconds(begin, "from"), days)
    reaction = Reaction(target, {name: _room(pool) for name, pool in scenario.cluster.pools.items()})
    found: dict[str, list[Replayed]] = {name: [] for name in names}
    steps, done = len(chosen) * len(names), 0
    for day in chosen:
        planning = _planning(day, options or {})
        for name in names:
            if progress is not None:
                progress(done / steps, f"day {day.start_s / 86400:g}, {name}")
            decided: Decided = STRATEGIES[name].decide(day, planning, reaction)
            found[name].append(replay(day, decided, replications))
            done += 1
    if progress is not None:
        progress(1.0, "")
    slo = scenario.services[case.service].slo
    return PlanBacktest(
        scenario=scenario.name,
        service=case.service,
        series=case.series,
        window_s=DAY_S / case.windows,
        quantile=case.quantile,
        target=None if slo is None else slo.attainment,
        starts_s=tuple(day.start_s for day in chosen),
        days={name: tuple(rows) for name, rows in found.items()},
    )


def _names(asked: Sequence[str] | None) -> list[str]:
    if asked is None:
        return list(STRATEGIES)
    for name in asked:
        if name not in STRATEGIES:
            raise ScenarioError(Problem(unknown("strategy", name, STRATEGIES), path="strategy"))
    return list(dict.fromkeys(asked))


def _case(scenario: Scenario, read: LoadSeries, service: str | None, window: object, scale: float | None) -> Case:
    planner = scenario.planner
    if planner is None:
        raise ScenarioError(scenario.source.problem((), "has no `planner` section: it says what may be planned"))
    name = service if service is not None else next(iter(scenario.services), "")
    if name not in scenario.services:
        raise ScenarioError(Problem(unknown("service", name, scenario.services), path="service"))
    if service is None and len(scenario.services) > 1:
        raise ScenarioError(Problem("say which: a series is the load of one service", path="service"))
    length = planner.window or WINDOW_S if window is None else seconds(window, "interval")
    given = getattr(planner.forecast, "scale", None) if planner.forecast is not None else None
    factor = scale if scale is not None else given if given is not None else 1.0
    if not factor > 0 or not math.isfinite(factor):
        raise ScenarioError(Problem(f"must be greater than 0, got {factor:g}", path="scale"))
    return case_of(scenario, read, name, length, factor, planner.quantile)


def _room(pool: Any) -> int:
    return int(pool.count // pool.devices_per_replica)


def _planning(day: Day, options: dict[str, Any]) -> Planning:
    """The planner on this day's scenario; equal loads are planned once."""
    from simulator.planner.optimize.api import optimize

    scenario = of_day(day.case.scenario, day.case.service)
    memory: dict[int, tuple[PlannedLoad, Made]] = {}

    def plan(load: PlannedLoad) -> Made:
        if id(load) not in memory:
            found = optimize(scenario, load=load, **options)
            if found.plan is None:
                raise ScenarioError(
                    Problem(
                        f"no plan for day {day.start_s / 86400:g}: {found.reason}", path=f"services.{day.case.service}"
                    )
                )
            memory[id(load)] = load, Made(found.plan, found.holds, found.reason)
        return memory[id(load)][1]

    return plan
