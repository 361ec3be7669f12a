"""The forecast behind a plan: quantiles of the load, made anew from the history that the scenario names."""

from __future__ import annotations

from simulator.errors import ScenarioError
from simulator.reporting.report.case import Case, Json
from simulator.reporting.report.content import Block, Picture
from simulator.reporting.report.pictures.lines import Steps, load_picture
from simulator.scenario.planning import LoadHistory

BANDS = (0.05, 0.25, 0.5, 0.75, 0.95)
LONGEST_BIN_S = 3600.0
"""Longest bin of a forecast that is shown [s]."""


def forecasts(case: Case) -> tuple[Json, list[str]]:
    """Quantiles of the load by service and bin, as rates, from the history that the planner forecasts; notes beside."""
    planner, names = case.scenario.planner, list(case.scenario.services)
    found: Json = {}
    for name in names:
        history = None if planner is None else planner.history_of(name, names)
        if planner is None or history is None:
            continue
        try:
            found[name] = _rates(case, history, planner.quantile)
        except ScenarioError as error:
            return {}, [f"The forecast of {name} cannot be shown: {error.problems[0].message}."]
    if found:
        return found, []
    what = "the scenario states" if case.plan is None or case.plan.forecast is None else "the plan was sized for"
    return {}, [f"The load is the one that {what}: the scenario names no load history to forecast quantiles from."]


def _rates(case: Case, history: LoadHistory, quantile: float) -> Json:
    from simulator.workload.forecast import forecast

    window = None if case.plan is None else case.plan.windows[0]
    length = LONGEST_BIN_S if window is None else min(window.end - window.start, LONGEST_BIN_S)
    end = case.scenario.run.duration
    length = length if end % length == 0.0 else end
    levels = sorted({*BANDS, quantile})
    made = forecast(
        case.scenario.source.file(history.series),
        column=history.column,
        interval=history.interval,
        at=history.at,
        to=length,
        horizon=end,
        quantiles=levels,
    )
    rates = {f"{level:g}": (made.quantile(level) * history.scale / made.step_s).tolist() for level in levels}
    return {"series": history.series, "quantile": quantile, "step": length, "rates": rates}


def forecast_blocks(place: str, name: str, told: Json) -> list[Block]:
    """The quantiles of one service as a picture."""
    rates, step = told["rates"], told["step"]
    edges = [number * step for number in range(len(rates["0.5"]) + 1)]
    bands = {"5 % to 95 %": (rates["0.05"], rates["0.95"]), "25 % to 75 %": (rates["0.25"], rates["0.75"])}
    planned = rates[f"{told['quantile']:g}"]
    low, high = min(rates["0.5"]), max(rates["0.5"])
    alt = (
        f"{name}: forecast of {told['series']}: the median goes from {low:.4g} to {high:.4g} "
        f"per second; the {told['quantile']:.4g} quantile reaches {max(planned):.4g} per second."
    )
    steps = Steps(edges, rates["0.5"], planned, bands, f"quantile {told['quantile']:g}", "median")
    return [Picture(load_picture(steps, place, alt), f"{name}: forecast of the load, with quantiles", alt)]
