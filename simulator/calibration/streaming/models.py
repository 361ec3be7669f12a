"""Fitting the law of streamed steps: which figures the rows can tell, and their least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from simulator.calibration.streaming.table import DISTURBED, Steps
from simulator.costs.streaming.law import StreamingLaw, equal_seconds, kept_at_turn, visit_seconds

Floats = NDArray[np.float64]
Names = tuple[str, ...]
VARIANTS: tuple[Names, ...] = (
    ("byte", "item"),
    ("item", "constant"),
    ("byte", "item", "constant"),
    ("byte", "copy", "item"),
    ("byte", "copy", "item", "constant"),
)
"""What is fitted, in the order of preference: time of a byte and a copy, compute of an item and of each step."""
COMPUTE_ONLY: Names = ("item",)
"""What one row can tell."""
STARTS = (0.5, 0.9, 1.0)
"""Shares of the shortest step that the transfers are first taken for; the law has corners, and so local minima."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Fitted seconds: of a byte, a copy, an item, and each step."""

    byte: float
    copy: float
    item: float
    constant: float


def flat(steps: Steps) -> bool:
    """Whether steps of other sizes take as long as rounds of one: the transfers bind in all, and hide the compute."""
    wide = float(steps.items.max()) > (1.0 + DISTURBED) * float(steps.items.min())
    return wide and bool(steps.reads.all()) and bool(steps.seconds.max() <= (1.0 + DISTURBED) * steps.seconds.min())


def variants(steps: Steps) -> list[Names]:
    """Variants that have at most as many figures as the rows have different points; of flat rows only the transfers."""
    points = len(np.unique(np.column_stack([steps.items, steps.reads, steps.copies]), axis=0))
    loading = np.column_stack([steps.step_bytes, steps.copies])[steps.reads]
    apart = len(loading) > 0 and np.linalg.matrix_rank(loading / np.maximum(loading.max(axis=0), 1e-300)) == 2
    moves = bool(len(loading)) and bool((loading[:, 0] > 0.0).all())
    if moves and flat(steps):
        return [VARIANTS[0]]
    possible = [
        names
        for names in VARIANTS
        if len(names) <= points and (moves or "byte" not in names) and (apart or "copy" not in names)
    ]
    return possible or [COMPUTE_ONLY]


def fit_figures(steps: Steps, names: Names) -> Figures:
    """Least squares of relative errors; the transfers are left out where no row shows them."""
    found = min((_solve(steps, names, share) for share in STARTS), key=lambda pair: pair[0])[1]
    if "byte" in names and not _seen(steps, found):
        rest = tuple(name for name in names if name not in ("byte", "copy"))
        return _solve(steps, rest, 0.0)[1]
    return found


def predict(steps: Steps, found: Figures) -> Floats:
    """Predicted seconds of every row."""
    forward, backward = visit_seconds(steps.layers, found.constant, steps.items * found.item, steps.forward_share)
    load = (steps.step_bytes * found.byte + steps.copies * found.copy) / steps.loads
    load = np.where(steps.reads, load, 0.0)
    return equal_seconds(steps.layers, kept_at_turn(steps.layers, steps.loads), steps.slots, load, forward, backward)


def law_of(steps: Steps, found: Figures) -> StreamingLaw:
    """The fitted law, of the bytes and copies of the first row with transfers."""
    first = int(np.argmax(steps.reads))
    return StreamingLaw(
        layers=steps.layers,
        loads=steps.loads,
        item_s=found.item,
        constant_s=found.constant,
        step_bytes=float(steps.step_bytes[first]),
        bandwidth=1.0 / found.byte if found.byte > 0.0 else None,
        latency_s=found.copy,
        copies=float(steps.copies[first]),
        slots=steps.slots,
        forward_share=steps.forward_share,
        item_tokens=steps.item_tokens,
    )


def _seen(steps: Steps, found: Figures) -> bool:
    """Whether a row is longer than its compute by more than rounds differ: else a slow link is only guessed."""
    compute = found.constant + steps.items * found.item
    return found.byte > 0.0 and bool((steps.seconds > (1.0 + DISTURBED) * compute)[steps.reads].any())


def _solve(steps: Steps, names: Names, share: float) -> tuple[float, Figures]:
    """Squared relative error and figures, from transfers that take ``share`` of the shortest step."""
    scale = _scales(steps)
    start = np.array([{"byte": share, "copy": share / 2, "item": 1.0, "constant": 0.0}[name] for name in names])

    def figures(point: Floats) -> Figures:
        given = dict(zip(names, point * [scale[name] for name in names]))
        return Figures(*(float(given.get(name, 0.0)) for name in ("byte", "copy", "item", "constant")))

    def residuals(point: Floats) -> Floats:
        return predict(steps, figures(point)) / steps.seconds - 1.0

    low = np.array([1e-9 if name == "item" else 0.0 for name in names])
    best = least_squares(residuals, np.maximum(start, 1e-6), bounds=(low, np.inf), x_scale=1.0)
    return float(best.cost), figures(best.x)


def _scales(steps: Steps) -> dict[str, float]:
    """Sizes of the figures, so that the solver works on numbers near 1."""
    read = steps.seconds[steps.reads] if steps.reads.any() else steps.seconds
    sizes, copies = steps.step_bytes.max(), steps.copies.max()
    return {
        "byte": float(read.min() / sizes) if sizes > 0.0 else 1.0,
        "copy": float(read.min() / copies) if copies > 0.0 else 1.0,
        "item": float(np.min(steps.seconds / steps.items)),
        "constant": float(steps.seconds.min()),
    }
