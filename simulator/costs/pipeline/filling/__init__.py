"""Idle windows filled: what fits, which piece goes where, how far from the optimum, and what a second training can do.

What happens when it runs, with jitter and a training that goes first, is in ``simulator.cluster.fill``.
"""

from __future__ import annotations

from simulator.costs.pipeline.filling.bound import (
    Cycle,
    Demand,
    cycle_of,
    demand_of,
    periods_per_iteration,
    steady_lines,
)
from simulator.costs.pipeline.filling.drift import drifted, measured_times
from simulator.costs.pipeline.filling.fit import Fit
from simulator.costs.pipeline.filling.greedy import Filled, Offer, Placed, Progress, chosen_of, fill
from simulator.costs.pipeline.filling.jobs import Job
from simulator.costs.pipeline.filling.optimum import Optimum, is_small, optimum
from simulator.costs.pipeline.filling.policies import POLICIES, Candidate, Policy, best_mix

__all__ = [
    "POLICIES",
    "Candidate",
    "Cycle",
    "Demand",
    "Filled",
    "Fit",
    "Job",
    "Offer",
    "Optimum",
    "Placed",
    "Policy",
    "Progress",
    "best_mix",
    "chosen_of",
    "cycle_of",
    "demand_of",
    "drifted",
    "fill",
    "is_small",
    "measured_times",
    "optimum",
    "periods_per_iteration",
    "steady_lines",
]
