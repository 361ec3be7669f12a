"""Quantile forecasts of a load from its history, and their test at past origins."""

from simulator.workload.forecast.api import QUANTILES, forecast, regular_series
from simulator.workload.forecast.backtest import Backtest, backtest
from simulator.workload.forecast.reading import LoadSeries, read_series
from simulator.workload.forecast.result import Forecast

__all__ = ["QUANTILES", "Backtest", "Forecast", "LoadSeries", "backtest", "forecast", "read_series", "regular_series"]
