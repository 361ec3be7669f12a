"""One simulation of a service at the load of a window: how long it has to be, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from simulator.cluster import lowered as low
from simulator.cluster.engines import choose, recorded, tallied
from simulator.cluster.lower.capacity import capacities
from simulator.planner.optimize.judge.bench import Bench, InWindow
from simulator.planner.optimize.problem import Judgement, Window
from simulator.results import metrics, tally_metrics
from simulator.results.record import ServiceInfo
from simulator.results.units import below, stated
from simulator.scenario import Workload
from simulator.scenario.workload import Mmpp

LEAST_REQUESTS, MOST_REQUESTS = 10_000, 200_000
"""Requests of a trial."""
MISSES = 200
"""So many may miss the objective in a trial that just holds: fewer, and chance decides."""
FEWEST_REQUESTS = 2_000
"""Requests of a trial in a window in which fewer come."""
QUEUE_MEMORY = 10.0
"""A queue at load rho forgets within about (1 - rho)^-2 requests; a trial lasts this many times as long."""
CYCLES = 40.0
"""Turns of a modulated process that a trial sees."""
WARM = 0.1
"""Share of a trial at its start that does not count; all of a recorded slice does."""
REPLICATION = 1_000_000
"""Random numbers of trials are those of this replication, which no verification uses."""
KEPT_UP = 0.99
"""Without an objective a load holds when at least this share of it is answered as fast as it comes."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked: the load ``rate`` [1/s], how it comes, and the share that must be served in time.

    ``run_s``: length where a recorded slice gives it; ``window``: where exits or recorded instants depend on it.
    """

    rate: float
    workload: Workload
    served: float
    window: Window
    run_s: float | None = None


def held(bench: Bench, replicas: tuple[int, ...], trial: Trial) -> Judgement:
    """Whether the objective holds at so many replicas by group."""
    if trial.rate <= 0:
        return Judgement(True, reason="nothing is expected to come")
    service = bench.with_replicas(replicas)
    most = _most(bench, service, replicas, trial.window)
    endless = service.capacity is None and service.drop == "never"  # who comes is served, however late
    if not bench.drifts and most < trial.rate * (1.0 if endless else trial.served) * (1 - 1e-9):
        reason = f"the load of {trial.rate:.4g}/s is more than the {most:.4g}/s that the replicas carry"
        return Judgement(False, reason=reason)
    run_s = trial.run_s or requests_of(trial, most) / trial.rate
    service = replace(service, workload=trial.workload)
    if bench.drifts and service.exits is not None:
        exits = replace(service.exits, rows=InWindow(service.exits.rows, trial.window, run_s))
        service = replace(service, exits=exits)
    figures = _run(bench, service, run_s, 0.0 if trial.run_s else WARM * run_s)
    return _judged(figures, service.info, trial.served, trial.rate)


def _most(bench: Bench, service: low.Service, replicas: tuple[int, ...], window: Window) -> float:
    """Requests per second that the replicas carry; where exits drift, with those of the middle of the window."""
    if not bench.drifts or service.exits is None:
        return bench.carried(replicas)
    middle = (window.start_s + window.end_s) / 2
    rows = InWindow(service.exits.rows, Window(middle, middle), 1.0)
    there = replace(service, exits=replace(service.exits, rows=rows))
    return min(one.rate for one in capacities(there, there.deployments[0], bench.lowered.overlap))


def requests_of(trial: Trial, most: float) -> float:
    """Requests of a trial: enough for its objective, for a queue near its limit, and for a load that changes state."""
    rest = max(1.0 - min(trial.rate / most, 1.0), 1e-3)
    asked = max(LEAST_REQUESTS, MISSES / max(1.0 - trial.served, 1e-3), QUEUE_MEMORY / rest**2)
    if isinstance(trial.workload, Mmpp):
        turn_s = sum(state.mean_duration for state in trial.workload.states)
        asked = max(asked, CYCLES * turn_s * trial.rate)
    length_s = trial.window.end_s - trial.window.start_s
    return min(asked, max(trial.rate * length_s, FEWEST_REQUESTS), MOST_REQUESTS)


def _run(bench: Bench, service: low.Service, run_s: float, warmup_s: float) -> dict[str, Any]:
    """Figures of the service; after the last deadline whoever is inside has missed, so the run ends there."""
    deadlines = [item.slo_s for item in service.info.classes if isfinite(item.slo_s)]
    drain = max(deadlines, default=run_s)
    lowered = replace(
        bench.lowered, services=(service,), duration_s=run_s, warmup_s=warmup_s, drain_s=min(drain, 10 * run_s)
    )
    folder = bench.scenario.source.folder
    engine = choose(lowered, bench.scenario.run.engine).name
    if engine == "simpy":
        found = metrics(recorded(lowered, engine, REPLICATION, folder))
    else:
        frame, tally, _ = tallied(lowered, REPLICATION, folder)
        found = tally_metrics(frame, tally)
    return dict(found["services"][service.info.name])


def _judged(figures: dict[str, Any], info: ServiceInfo, served: float, rate: float) -> Judgement:
    known = {
        "attainment": figures["attainment"],
        "p99_s": figures["latency"]["p99"],
        "goodput": figures["goodput"],
        "accuracy": figures["accuracy"],
    }
    if not figures["arrived"]:
        return Judgement(True, **known, reason="nothing came")
    missed = _missed(figures, info, served)
    if figures["attainment"] is None and figures["throughput"] < KEPT_UP * rate:
        missed = f"only {figures['throughput']:.4g}/s of {rate:.4g}/s are answered as they come"
    return Judgement(missed is None, **known, reason=missed)


def _missed(figures: dict[str, Any], info: ServiceInfo, served: float) -> str | None:
    """Which objective does not hold, in words."""
    asked: list[tuple[str | None, float | None, float]] = [(None, figures["attainment"], served)]
    if info.named_classes:
        target = info.attainment_target
        for item in info.classes:
            of_class = target if item.attainment_target is None else item.attainment_target
            if of_class is not None:
                asked.append((item.name, figures["classes"][item.name]["attainment"], of_class))
    for name, reached, target in asked:
        if reached is not None and reached < target:
            who = "" if name is None else f"class {name}: "
            return f"{who}{below(reached, target)} of requests meet the objective, {stated(target, 'share')} asked"
    return None
