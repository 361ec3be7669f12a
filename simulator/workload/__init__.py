"""When requests come: arrival processes, traces, rate series, shapes over time, thinking clients."""

from simulator.workload.arrivals import arrival_times, expected_by, mean_rate, open_arrivals
from simulator.workload.closed import ClientDraws, Sampler, think_times
from simulator.workload.registry import PROCESSES, scaled
from simulator.workload.shapes import SHAPES

__all__ = [
    "PROCESSES",
    "SHAPES",
    "ClientDraws",
    "Sampler",
    "arrival_times",
    "expected_by",
    "mean_rate",
    "open_arrivals",
    "scaled",
    "think_times",
]
