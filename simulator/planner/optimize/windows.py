"""Planning windows, and the rate that a load reaches in each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.errors import ScenarioError
from simulator.planner.optimize.problem import Floats, Window
from simulator.scenario import Scenario, Workload
from simulator.scenario.workload import Closed, Trace
from simulator.workload import expected_by

PARTS = 60
"""Parts of a window whose mean rates are compared; a peak shorter than one of them counts with its mean."""
MOST_WINDOWS = 10_000


def windows_of(scenario: Scenario) -> tuple[Window, ...]:
    """The windows of ``planner.window`` over ``run.duration``; one where no length is given."""
    duration = scenario.run.duration
    length = scenario.planner.window if scenario.planner is not None else None
    if length is None:
        return (Window(0.0, duration),)
    count = round(duration / length)
    if count < 1 or abs(count * length - duration) > 1e-9 * duration:
        message = f"{length:g}s does not divide run.duration, {duration:g}s, into whole windows"
        raise ScenarioError(scenario.source.problem(("planner", "window"), message))
    if count > MOST_WINDOWS:
        message = f"makes {count:,} windows of run.duration, at most {MOST_WINDOWS:,} are planned: give longer ones"
        raise ScenarioError(scenario.source.problem(("planner", "window"), message))
    ends = [*(length * number for number in range(1, count)), duration]
    return tuple(Window(start, end) for start, end in zip([0.0, *ends], ends))


def open_load(scenario: Scenario, service: str) -> Workload:
    """The load of a service, which must have a rate to plan for."""
    workload = scenario.services[service].workload
    if isinstance(workload, Closed):
        message = "clients wait for their answers, so that this load has no rate to plan for: give an open load"
        raise ScenarioError(scenario.source.problem(("services", service, "workload"), message))
    return workload


def highest_rates(scenario: Scenario, service: str, windows: Sequence[Window]) -> Floats:
    """(windows,): the highest rate that the written load of a service reaches in each window [1/s].

    A window is cut into 60 parts; what counts is the mean rate of the part with the most. Recorded arrivals are played
    as they are, so that their mean over the window counts; of a modulated process it is the long-run mean.
    """
    workload, source = open_load(scenario, service), scenario.source
    edges = _edges(windows, 1 if isinstance(workload, Trace) else PARTS)
    until = max(scenario.run.duration, windows[-1].end_s)
    expected = expected_by(workload, edges.ravel(), until, source.folder, service=service, problem=source.problem)
    rates = np.diff(expected.reshape(edges.shape), axis=1) / np.diff(edges, axis=1)
    return np.asarray(np.maximum(rates.max(axis=1), 0.0), dtype=np.float64)


def _edges(windows: Sequence[Window], parts: int) -> Floats:
    """(windows, parts + 1): ends of the parts [s]."""
    starts, ends = np.array([[window.start_s, window.end_s] for window in windows]).T
    edges = starts[:, None] + (ends - starts)[:, None] * np.linspace(0.0, 1.0, parts + 1)
    edges[:, -1] = ends
    return np.asarray(edges)
