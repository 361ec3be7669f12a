"""Measured rows in, cost parameters with their error out."""

from simulator.calibration.fit import fit
from simulator.calibration.result import Calibration, GroupFit, Worst

__all__ = ["Calibration", "GroupFit", "Worst", "fit"]
