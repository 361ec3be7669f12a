"""Plans made from forecasts and replayed with the load that came, beside the alternatives."""

from simulator.planner.backtest.run import PlanBacktest, backtest
from simulator.planner.backtest.strategies import STRATEGIES

__all__ = ["STRATEGIES", "PlanBacktest", "backtest"]
