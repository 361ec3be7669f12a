"""What layers, ramps, gathers and transfers take by batch size: the arrays that every capacity is computed from.

An array of times has shape (layers, batch + 1): row l - 1 belongs to layer l or to the ramp that follows it, column b
to a batch of b requests; column 0 is 0, an empty batch stops. The last layer is followed by the model's head, not by a
ramp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
After = Literal["all"] | Sequence[int]


class Law(Protocol):
    """A time by batch size, such as the laws of ``simulator.costs.base``."""

    def seconds(self, batch: ArrayLike) -> Floats:
        """Time of one batch [s]."""
        ...


def layer_times(alpha: ArrayLike, beta: ArrayLike, batch: int, layers: int = 1) -> Floats:
    """Times of affine layers, ``t_l(b) = alpha_l + beta_l b`` and ``t_l(0) = 0`` [s], shape (layers, batch + 1).

    ``alpha`` [s] and ``beta`` [s per request] are single numbers for ``layers`` equal layers, or one each per layer.

    >>> layer_times([1.0, 2.0], 0.5, batch=2).tolist()
    [[0.0, 1.5, 2.0], [0.0, 2.5, 3.0]]
    """
    fixed, per_item = np.broadcast_arrays(np.atleast_1d(alpha), np.atleast_1d(beta))
    rows = np.repeat(fixed, layers) if fixed.size == 1 else fixed
    slope = np.repeat(per_item, layers) if fixed.size == 1 else per_item
    return _from_one(rows[:, None] + slope[:, None] * np.arange(batch + 1.0))


def law_times(laws: Sequence[Law], batch: int) -> Floats:
    """Times of layers that each follow a law [s], shape (len(laws), batch + 1)."""
    sizes = np.arange(batch + 1.0)
    return _from_one(np.array([law.seconds(sizes) for law in laws], dtype=np.float64))


def relative_ramps(layers: Floats, relative: float, after: After = "all") -> Floats:
    """Times of ramps that take ``relative`` of their layer's time at the same batch [s], shape of ``layers``.

    Published ramps take 0.05 (light) to 0.19 (DeeBERT: 19.5 % of a model of 12 layers) of a layer.

    >>> relative_ramps(layer_times(1.0, 1.0, batch=1, layers=3), 0.5).tolist()
    [[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    return relative * layers * _followed(len(layers), after)[:, None]


def measured_ramps(law: Law, layers: int, batch: int, after: After = "all") -> Floats:
    """Times of equal ramps of measured or fitted time [s], shape (layers, batch + 1)."""
    return law_times([law], batch) * _followed(layers, after)[:, None]


def transfer_times(
    batch: int, item_bytes: float, bandwidth: float, latency_s: float = 0.0, *, empty_free: bool = True
) -> Floats:
    """Time to hand n = 0 .. ``batch`` survivors on: ``latency + n bytes / bandwidth`` [s], shape (batch + 1,).

    No survivors cost nothing. ``empty_free=False`` pays the latency for them too: the mean over a random number of
    survivors is then the time of their mean number, as planners often reckon.
    """
    seconds: Floats = latency_s + np.arange(batch + 1.0) * item_bytes / bandwidth
    if empty_free:
        seconds[0] = 0.0
    return seconds


def _followed(layers: int, after: After) -> Floats:
    """1.0 for layers followed by a ramp; never the last."""
    listed = list(range(1, layers)) if after == "all" else [int(layer) for layer in after]
    outside = [layer for layer in listed if not 1 <= layer <= layers]
    if outside:
        raise ScenarioError(Problem(f"a ramp after layer {outside[0]}: the model has layers 1 to {layers}"))
    has = np.zeros(layers)
    has[[layer - 1 for layer in listed if layer < layers]] = 1.0
    return has


def _from_one(seconds: Floats) -> Floats:
    seconds = np.array(seconds, dtype=np.float64)
    seconds[:, 0] = 0.0
    if not (np.isfinite(seconds).all() and (seconds >= 0.0).all()):
        raise ScenarioError(Problem("layer times must be finite and at least 0"))
    return seconds
