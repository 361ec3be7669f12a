"""Accumulated fallback: all layers at their cheapest, then back to the reference one after another.

As in Intel Neural Compressor 2.x (strategy ``basic``): when everything quantized does not pass, every layer falls back
alone and its gain in accuracy is noted; then layers fall back together, the one that gained most first, until the
floor is reached. It stops at the first configuration that passes, which need not be the fastest.
"""

from __future__ import annotations

from simulator.calibration.precision.problem import Choice
from simulator.calibration.precision.task import Proposals, Task


def accumulated(task: Task) -> Proposals:
    """All quantized; each layer back alone; then back together in order of gain."""
    start = tuple(min(range(len(costs)), key=costs.__getitem__) for costs in task.problem.costs)
    moved = [layer for layer, k in enumerate(start) if k]
    if not moved:
        return "no precision saves anything"
    answer = yield start
    if answer.passed:
        return "everything at its cheapest passes"
    gained: dict[int, float] = {}
    for layer in moved:
        answer = yield _back(start, layer)
        if answer.passed:
            return "one layer back at its reference passes"
        gained[layer] = answer.accuracy
    order = sorted(moved, key=lambda layer: -gained[layer])
    choice = _back(start, order[0])
    for layer in order[1:-1]:  # the last step would be the reference itself
        choice = _back(choice, layer)
        answer = yield choice
        if answer.passed:
            return "enough layers are back at their reference"
    return "all layers but one are back at their reference"


def _back(choice: Choice, layer: int) -> Choice:
    return (*choice[:layer], 0, *choice[layer + 1 :])
