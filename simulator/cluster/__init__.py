"""The cluster model: devices, links, queues and faults, simulated request by request."""

from simulator.cluster.bind import load, loads, vary
from simulator.cluster.evaluate import Candidate, Evaluation, evaluate
from simulator.cluster.simulate import check, simulate

__all__ = ["Candidate", "Evaluation", "check", "evaluate", "load", "loads", "simulate", "vary"]
