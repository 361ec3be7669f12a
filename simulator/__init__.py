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
    from simulator.cluster import load
    from simulator.cluster.evaluate import Evaluation, evaluate
    from simulator.cluster.simulate import simulate
    from simulator.errors import ScenarioError
    from simulator.results import Result
    from simulator.workload.forecast import Forecast, forecast

__all__ = [
    "Evaluation",
    "Forecast",
    "Result",
    "ScenarioError",
    "__version__",
    "evaluate",
    "forecast",
    "load",
    "simulate",
]

_HOMES = {
    "load": "simulator.cluster",
    "simulate": "simulator.cluster",
    "evaluate": "simulator.cluster",
    "Evaluation": "simulator.cluster",
    "forecast": "simulator.workload.forecast",
    "Forecast": "simulator.workload.forecast",
    "Result": "simulator.results",
    "ScenarioError": "simulator.errors",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``plan --help`` pays for nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
