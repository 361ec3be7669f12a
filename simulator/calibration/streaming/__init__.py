"""Streamed steps measured at several group sizes in, bandwidth, latency and compute with their error out."""

from simulator.calibration.streaming.fit import fit_streaming
from simulator.calibration.streaming.links import LinkFit, fit_link

__all__ = ["LinkFit", "fit_link", "fit_streaming"]
