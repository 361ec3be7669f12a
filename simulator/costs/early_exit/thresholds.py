"""What a rule's threshold may be: one number for all exits, or one per exit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError

Threshold = float | Sequence[float]


def per_exit(rule: str, threshold: Threshold, exits: int, most: float = math.inf) -> NDArray[np.float64]:
    """The threshold of each of ``exits`` exits, each within 0..``most``.

    A list has one number per exit, or one fewer: the last exit always answers and needs none.
    """
    listed = [threshold] * exits if isinstance(threshold, int | float) else list(threshold)
    if len(listed) == exits - 1:
        listed.append(0.0)
    if len(listed) != exits:
        wanted = f"{exits - 1} (the last exit always answers) or {exits}"
        raise ScenarioError(Problem(f"rule {rule}: {len(listed)} thresholds for {exits} exits, expected {wanted}"))
    for value in listed:
        if not 0.0 <= value <= most:
            limit = f"within 0..{most:g}" if math.isfinite(most) else "at least 0"
            raise ScenarioError(Problem(f"rule {rule}: a threshold must be {limit}, got {value}"))
    return np.array(listed, dtype=np.float64)
