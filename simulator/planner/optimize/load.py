"""What is planned for: the rate of every service in every window, from its written load or from a forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import Problem, ScenarioError
from simulator.planner.optimize.problem import Floats, PlannedLoad, Window
from simulator.planner.optimize.windows import highest_rates, open_load, windows_of
from simulator.scenario import Scenario, Workload
from simulator.scenario.planfile import PlannedForecast
from simulator.scenario.planning import LoadHistory
from simulator.scenario.shapes import Steps
from simulator.scenario.workload import Gamma, Mmpp, Poisson, Rates, Trace

if TYPE_CHECKING:
    from simulator.workload.forecast import Forecast

SAMPLES = 64
"""Paths that are drawn from a forecast."""
BINS_S = (3_600.0, 1_800.0, 1_200.0, 900.0, 600.0)
"""Bins that windows are made of which last longer than the first of them [s]: the busiest hour is planned for."""
LEAST_RATE = 1e-9
"""Rate [1/s] that stands for none at all."""


def planned_load(
    scenario: Scenario,
    history: Mapping[str, Forecast] | None = None,
    services: Sequence[str] | None = None,
) -> PlannedLoad:
    """Windows of a scenario and the rate that each must carry, by service that is planned.

    With a forecast (``planner.forecast``, or ``history``: ready ones by service that begin with the run) it is that at
    ``planner.quantile``, else the highest rate that the written load reaches. ``services``: those that are planned;
    left out, those without a deployment, or all where every one has one.
    """
    windows = windows_of(scenario)
    names = list(services or scenario.undeployed or scenario.services)
    rates, samples, said, own = {}, {}, [], set()
    for name in names:
        open_load(scenario, name)
        made, written = (history or {}).get(name), _history(scenario, name)
        if made is None and written is not None:
            made = _forecast(scenario, name, written, windows)
        if made is None:
            rates[name] = highest_rates(scenario, name, windows)
            own.add(name)
            continue
        scale = 1.0 if written is None else written.scale
        rates[name] = _by_window(made.quantile(_quantile(scenario))[None, :], made, windows)[0] * scale
        samples[name] = _by_window(made.samples(SAMPLES, scenario.seed), made, windows) * scale
        said.append(made.series)
    for name in names:
        if not rates[name].any():
            message = "nothing is expected to come in any window, so that there is nothing to plan"
            raise ScenarioError(scenario.source.problem(("services", name, "workload"), message))
    forecast = PlannedForecast(series=", ".join(dict.fromkeys(said)), quantile=_quantile(scenario)) if said else None
    return PlannedLoad(windows, rates, samples, forecast, frozenset(own))


def _quantile(scenario: Scenario) -> float:
    return 0.95 if scenario.planner is None else scenario.planner.quantile


def _history(scenario: Scenario, service: str) -> LoadHistory | None:
    return None if scenario.planner is None else scenario.planner.history_of(service, list(scenario.services))


def _forecast(scenario: Scenario, service: str, history: LoadHistory, windows: Sequence[Window]) -> Forecast:
    """The forecast of a recorded load, whose problems point into the scenario."""
    from simulator.workload.forecast import forecast

    source, length = scenario.source, windows[0].end_s - windows[0].start_s
    options = {
        "column": history.column, "interval": history.interval, "at": history.at,
        "to": _bin(scenario, length), "horizon": windows[-1].end_s,
    }  # fmt: skip
    try:
        return forecast(source.folder / history.series, quantiles=(_quantile(scenario),), **options)  # type: ignore[arg-type]
    except ScenarioError as error:
        raise ScenarioError([_placed(scenario, service, problem) for problem in error.problems]) from None


def _placed(scenario: Scenario, service: str, problem: Problem) -> Problem:
    """A problem of the forecast at the key that it comes from; one within the file stays there."""
    if problem.file is not None:
        return problem
    alone = scenario.planner is not None and isinstance(scenario.planner.forecast, LoadHistory)
    base = ("planner", "forecast") if alone else ("planner", "forecast", "services", service)
    keys = {"to": ("planner", "window"), "horizon": ("run", "duration"), "quantiles": ("planner", "quantile")}
    own = (*base, problem.path) if problem.path in ("series", "column", "interval", "at") else base
    return scenario.source.problem(keys.get(problem.path or "", own), problem.message)


def forecast_bin(length: float) -> float | None:
    """Length of the bins that are forecast for windows of ``length`` [s]: a window, of longer ones at most an hour.

    >>> forecast_bin(900.0), forecast_bin(14_400.0), forecast_bin(5_400.0)
    (900.0, 3600.0, 1800.0)
    """
    if length <= BINS_S[0]:
        return length
    return next((one for one in BINS_S if abs(length / one - round(length / one)) < 1e-9), None)


def _bin(scenario: Scenario, length: float) -> float:
    found = forecast_bin(length)
    if found is None:
        message = f"windows of {length:g}s are no multiple of 10min, so that no forecast can be made for them"
        raise ScenarioError(scenario.source.problem(("planner", "window"), message))
    return found


def _by_window(counts: Floats, made: Forecast, windows: Sequence[Window]) -> Floats:
    """(paths, windows): rates [1/s] from counts by bin (paths, bins); of several bins in a window the highest."""
    length = windows[0].end_s - windows[0].start_s
    bins = max(round(length / made.step_s), 1)
    needed = len(windows) * bins
    if abs(bins * made.step_s - length) > 1e-6 * length or counts.shape[1] < needed:
        message = (
            f"a forecast of {counts.shape[1]} bins of {made.step_s:g}s does not cover {len(windows)} windows of "
            f"{length:g}s, each a whole number of bins"
        )
        raise ScenarioError(Problem(message, path="planner.forecast"))
    return np.asarray(counts[:, :needed].reshape(len(counts), len(windows), bins).max(axis=2) / made.step_s)


def workload_at(workload: Workload, rate: float, cv: float | None = None) -> Workload:
    """A load of the same process and burstiness at a steady ``rate`` [1/s].

    A series keeps what its gaps are inside an interval; of a replay only ``cv``, that of its gaps where it is known,
    else gaps are exponential. The sojourns of a modulated process stay.
    """
    rate = max(rate, LEAST_RATE)
    if isinstance(workload, Mmpp):
        one, two = workload.states
        mean = (one.rate * one.mean_duration + two.rate * two.mean_duration) / (one.mean_duration + two.mean_duration)
        states = tuple(state.model_copy(update={"rate": state.rate * rate / mean}) for state in workload.states)
        return workload.model_copy(update={"states": states, "scale": 1.0, "shape": ()})
    if isinstance(workload, Gamma | Rates):
        cv = workload.cv
    elif not isinstance(workload, Trace):
        cv = None
    # built as they are: what is validated is text with units
    return Poisson.model_construct(rate=rate) if cv in (None, 1) else Gamma.model_construct(rate=rate, cv=cv)


def workload_over(workload: Workload, load: PlannedLoad, values: Floats, cv: float | None = None) -> Workload:
    """A load of the same process over all windows, at the rate of each (windows,) [1/s]; see :func:`workload_at`."""
    lengths = {round(window.end_s - window.start_s, 6) for window in load.windows}
    highest = max(float(np.max(values)), LEAST_RATE)
    steady = workload_at(workload, highest, cv)
    if len(load.windows) == 1:
        return steady
    if len(lengths) > 1:
        raise ScenarioError(Problem("windows of several lengths cannot be forecast: give them all the same"))
    factors = tuple((np.asarray(values, dtype=np.float64) / highest).tolist())
    steps = Steps.model_construct(kind="steps", every=load.windows[0].end_s, factors=factors)
    return steady.model_copy(update={"shape": (steps,)})
