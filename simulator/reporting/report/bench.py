"""The runs behind the what-ifs: the scenario, or its busiest stretch where the whole of it would take long."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.cluster.engines import EngineName, choose
from simulator.cluster.evaluate import Candidate, Evaluation, evaluate
from simulator.cluster.fill.tenants import without_tenants
from simulator.cluster.lower import lower
from simulator.cluster.lower.capacity import capacities, expected_requests, rate_between
from simulator.cluster.lowered import Lowered
from simulator.planner.saturate import KEPT_UP, endless
from simulator.reporting.report.pointers import clock
from simulator.results.units import measure
from simulator.scenario import Scenario
from simulator.scenario.service import Service
from simulator.scenario.workload import Poisson

MOST: dict[EngineName, float] = {"compiled": 120_000.0, "simpy": 15_000.0}
"""Requests of one what-if run, about."""
FEW = 0.4
"""Share of that for what takes many more runs."""
LONG = 1.7
"""A run may have so many times as many before it is shortened."""
STRETCHES = 24
"""Equal parts of a run with one deployment among which the busiest is looked for."""
WARM = 0.1
"""Warm-up of a shortened run, as a share of it."""
STEADY = ("poisson", "gamma", "mmpp", "closed")


@dataclass(frozen=True)
class Bench:
    """A scenario of one replication on which what-ifs are tried; ``note`` says what it leaves out (empty: nothing)."""

    scenario: Scenario
    lowered: Lowered
    note: str

    def try_out(self, changed: Scenario) -> Evaluation:
        """A changed scenario, simulated with the arrivals and draws of all others."""
        return evaluate([changed], workers=1)[0]

    def try_lowered(self, lowered: Lowered) -> Evaluation:
        """The same for changed arrays."""
        return evaluate([Candidate(self.scenario, lowered)], workers=1)[0]

    def holds(self, found: Evaluation) -> bool:
        """Whether every objective is met; a service without one has to keep up with its load."""
        if not found.holds:
            return False
        length = self.lowered.duration_s - self.lowered.warmup_s
        for figures in found.metrics["services"].values():
            if figures["attainment"] is None and figures["throughput"] < KEPT_UP * figures["arrived"] / length:
                return False
        return True


def bench_of(scenario: Scenario, share: float = 1.0) -> Bench | None:
    """The bench of a scenario; None where it has no service of its own. ``share``: of the usual number of requests."""
    alone = without_tenants(scenario)
    if not alone.services:
        return None
    run = alone.run.model_copy(update={"replications": 1})
    alone = alone.model_copy(update={"run": run, "trainings": {}, "streams": {}})
    lowered = lower(alone)
    engine = choose(lowered, alone.run.engine).name
    folder, problem = alone.source.folder, alone.source.problem
    expected = sum(expected_requests(one, lowered, folder, problem) for one in lowered.services)
    most = share * MOST[engine]
    if expected <= LONG * most and all(len(one.timeline) == 1 for one in alone.services.values()):
        whole = alone.model_copy(update={"services": {name: endless(one, run.duration) for name, one in _all(alone)}})
        return Bench(whole, lower(whole), "")
    short, note = _shortened(alone, lowered, most / expected)
    return Bench(short, lower(short), note)


def _all(scenario: Scenario) -> list[tuple[str, Service]]:
    return list(scenario.services.items())


def _shortened(scenario: Scenario, lowered: Lowered, share: float) -> tuple[Scenario, str]:
    """The busiest stretch at its mean load, so long that a run has few enough requests; the start of a steady run."""
    run = scenario.run
    steady = all(_is_steady(service) for _, service in _all(scenario))
    start, end = (0.0, run.duration) if steady else _busiest(scenario, lowered)
    services = {}
    for place, (name, service) in enumerate(_all(scenario)):
        changes: dict[str, object] = {}
        if len(service.timeline) > 1:
            window = [one for begin, one in service.timeline if begin <= start][-1]
            changes = {"deployment": window, "deployments": None}
        if service.workload.process not in STEADY or getattr(service.workload, "shape", None):
            rate = rate_between(scenario, lowered.services[place], start, end)
            changes["workload"] = Poisson.model_construct(process="poisson", rate=rate)
        services[name] = service.model_copy(update=changes)
    here, whole = _load(scenario, lowered, start, end), _load(scenario, lowered, 0.0, run.duration)
    length = min(run.duration * share * (whole / here if here else 1.0), end - start)
    changed = run.model_copy(update={"duration": length, "warmup": min(lowered.warmup_s, WARM * length), "drain": None})
    took = measure(length, "seconds")
    what = f"the first {took} of the run"
    if not steady:
        stretch = f"{clock(start, run.duration)} to {clock(end, run.duration)}"
        what = f"{took} at the mean load of the busiest stretch ({stretch}), with random arrivals"
    note = f"What-ifs simulate {what}; their figures need not equal those of the whole run."
    return scenario.model_copy(update={"services": services, "run": changed}), note


def _is_steady(service: Service) -> bool:
    still = service.workload.process in STEADY and not getattr(service.workload, "shape", None)
    return still and len(service.timeline) == 1


def _busiest(scenario: Scenario, lowered: Lowered) -> tuple[float, float]:
    """Of the windows (or of equal parts where there is one) the one whose load is nearest to what is deployed [s]."""
    duration = scenario.run.duration
    starts = sorted(
        {one.from_s for service in lowered.services for one in service.deployments if one.from_s < duration}
    )
    if len(starts) < 2:
        starts = [duration * part / STRETCHES for part in range(STRETCHES)]
    ends = [*starts[1:], duration]
    return max(zip(starts, ends), key=lambda span: _pressure(scenario, lowered, *span))


def _pressure(scenario: Scenario, lowered: Lowered, start: float, end: float) -> float:
    most = 0.0
    for service in lowered.services:
        window = [one for one in service.deployments if one.from_s <= start][-1]
        carried = min(portion.rate for portion in capacities(service, window, lowered.overlap))
        most = max(most, rate_between(scenario, service, start, end) / carried if carried else 0.0)
    return most


def _load(scenario: Scenario, lowered: Lowered, start: float, end: float) -> float:
    return sum(rate_between(scenario, service, start, end) for service in lowered.services)
