"""The highest load at which the objective still holds, and what binds there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.cluster.lower import lower
from simulator.cluster.lowered import Lowered
from simulator.cluster.simulate import run_once
from simulator.planner.bottleneck import Bottleneck, bottleneck_of
from simulator.results import RunRecord, metrics
from simulator.results.intervals import interval
from simulator.scenario import Scenario
from simulator.workload import mean_rate, scaled

RESOLUTION = 0.005
"""Relative width at which the search for the highest load factor ends."""
LEAST_FACTOR, MOST_FACTOR = 2.0**-10, 2.0**20
MOST_REQUESTS = 2e7
"""No candidate load brings more requests than this; beyond, the answer is a lower bound and says so."""
LEAST_REPLICATIONS = 3
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
    lowered = lower(scenario)
    names = list(scenario.services) if not services else list(dict.fromkeys(services))
    groups = [names] if together else [[name] for name in names]
    found: dict[str, ServiceSaturation] = {}
    for number, group in enumerate(groups):
        scaled_names = list(scenario.services) if together else group
        search = _Search(scenario, lowered, scaled_names, group)
        tick = _part(progress, number, len(groups))
        factors = search.factors(_replications(scenario), tick)
        found.update({name: search.answer(name, factors) for name in group})
    return Saturation(found)


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
    records: dict[tuple[int, float], RunRecord] = field(default_factory=dict)
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
        high = start
        while high / step >= LEAST_FACTOR:
            if self._holds(number, high / step):
                return high / step, high
            high, step = high / step, min(step * step, 2.0)
        return 0.0, high

    def _fits(self, factor: float) -> bool:
        return factor <= MOST_FACTOR and sum(self._requests(name, factor) for name in self.scaled) <= MOST_REQUESTS

    def _requests(self, name: str, factor: float) -> float:
        rate = self._rate(name)
        if rate is None:
            clients: int = getattr(self.scenario.services[name].workload, "clients")  # noqa: B009
            return clients * factor * 100
        return rate * factor * self.lowered.duration_s

    def _rate(self, name: str) -> float | None:
        if name not in self.rates:  # may mean to read a trace
            workload, folder = self.scenario.services[name].workload, self.scenario.source.folder
            self.rates[name] = mean_rate(workload, self.lowered.duration_s, folder, service=name)
        return self.rates[name]

    def _holds(self, number: int, factor: float) -> bool:
        if (number, factor) in self.records:
            return True
        services = tuple(
            replace(s, workload=scaled(s.workload, factor)) if s.info.name in self.scaled else s
            for s in self.lowered.services
        )
        record = run_once(self.scenario, replace(self.lowered, services=services), number)
        figures = metrics(record)["services"]
        if not all(_objective_holds(record, name, figures[name]) for name in self.judged):
            return False
        if number == 0:
            self.records = {(0, factor): record}
        return True

    def answer(self, name: str, factors: list[float]) -> ServiceSaturation:
        """Mean over replications, its interval, and what binds at the highest load that holds."""
        factor = sum(factors) / len(factors)
        rate = self._rate(name)
        record = next(iter(self.records.values()), None)
        if rate is None:
            figures = metrics(record)["services"][name] if record else {"throughput": 0.0}
            rate = figures["throughput"] / factor if factor else 0.0
        ends = interval(factors)
        note = None
        if not factor:
            note = "the objective does not hold at any load: more replicas cannot help, a single request is too slow"
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
        return True
    if figures["attainment"] is None:
        window = record.duration_s - record.warmup_s
        return bool(figures["throughput"] >= KEPT_UP * figures["arrived"] / window)
    asked = [(figures["attainment"], info.attainment_target)]
    if info.named_classes:
        for item in info.classes:
            target = info.attainment_target if item.attainment_target is None else item.attainment_target
            asked.append((figures["classes"][item.name]["attainment"], target))
    return all(reached is None or reached >= (1.0 if target is None else target) for reached, target in asked)
