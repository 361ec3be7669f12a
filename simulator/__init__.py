"""Simulator and capacity planner for neural-network serving clusters.

>>> import simulator
>>> callable(simulator.load) and callable(simulator.simulate)
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from simulator.version import __version__

if TYPE_CHECKING:
    from simulator.calibration import Calibration, fit
    from simulator.calibration.measure import Effort, Measurement, measure
    from simulator.cluster import load
    from simulator.cluster.evaluate import Evaluation, evaluate
    from simulator.cluster.simulate import simulate
    from simulator.errors import ScenarioError
    from simulator.planner.backtest import PlanBacktest, backtest
    from simulator.planner.compare import Comparison, compare
    from simulator.planner.exits import ExitComparison, compare_exits
    from simulator.planner.optimize.api import Optimized, optimize
    from simulator.planner.pipeline.api import PipelineComparison, PipelineSearch, compare_pipelines, search_pipelines
    from simulator.planner.saturate import Saturation, saturate
    from simulator.planner.stream import GroupComparison, compare_groups
    from simulator.planner.sweep import SweepResult, sweep
    from simulator.planner.uncertainty import Uncertainty, uncertainty
    from simulator.results import Result
    from simulator.scenario.planfile import Plan, write_plan
    from simulator.workload.forecast import Forecast, forecast

__all__ = [
    "Calibration",
    "Comparison",
    "Effort",
    "Evaluation",
    "ExitComparison",
    "Forecast",
    "GroupComparison",
    "Measurement",
    "Optimized",
    "PipelineComparison",
    "PipelineSearch",
    "Plan",
    "PlanBacktest",
    "Result",
    "Saturation",
    "ScenarioError",
    "SweepResult",
    "Uncertainty",
    "__version__",
    "backtest",
    "compare",
    "compare_exits",
    "compare_groups",
    "compare_pipelines",
    "evaluate",
    "fit",
    "forecast",
    "load",
    "measure",
    "optimize",
    "saturate",
    "search_pipelines",
    "simulate",
    "sweep",
    "uncertainty",
    "write_plan",
]

_HOMES = {
    "load": "simulator.cluster",
    "simulate": "simulator.cluster.simulate",
    "Result": "simulator.results",
    "Evaluation": "simulator.cluster.evaluate",
    "evaluate": "simulator.cluster.evaluate",
    "SweepResult": "simulator.planner.sweep",
    "sweep": "simulator.planner.sweep",
    "Comparison": "simulator.planner.compare",
    "compare": "simulator.planner.compare",
    "Saturation": "simulator.planner.saturate",
    "saturate": "simulator.planner.saturate",
    "Uncertainty": "simulator.planner.uncertainty",
    "uncertainty": "simulator.planner.uncertainty",
    "ExitComparison": "simulator.planner.exits",
    "compare_exits": "simulator.planner.exits",
    "PipelineComparison": "simulator.planner.pipeline.api",
    "PipelineSearch": "simulator.planner.pipeline.api",
    "compare_pipelines": "simulator.planner.pipeline.api",
    "search_pipelines": "simulator.planner.pipeline.api",
    "GroupComparison": "simulator.planner.stream",
    "compare_groups": "simulator.planner.stream",
    "Forecast": "simulator.workload.forecast",
    "forecast": "simulator.workload.forecast",
    "Optimized": "simulator.planner.optimize.api",
    "optimize": "simulator.planner.optimize.api",
    "PlanBacktest": "simulator.planner.backtest",
    "backtest": "simulator.planner.backtest",
    "Plan": "simulator.scenario.planfile",
    "write_plan": "simulator.scenario.planfile",
    "Calibration": "simulator.calibration",
    "fit": "simulator.calibration",
    "Effort": "simulator.calibration.measure",
    "Measurement": "simulator.calibration.measure",
    "measure": "simulator.calibration.measure",
    "ScenarioError": "simulator.errors",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``plan --help`` pays for nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
