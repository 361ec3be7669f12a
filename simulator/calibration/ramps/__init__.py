"""Off-ramps trained on stored layer states: independent and adaptive ramps, the distilled twin, the router."""

from simulator.calibration.ramps.adaptive import Settings
from simulator.calibration.ramps.features import Features, check_features, load_features
from simulator.calibration.ramps.result import RampStudy, check_folder
from simulator.calibration.ramps.study import train_ramps
from simulator.calibration.ramps.variants import VARIANTS

__all__ = [
    "VARIANTS",
    "Features",
    "RampStudy",
    "Settings",
    "check_features",
    "check_folder",
    "load_features",
    "train_ramps",
]
