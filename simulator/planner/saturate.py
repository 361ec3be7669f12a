"""The highest load at which the objective still holds, and what binds there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from simulator.cluster.lower import lower
from simulator.cluster.lowered import Lowered
from simulator.cluster.simulate import run_once
from simulator.errors import ScenarioError
from simulator.planner.bottleneck import Bottleneck, bottleneck_of
from simulator.results import RunRecord, metrics
from simulator.results.intervals import interval
from simulator.scenario import Scenario, Workload
from simulator.scenario.service import Service
from simulator.scenario.workload import Closed, Trace
from simulator.workload import mean_rate, scaled

if TYPE_CHECKING:
    import pandas as pd

RESOLUTION = 0.005
"""Relative width at which the search for the highest load factor ends."""
LEAST_FACTOR, MOST_FACTOR = 2.0**-10, 2.0**20
MOST_REQUESTS = 2e7
"""No candidate load brings more requests than this; beyond, the answer is a lower bound and says so."""
LEAST_REPLICATIONS = 3
LEAST_REQUESTS = 100
"""Far below the written load the search ends where fewer requests than this are left: a few prove nothing."""
ALWAYS_TRIED = 1 / 16
"""The search goes down to this factor however few requests are left."""
KEPT_UP = 0.99
"""Without an objective a load holds when at least this share of it is answered as fast as it comes."""

Json = dict[str, Any]
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class ServiceSaturation:
    """The answer for one service; factors are multiples of the written load, rates requests per second."""

    max_rate: float
    ci95: tuple[float, float] | None
    load_factor: float
    margin: float
    """Room above the written load as a share of it; negative when the written load is already too much."""
    bottleneck: Bottleneck | None
    note: str | None = None

    def to_dict(self) -> Json:
        """As JSON values."""
        return {
            "max_rate": self.max_rate,
            "ci95": None if self.ci95 is None else list(self.ci95),
            "load_factor": self.load_factor,
            "margin": self.margin,
            "bottleneck": None if self.bottleneck is None else self.bottleneck.to_dict(),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Saturation:
    """The answer for every service asked for."""

    services: dict[str, ServiceSaturation]

    def to_dict(self) -> Json:
        """As JSON values: ``{"services": {name: ...}}``."""
        return {"services": {name: found.to_dict() for name, found in self.services.items()}}

    @property
    def frame(self) -> pd.DataFrame:
        """One row per service."""
        from simulator.results.shown_table import frame_of

        return frame_of({"service": name, **found.to_dict()} for name, found in self.services.items())

    def _repr_html_(self) -> str:
        from simulator.planner.shown import saturation_html

        return saturation_html(self.to_dict())


def saturate(
    scenario: Scenario,
    services: Sequence[str] | None = None,
    together: bool = False,
    progress: Progress | None = None,
) -> Saturation:
    """Highest load factor at which the objective holds, by bisection with the simulator as judge.

    Each service alone, the others at their written load; ``together`` scales all at once and asks all to hold. A load
    holds when the attainment reaches the objective's (1 when only a latency is stated), for the service and its
    classes; without an objective, when 99 % of the load is answered as it comes. Each replication yields one factor
    (common random numbers within it), their spread the 95 % interval.
    """
    whole = {name: endless(one, scenario.run.duration) for name, one in scenario.services.items()}
    scenario = scenario.model_copy(update={"services": whole})
    lowered = lower(scenario)
    names = list(scenario.services) if not services else list(dict.fromkeys(services))
    groups = [names] if together else [[name] for name in names]
    found: dict[str, ServiceSaturation] = {}
    for number, group in enumerate(groups):
        scaled_names = list(scenario.services) if together else group
        _check_judgeable(scenario, lowered, group)
        search = _Search(scenario, lowered, scaled_names, group)
        tick = _part(progress, number, len(groups))
        factors = search.factors(_replications(scenario), tick)
        found.update({name: search.answer(name, factors) for name in group})
    return Saturation(found)


def endless(service: Service, duration: float) -> Service:
    """The service with its trace played again and again: the part that a run of ``duration`` uses, and no other.

    A trace is scaled by playing it faster. Without this a higher load would end early, or bring in arrivals that the
    written load never sees.
    """
    workload = service.workload
    if not isinstance(workload, Trace) or workload.repeat is True:
        return service
    changes: dict[str, object] = {"repeat": True}
    if workload.repeat == 1:
        used = workload.from_ + duration * workload.scale
        changes["to"] = used if workload.to is None else min(workload.to, used)
    return service.model_copy(update={"workload": workload.model_copy(update=changes)})


def _check_judgeable(scenario: Scenario, lowered: Lowered, names: Sequence[str]) -> None:
    """A closed load is never more than what is served, so that only an objective can be missed."""
    for service in lowered.services:
        stated = any(isfinite(item.slo_s) for item in service.info.classes)
        if service.info.name in names and service.workload.process == "closed" and not stated:
            message = "clients wait for their answers, so their load always holds: give the service an `slo`"
            raise ScenarioError(scenario.source.problem(("services", service.info.name), message))


def _replications(scenario: Scenario) -> int:
    asked = scenario.run.replications
    return LEAST_REPLICATIONS if isinstance(asked, str) else max(asked, LEAST_REPLICATIONS)


def _part(progress: Progress | None, number: int, count: int) -> Progress:
    return lambda share: None if progress is None else progress((number + share) / count)


@dataclass
class _Search:
    scenario: Scenario
    lowered: Lowered
    scaled: list[str]
    judged: list[str]
    record: RunRecord | None = None
    """The run of the first replication at the highest load so far that holds."""
    judged_loads: list[tuple[int, tuple[Workload, ...], bool]] = field(default_factory=list)
    capped: bool = False
    rates: dict[str, float | None] = field(default_factory=dict)

    def factors(self, replications: int, tick: Progress) -> list[float]:
        """Highest factor that holds, by replication; the first brackets the others."""
        factors: list[float] = []
        for number in range(replications):
            low, high = self._bracket(number, factors[0] if factors else None)
            while low and high - low > RESOLUTION * high:
                middle = (low + high) / 2
                low, high = (middle, high) if self._holds(number, middle) else (low, middle)
            factors.append(low)
            tick((number + 1) / replications)
        return factors

    def _bracket(self, number: int, guess: float | None) -> tuple[float, float]:
        """A factor that holds (0 when none does) and one that does not (the same when even the largest holds)."""
        start, step = (1.0, 2.0) if not guess else (guess, 1.04)
        if self._holds(number, start):
            low = start
            while self._fits(low * step):
                if not self._holds(number, low * step):
                    return low, low * step
                low, step = low * step, min(step * step, 2.0)
            self.capped = True
            return low, low
        high, least = start, self._least_factor()
        while high / step >= least:
            if self._holds(number, high / step):
                return high / step, high
            high, step = high / step, min(step * step, 2.0)
        return 0.0, high

    def _fits(self, factor: float) -> bool:
        return factor <= MOST_FACTOR and sum(self._requests(name, factor) for name in self.scaled) <= MOST_REQUESTS

    def _least_factor(self) -> float:
        fewest = min(self._requests(name, 1.0) for name in self.judged)
        return max(LEAST_FACTOR, min(ALWAYS_TRIED, LEAST_REQUESTS / max(fewest, 1.0)))

    def _requests(self, name: str, factor: float) -> float:
        rate = self._rate(name)
        if rate is None:
            workload = self.scenario.services[name].workload
            assert isinstance(workload, Closed)  # the only load without a rate
            think = workload.think.mean
            return workload.clients * factor * min(self.lowered.duration_s / think if think else 1e4, 1e4)
        return rate * factor * self.lowered.duration_s

    def _rate(self, name: str) -> float | None:
        if name not in self.rates:  # may mean to read a trace
            workload, folder = self.scenario.services[name].workload, self.scenario.source.folder
            self.rates[name] = mean_rate(workload, self.lowered.duration_s, folder, service=name)
        return self.rates[name]

    def _holds(self, number: int, factor: float) -> bool:
        """Whether the objective holds at ``factor``; loads that come to the same (clients are whole) run once."""
        loads = tuple(scaled(self.scenario.services[name].workload, factor) for name in self.scaled)
        for replication, same, held in self.judged_loads:
            if (replication, same) == (number, loads):
                return held
        record = run_once(self.scenario, self._at(loads), number)
        figures = metrics(record)["services"]
        holds = all(_objective_holds(record, name, figures[name]) for name in self.judged)
        self.judged_loads.append((number, loads, holds))
        if holds and number == 0:
            self.record = record
        return holds

    def _at(self, loads: tuple[Workload, ...]) -> Lowered:
        """The cluster at other loads; after the last deadline whoever is inside has missed, so the run ends there."""
        by_name = dict(zip(self.scaled, loads))
        services = tuple(
            replace(s, workload=by_name[s.info.name]) if s.info.name in by_name else s for s in self.lowered.services
        )
        slos = [c.slo_s for s in services if s.info.name in self.judged for c in s.info.classes if isfinite(c.slo_s)]
        return replace(self.lowered, services=services, drain_s=min(self.lowered.drain_s, max(slos, default=0.0)))

    def _reached(self, name: str, factor: float) -> float:
        """The factor that was really simulated: clients are whole."""
        workload = self.scenario.services[name].workload
        more = scaled(workload, factor) if factor else workload
        if not factor or not isinstance(workload, Closed) or not isinstance(more, Closed):
            return factor
        return more.clients / workload.clients

    def answer(self, name: str, factors: list[float]) -> ServiceSaturation:
        """Mean over replications, its interval, and what binds at the highest load that holds."""
        factors = [self._reached(name, factor) for factor in factors]
        factor = sum(factors) / len(factors)
        rate, record = self._rate(name), self.record
        if rate is None:
            figures = metrics(record)["services"][name] if record else {"throughput": 0.0}
            rate = figures["throughput"] / factors[0] if factors[0] else 0.0
        ends = interval(factors)
        note = None
        if not factor:
            note = "the objective does not hold at any load: not even requests that hardly ever meet are fast enough"
        elif self.capped:
            note = "a lower bound: the search ended at the largest load that it simulates"
        return ServiceSaturation(
            max_rate=factor * rate,
            ci95=None if ends is None else (max(ends[0], 0.0) * rate, ends[1] * rate),
            load_factor=factor,
            margin=factor - 1.0,
            bottleneck=bottleneck_of(record, name) if record else None,
            note=note,
        )


def _objective_holds(record: RunRecord, name: str, figures: Json) -> bool:
    info = next(service for service in record.services if service.name == name)
    if not figures["arrived"]:
        return False  # a load that is not there shows nothing
    if figures["attainment"] is None:
        window = record.duration_s - record.warmup_s
        return bool(figures["throughput"] >= KEPT_UP * figures["arrived"] / window)
    asked = [(figures["attainment"], info.attainment_target)]
    if info.named_classes:
        for item in info.classes:
            target = info.attainment_target if item.attainment_target is None else item.attainment_target
            asked.append((figures["classes"][item.name]["attainment"], target))
    return all(reached is None or reached >= (1.0 if target is None else target) for reached, target in asked)
