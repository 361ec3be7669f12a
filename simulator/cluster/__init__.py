"""The cluster model: devices, links, queues and faults, simulated request by request."""

from simulator.cluster.bind import load, loads
from simulator.cluster.evaluate import Candidate, Evaluation, evaluate
from simulator.cluster.simulate import simulate

__all__ = ["Candidate", "Evaluation", "evaluate", "load", "loads", "simulate"]
