"""Iteration times of pipeline-parallel trainings: measured rows in, a law with its held-out error out."""

from __future__ import annotations

from simulator.calibration.pipeline.choice import Candidate, FittedIterations, Iterations, calibrate, choose
from simulator.calibration.pipeline.columns import Meaning, understand
from simulator.calibration.pipeline.rows import fit_rows

__all__ = [
    "Candidate",
    "FittedIterations",
    "Iterations",
    "Meaning",
    "calibrate",
    "choose",
    "fit_rows",
    "understand",
]
