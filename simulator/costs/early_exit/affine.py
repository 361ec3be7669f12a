"""Closed forms for equal layers of ``t(b) = alpha + beta b``: when cutting a model pays, and when it does not.

Symbols: L layers; ``S_l`` the share of requests that needs layer l; ``S~_l`` the same held constant inside each portion
of a cut model, so ``S~ >= S``; B the batch size; ``w_l = 1 + r_l`` a layer with its ramp, which takes ``r_l`` of it at
the same batch (0 where none runs). Transfers, gathers and waiting are left out. An empty batch stops: ``t(0) = 0``.
The formulas follow from the batch compositions of ``batches``; cutting a model into portions whose batches stay full is
the idea of E3 (SOSP 2024) and US20260086912A1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.early_exit.depth import checked, held
from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
ROUNDING = 1e-12
LARGEST = 2**50
"""Batch sizes beyond are not told apart from no end."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Batch sizes ``first`` to ``last``, both included; ``last`` None: without end."""

    first: int
    last: int | None

    def __contains__(self, batch: int) -> bool:
        return self.first <= batch and (self.last is None or batch <= self.last)


def vanilla_seconds(alpha: float, beta: float, layers: int, batch: ArrayLike) -> Floats:
    """Time of a batch of B through all layers, ``L (alpha + beta B)`` [s]."""
    seconds: Floats = layers * (alpha + beta * np.asarray(batch, dtype=np.float64))
    return seconds


def compact_seconds(alpha: float, beta: float, survival: ArrayLike, batch: ArrayLike, ramp: ArrayLike = 0.0) -> Floats:
    """Expected time of a batch of B that shrinks as requests exit [s].

    .. math:: \\alpha \\sum_l w_l (1 - (1 - S_l)^B) + \\beta B \\sum_l w_l S_l

    The chance that anybody needs layer l is ``1 - (1 - S_l)^B``. ``ramp``: ``r_l`` of every layer, or one number for a
    ramp after every layer but the last.

    >>> compact_seconds(1.0, 0.0, [1.0, 0.5], [1, 2]).tolist()
    [1.5, 1.75]
    """
    share = checked(survival)
    weight = 1.0 + _relative(ramp, len(share))
    size = np.asarray(batch, dtype=np.float64)
    anybody = 1.0 - (1.0 - share) ** size[..., None]
    seconds: Floats = alpha * (anybody @ weight) + beta * size * float(share @ weight)
    return seconds


def split_seconds(
    alpha: float, beta: float, survival: ArrayLike, cuts: Sequence[int], batch: ArrayLike, ramp: ArrayLike = 0.0
) -> Floats:
    """Device time that B requests of a cut model need when every portion runs full batches [s].

    .. math:: (\\alpha + \\beta B) \\sum_l w_l \\tilde S_l

    ``ramp``: ``r_l`` of every layer, or one number for a ramp at every cut.

    >>> split_seconds(1.0, 0.0, [1.0, 0.5], [1], [1, 2]).tolist()
    [1.5, 1.5]
    """
    size = np.asarray(batch, dtype=np.float64)
    seconds: Floats = (alpha + beta * size) * _held_layers(survival, cuts, ramp)
    return seconds


def vanilla_capacity(alpha: float, beta: float, layers: int, batch: ArrayLike, devices: float = 1.0) -> Floats:
    """Requests per second of the whole model without exits, ``devices B / (L (alpha + beta B))``."""
    return devices * np.asarray(batch, dtype=np.float64) / vanilla_seconds(alpha, beta, layers, batch)


def compact_capacity(
    alpha: float, beta: float, survival: ArrayLike, batch: ArrayLike, devices: float = 1.0, ramp: ArrayLike = 0.0
) -> Floats:
    """Requests per second with shrinking batches, ``devices B / compact_seconds``."""
    size = np.asarray(batch, dtype=np.float64)
    return devices * size / compact_seconds(alpha, beta, survival, size, ramp)


def split_capacity(
    alpha: float,
    beta: float,
    survival: ArrayLike,
    cuts: Sequence[int],
    batch: ArrayLike,
    devices: float = 1.0,
    ramp: ArrayLike = 0.0,
) -> Floats:
    """Requests per second of a cut model with devices divided ideally (in fractions), ``devices B / split_seconds``.

    Whole devices carry less; without ramps the gain over vanilla is ``L / sum S~`` at every batch size.
    """
    size = np.asarray(batch, dtype=np.float64)
    return devices * size / split_seconds(alpha, beta, survival, cuts, size, ramp)


def upper_end(alpha: float, beta: float, survival: ArrayLike, cuts: Sequence[int]) -> float:
    """Batch size at which shrinking catches up with splitting, where every layer is still sure to run.

    .. math:: B^* = (\\alpha / \\beta) (L - \\sum \\tilde S) / (\\sum \\tilde S - \\sum S)

    For large B every layer runs, ``1 - (1 - S_l)^B -> 1``, and splitting wins exactly below this B; at smaller B it is
    an upper bound. Infinite where ``beta`` or the lower difference is 0. Ramps are left out.
    """
    share = checked(survival)
    hold = float(held(share, cuts).sum())
    below = beta * (hold - float(share.sum()))
    return alpha * (len(share) - hold) / below if below > 0.0 else float("inf")


def splitting_wins(
    alpha: float,
    beta: float,
    survival: ArrayLike,
    cuts: Sequence[int],
    *,
    ramp: ArrayLike = 0.0,
    compact_ramp: ArrayLike | None = None,
    compact_survival: ArrayLike | None = None,
) -> Interval | None:
    """Whole batch sizes at which a cut model carries more than shrinking batches; None: there are none.

    The difference ``compact_seconds - split_seconds`` is concave in B (a sum of ``1 - (1 - S)^B``, and a line), so the
    set is an interval: below it batches empty early, above it the devices are saturated and shrinking costs nothing.
    ``compact_ramp`` and ``compact_survival`` are those of the shrinking batches where they run other ramps.

    >>> splitting_wins(8.7, 1.0, [1.0, 0.9, 0.3, 0.2], cuts=[2])
    Interval(first=2, last=60)
    """
    share = checked(survival if compact_survival is None else compact_survival)
    weight = 1.0 + _relative(ramp if compact_ramp is None else compact_ramp, len(share))
    hold = _held_layers(survival, cuts, ramp)
    sure = share == 1.0
    rarely = np.log1p(-np.where(sure, 0.0, share))

    def gain(batch: int) -> float:
        anybody = np.where(sure, 1.0, -np.expm1(batch * rarely))
        fixed, growing = float(anybody @ weight) - hold, float(share @ weight) - hold
        value = alpha * fixed + beta * batch * growing
        return value if abs(value) > ROUNDING * (alpha + beta * batch) * hold else 0.0

    slope = beta * (float(share @ weight) - hold)
    limit = alpha * (float(weight[share > 0.0].sum()) - hold)
    return _positive(gain, endless=slope > 0.0 or (slope == 0.0 and limit > 0.0))


def winning_runs(one: ArrayLike, other: ArrayLike, batches: Sequence[int]) -> list[Interval]:
    """Runs of neighbouring ``batches`` at which capacity ``one`` is above ``other``: for measured curves.

    These need not be affine, so there may be several runs. The ends are entries of ``batches``.
    """
    better = np.asarray(one, dtype=np.float64) > np.asarray(other, dtype=np.float64)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], better, [False]]).astype(np.int8)))
    return [Interval(batches[low], batches[high - 1]) for low, high in edges.reshape(-1, 2).tolist()]


def _held_layers(survival: ArrayLike, cuts: Sequence[int], ramp: ArrayLike) -> float:
    """``sum w S~``."""
    hold = held(survival, cuts)
    relative = np.asarray(ramp, dtype=np.float64)
    if relative.ndim == 0:
        at_cuts = np.zeros(len(hold))
        at_cuts[[cut - 1 for cut in cuts]] = relative
        relative = at_cuts
    return float(hold @ (1.0 + _relative(relative, len(hold))))


def _relative(ramp: ArrayLike, layers: int) -> Floats:
    relative = np.asarray(ramp, dtype=np.float64)
    if relative.ndim == 0:
        relative = np.append(np.full(layers - 1, float(relative)), 0.0)
    if relative.shape != (layers,):
        raise ScenarioError(Problem(f"ramp: needs one number, or one for each of the {layers} layers"))
    return relative


def _positive(gain: Callable[[int], float], endless: bool) -> Interval | None:
    """Where a concave function of whole numbers is positive; ``endless``: it ends up positive."""
    if endless:
        first = _first(lambda batch: gain(batch) > 0.0)
        return None if first is None else Interval(first, None)
    peak = _first(lambda batch: gain(batch + 1) <= gain(batch))
    if peak is None or gain(peak) <= 0.0:
        return None
    first = _first(lambda batch: batch >= peak or gain(batch) > 0.0)
    assert first is not None
    beyond = _first(lambda batch: batch > peak and gain(batch) <= 0.0)
    return Interval(first, None if beyond is None else beyond - 1)


def _first(holds: Callable[[int], bool]) -> int | None:
    """Smallest whole number from 1 on where a condition holds that holds from there on; None: not up to 2^50."""
    high = 1
    while not holds(high):
        high *= 2
        if high > LARGEST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
