"""Binds a scenario to catalogue, costs and files, and turns it into the plain arrays that the engines consume."""

from simulator.cluster.lower.cluster import lower

__all__ = ["lower"]
