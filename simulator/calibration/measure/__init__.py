"""Measured on the spot: times of small networks on this machine, as rows that ``plan calibrate fit`` reads."""

from simulator.calibration.measure.registry import BACKENDS, KINDS
from simulator.calibration.measure.result import Measurement, Row
from simulator.calibration.measure.rounds import Effort
from simulator.calibration.measure.run import measure

__all__ = ["BACKENDS", "KINDS", "Effort", "Measurement", "Row", "measure"]
