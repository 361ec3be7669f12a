"""The cluster model: devices, links, queues and faults, simulated request by request."""

from simulator.cluster.bind import load, loads
from simulator.cluster.simulate import simulate

__all__ = ["load", "loads", "simulate"]
