"""What the user writes: the scenario file, its models, and the loader that points at every mistake."""

from simulator.scenario.checks import Known
from simulator.scenario.loader import load, loads, vary
from simulator.scenario.root import Scenario
from simulator.scenario.source import Source
from simulator.scenario.workload import Workload

__all__ = ["Known", "Scenario", "Source", "Workload", "load", "loads", "vary"]
