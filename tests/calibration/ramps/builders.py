"""Small sets of features whose answers grow clearer with depth."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.ramps.data import Data
from simulator.calibration.ramps.features import check_features
from simulator.calibration.ramps.split import split

Arrays = dict[str, NDArray[Any]]


def arrays(rows: int = 300, classes: int = 3, exits: int = 3, seed: int = 0, **more: NDArray[Any]) -> Arrays:
    """States of growing signal around one centre per class; the query is a noisy look at the class."""
    draws = np.random.default_rng(seed)
    label = draws.integers(0, classes, rows)
    noise = draws.standard_normal((rows, 4))
    found: Arrays = {"label": label}
    for k in range(1, exits + 1):
        centres = draws.standard_normal((classes, 4))
        own = 0.5 * draws.standard_normal((rows, 4))
        found[f"state_{k}"] = (0.7 * k * centres[label] + noise + own).astype(np.float32)
    found["query"] = (np.eye(classes)[label] + draws.standard_normal((rows, classes))).astype(np.float32)
    return found | more


def data(seed: int = 0, **named: Any) -> Data:
    """Checked, split and scaled features."""
    features = check_features(arrays(**named))
    return Data.of(features, split(features, seed))


def saved(folder: Path, given: Arrays | None = None) -> Path:
    """An npz file of these arrays."""
    file = folder / "features.npz"
    np.savez(file, **(arrays() if given is None else given))  # type: ignore[arg-type]
    return file
