"""What filling came to: ``trainings.<name>.fill`` of a result."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from simulator.cluster.fill.build import FillPlan, JobsPlan, SamePlan
from simulator.cluster.fill.filler import Filler
from simulator.cluster.fill.jobs import JobsFiller
from simulator.cluster.fill.second import SecondFiller
from simulator.cluster.fill.secondplan import SecondPlan
from simulator.cluster.fill.serving import ServicesFiller, record_of
from simulator.cluster.training.executor import Executor
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Timeline, Windows, back_to_back, idle_windows, windows_of
from simulator.costs.pipeline.filling import POLICIES, fill, is_small, optimum, steady_lines
from simulator.costs.pipeline.times import Floats
from simulator.costs.pipeline.windows import ROUNDING
from simulator.results import check_conservation, metrics
from simulator.results.cohort import Json

PHASE = 1e-6
"""Instants of two iterations are at the same place in the training's period if they differ by less, relative."""


def fill_figures(plan: FillPlan, filler: Filler, executor: Executor, undisturbed: Sequence[Sequence[Timeline]]) -> Json:
    """All figures of a run that has ended; see the page on results."""
    setup = executor.setup
    elapsed = _end(executor.lines)
    idle = sum(end - start for _, start, end in filler.windows)
    work = sum(ran.work_s for ran in filler.ran)
    slowdown = _slowdown(filler, elapsed, undisturbed)
    found: Json = {
        "idle": idle,
        "recovered": work,
        "efficiency": work / idle if idle > 0.0 else 0.0,
        "lost_to_switches": sum(ran.end_s - ran.start_s - ran.work_s for ran in filler.ran),
        "devices_saved": work / elapsed if elapsed > 0.0 else 0.0,
        "slowdown": slowdown,
        "slowdown_budget": plan.rules.budget,
        "overruns": filler.ledger.overruns_s,
        "held_back": filler.ledger.refused,
        "windows_recomputed": filler.drift.recomputed,
        "jobs": {},
        "policy": None,
        "second": None,
        "services": {},
    }
    if isinstance(filler, JobsFiller) and isinstance(plan, JobsPlan):
        found["jobs"] = _jobs(filler, elapsed)
        found["policy"] = policy_figures(setup, plan)
    if isinstance(filler, SecondFiller) and isinstance(plan, SamePlan):
        found["second"] = _second(filler, plan.plan, executor)
        found["devices_saved"] = found["second"]["relative_rate"] * setup.ranks * setup.replicas
    if isinstance(filler, ServicesFiller):
        found["services"] = _services(filler, elapsed)
    return found


def warnings_of(name: str, figures: Json) -> list[str]:
    """What the reader must know about the filling of a training."""
    found = []
    if figures["held_back"] and not figures["recovered"]:
        found.append(
            f"training {name}: nothing ran in its idle windows, as its times are not exact and any piece might delay "
            f"it by more than slowdown_budget ({figures['slowdown_budget']:.3g}); raise it, or shorten the pieces"
        )
    idle = [job for job, tree in figures["jobs"].items() if not tree["work"]]
    if idle and figures["recovered"]:
        jobs = ", ".join(idle)
        found.append(f"training {name}: no idle window was given to {jobs}; are the pieces too long for them?")
    for service, tree in figures["services"].items():
        if tree["inside"]:
            found.append(f"service {service}, in the windows of training {name}: {tree['inside']} requests never ended")
    return found


def _end(lines: Sequence[Sequence[Timeline]]) -> float:
    return max(float(line.finish.max()) for line in lines[-1])


def _slowdown(filler: Filler, elapsed: float, undisturbed: Sequence[Sequence[Timeline]]) -> float:
    """Relative; where devices fail, all overruns count, as there is no undisturbed run to compare with."""
    if undisturbed:
        without = _end(undisturbed)
        return (elapsed - without) / without if without > 0.0 else 0.0
    late = filler.ledger.overruns_s
    return late / (elapsed - late) if elapsed > late else 0.0


# -- jobs --------------------------------------------------------------------------------------------------------------


def _jobs(filler: JobsFiller, elapsed: float) -> Json:
    found = {}
    for number, job in enumerate(filler.jobs):
        work = sum(ran.work_s for ran in filler.ran if ran.owner == number)
        done, limited = filler.done[number], math.isfinite(job.rounds)
        whole = done >= job.rounds
        found[job.name] = {
            "done": done,
            "throughput": done * job.items / elapsed if elapsed > 0.0 else 0.0,
            "work": work,
            "devices_saved": work / elapsed if elapsed > 0.0 else 0.0,
            "finished": filler.ended_s[number] if limited and whole else None,
            "in_time": (whole and filler.ended_s[number] <= job.deadline_s) if math.isfinite(job.deadline_s) else None,
        }
    return found


def policy_figures(setup: TrainingSetup, plan: JobsPlan) -> Json:
    """Every policy on the windows of one exact iteration in the steady state, beside the optimum if the case is small.

    ``gap``: share of what is possible that the policy leaves undone (at most that, where the optimum is only bounded).
    """
    windows = steady_windows(setup)
    best = optimum(windows, plan.jobs, plan.rules.fit).bound_s if is_small(windows, plan.jobs) else None
    efficiency, gap = {}, {}
    for name, policy in POLICIES.items():
        filled = fill(windows, plan.jobs, policy, plan.rules.fit)
        efficiency[name] = filled.efficiency
        gap[name] = max(1.0 - filled.work_s / best, 0.0) if best else None
    idle = float(windows.length_s.sum())
    return {
        "name": plan.policy,
        "windows": len(windows),
        "efficiency": efficiency,
        "optimum": best / idle if best is not None and idle > 0.0 else None,
        "gap": gap,
    }


def steady_windows(setup: TrainingSetup) -> Windows:
    """The windows that open in one iteration of the steady state, each to its end."""
    count = len(steady_lines(setup.schedule, setup.times, setup.ending)) + 2
    lines = back_to_back(setup.schedule, setup.times, count, ending=setup.ending)
    since = float(lines[-4].finish.max())
    period = float((lines[-1].finish - lines[-2].finish).max())
    found = idle_windows(lines, memory=setup.memory, capacity=setup.room)
    inside = since - ROUNDING * since, since + period - ROUNDING * since
    return windows_of([one for one in found if inside[0] <= one.start_s < inside[1]], setup.ranks)


# -- a second instance -------------------------------------------------------------------------------------------------


def _second(filler: SecondFiller, plan: SecondPlan, executor: Executor) -> Json:
    used, rate = steady(filler, plan, executor)
    bound = plan.bound
    share = used / bound if bound > 0.0 else 0.0
    way = plan.second
    return {
        "microbatches": plan.microbatches,
        "barrier": way.barrier,
        "iterations": float(np.mean([len(ends) for ends in filler.ends])),
        "iteration": 1.0 / rate if rate > 0.0 else None,
        "throughput": rate * plan.microbatches,
        "relative_rate": rate * plan.alone_s,
        "utilization": used,
        "bound": bound,
        "share_of_bound": share,
        "is_proven_maximum": share >= 1.0 - PHASE,
        "pace_bound": plan.ideal,
        "order": "schedule" if way.strict else "ready",
        "begins": "anywhere" if way.start is None else f"before op {way.start} of stage 0",
    }


def steady(filler: SecondFiller, plan: SecondPlan, executor: Executor) -> tuple[float, float]:
    """Use of the devices, and iterations of the second instance per second and copy, in the steady state.

    With a barrier between two ends of iterations at the same place in the training's period, as far apart as there are
    (after the first quarter of the run), if there are such: exact. Otherwise by the work between the ends of two
    iterations of the training, on each device.
    """
    if plan.second.barrier and filler.exact:
        rate = _repeating(filler.ends[0], plan.cycle.period_s)
        if rate is not None:
            return min(plan.utilization(rate), 1.0), rate
    lines = executor.lines
    first = len(lines) // 4
    if len(lines) - 1 <= first:
        return 0.0, 0.0
    begin = np.concatenate([line.finish for line in lines[first]])
    end = np.concatenate([line.finish for line in lines[-1]])
    second = _work_between(filler, begin, end)
    idle = np.zeros(len(begin))
    for device, start, stop in filler.windows:
        idle[device] += max(min(stop, end[device]) - max(start, begin[device]), 0.0)
    used = 1.0 - (idle.sum() - second.sum()) / (end - begin).sum()
    whole = float(plan.work_s.sum()) * executor.setup.replicas
    return float(used), float(second.sum() / whole / (end - begin).mean())


def _repeating(ends: Sequence[float], period: float) -> float | None:
    late = list(ends[len(ends) // 4 :])
    for first, start in enumerate(late):
        for last in range(len(late) - 1, first, -1):
            turns = (late[last] - start) / period
            if round(turns) and abs(turns - round(turns)) < PHASE:
                return (last - first) / (round(turns) * period)
    return None


def _work_between(filler: Filler, begin: Floats, end: Floats) -> Floats:
    """Work on each device between two instants of it [s]."""
    found = np.zeros(len(begin))
    for ran in filler.ran:
        start, stop = ran.end_s - ran.work_s, ran.end_s
        found[ran.device] += max(min(stop, end[ran.device]) - max(start, begin[ran.device]), 0.0)
    return found


# -- services ----------------------------------------------------------------------------------------------------------


def _services(filler: ServicesFiller, end_s: float) -> Json:
    found: Json = {}
    for counter in filler.counters:
        record = record_of(counter, filler.replication, end_s)
        check_conservation(record)
        found |= metrics(record)["services"]
    return found
