"""Searches over loads and deployments; every candidate is judged by the simulator."""
