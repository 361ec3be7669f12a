"""How the load of a window comes in a trial: steady at its rate, or the recorded instants of the window."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from simulator.planner.optimize.judge.trial import MOST_REQUESTS, Trial
from simulator.planner.optimize.load import workload_at
from simulator.planner.optimize.problem import Floats, PlannedLoad, Window
from simulator.scenario import Scenario
from simulator.scenario.workload import Trace
from simulator.workload import arrival_times, scaled
from simulator.workload.process import Binding
from simulator.workload.trace import trace as bound_trace

FEWEST_GAPS = 50
"""Gaps of a window from which their variability is told."""


def trial_of(scenario: Scenario, service: str, load: PlannedLoad, window: int, factor: float, served: float) -> Trial:
    """What is asked of a service in a window, at ``factor`` times its load."""
    place, rate = load.windows[window], float(load.rates[service][window]) * factor
    workload = scenario.services[service].workload
    if not isinstance(workload, Trace):
        return Trial(rate, workload_at(workload, rate), served, place)
    folder = scenario.source.folder
    length_s = place.end_s - place.start_s
    own = _slice(workload, place, folder) if service in load.own and rate * length_s <= MOST_REQUESTS else None
    if own is None or rate <= 0:
        cv = gap_cv(scenario, service, load.windows)
        return Trial(rate, workload_at(workload, rate, cv), served, place)
    return Trial(rate, scaled(own, factor), served, place, length_s / factor)


def _slice(workload: Trace, window: Window, folder: Path) -> Trace | None:
    """The recorded instants of a window, as a load that begins with it; None where they are not one piece."""
    if workload.shape:
        return None
    process = bound_trace(workload, Binding(folder))
    begin, end = window.start_s * workload.scale, window.end_s * workload.scale
    turn = np.floor(begin / process.period_s) if process.copies > 1 else 0.0
    begin, end = begin - turn * process.period_s, end - turn * process.period_s
    if turn >= process.copies or (process.copies > 1 and end > process.period_s * (1 + 1e-12)):
        return None
    last = workload.from_ + end
    change = {"from_": workload.from_ + begin, "to": last if workload.to is None else min(workload.to, last)}
    return workload.model_copy(update={**change, "repeat": 1})


def gap_cv(scenario: Scenario, service: str, windows: tuple[Window, ...]) -> float | None:
    """Coefficient of variation of the gaps of a replay within windows, the median; None where too few come."""
    workload, source = scenario.services[service].workload, scenario.source
    if not isinstance(workload, Trace):
        return None
    return _cv(workload, service, windows, source.folder)


@lru_cache(maxsize=16)
def _cv(workload: Trace, service: str, windows: tuple[Window, ...], folder: Path) -> float | None:
    plain = workload.model_copy(update={"shape": ()})
    until = windows[-1].end_s
    instants = arrival_times(plain, seed=0, replication=0, service=service, until_s=until, folder=folder)
    found = []
    for window in windows:
        low, high = np.searchsorted(instants, [window.start_s, window.end_s])
        gaps: Floats = np.diff(instants[low:high])
        if gaps.size >= FEWEST_GAPS and gaps.mean() > 0:
            found.append(float(gaps.std() / gaps.mean()))
    return min(max(float(np.median(found)), 0.01), 100.0) if found else None
