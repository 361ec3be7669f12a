"""Scales per input channel, folded into the weights before they are quantized: the weights take what inputs differ.

``x[:, k] * w[k, o] = (x[:, k] / f[k]) * (f[k] * w[k, o])``: the codes of the input stand for x / f, and one
accumulator still serves all channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simulator.calibration.int8.affine import Affine, Floats, from_range
from simulator.errors import Problem, ScenarioError


def fold(weight: ArrayLike, factor: ArrayLike, axis: int, groups: int = 1) -> Floats:
    """Weights times the factor of their input channel: (K, O) with ``axis`` 1, (O, C / groups, KH, KW) with 0.

    ``axis`` is that of the output channels. Output o of a convolution belongs to group ``o // (O / groups)``, whose
    channels are ``C / groups`` consecutive ones of the input.

    >>> fold(np.ones((2, 1, 1, 1)), [3.0, 5.0], axis=0, groups=2).ravel()
    array([3., 5.])
    """
    real, by_channel = np.asarray(weight, dtype=np.float64), np.asarray(factor, dtype=np.float64)
    channels = len(real) if axis == 1 else real.shape[1] * groups
    if by_channel.shape != (channels,):
        raise ScenarioError(
            Problem(f"one scale per input channel ({channels}) is wanted, got shape {by_channel.shape}")
        )
    if axis == 1:
        return real * by_channel[:, None]
    by_group = by_channel.reshape(groups, real.shape[1])
    by_output = np.repeat(by_group, len(real) // groups, axis=0)
    return real * by_output.reshape(*by_output.shape, *[1] * (real.ndim - 2))


def input_peaks(weight: ArrayLike, axis: int, groups: int = 1) -> Floats:
    """max|w| over all that multiplies each input channel, (channels,)."""
    real = np.abs(np.asarray(weight, dtype=np.float64))
    if axis == 1:
        return np.asarray(real.max(axis=1))
    by_group = real.reshape(groups, -1, *real.shape[1:])
    return np.asarray(by_group.max(axis=tuple(k for k in range(by_group.ndim) if k not in (0, 2)))).ravel()


def smoothing_factors(input_peak: ArrayLike, weight_peak: ArrayLike, alpha: float = 0.5) -> Floats:
    """``f[k] = max|x_k|^alpha / max|w_k|^(1 - alpha)``: how much of the difference between channels the weights take.

    alpha 1 makes all input channels equally large (a scale per input channel), 0 all rows of the weights.
    A channel without input or without weights keeps factor 1. Source: SmoothQuant, arXiv 2211.10438, equation 4.

    >>> smoothing_factors([16.0, 1.0, 0.0], [1.0, 4.0, 1.0])
    array([4. , 0.5, 1. ])
    """
    inputs, weights = np.asarray(input_peak, dtype=np.float64), np.asarray(weight_peak, dtype=np.float64)
    if not 0 <= alpha <= 1:
        raise ScenarioError(Problem(f"alpha lies between 0 (weights even) and 1 (inputs even), got {alpha}"))
    used = (inputs > 0) & (weights > 0)
    # Powers of the two apart would overflow where inputs and weights are both far from 1
    logs = alpha * np.log(np.where(used, inputs, 1.0)) - (1 - alpha) * np.log(np.where(used, weights, 1.0))
    return np.where(used, np.exp(np.clip(logs, -300, 300)), 1.0)


def smoothed(low: ArrayLike, high: ArrayLike, factor: ArrayLike, bits: int = 8) -> Affine:
    """Codes for x / factor with one zero point: scale ``s * factor[k]`` per channel, from ranges per channel.

    ``low`` and ``high`` (channels,) are the smallest and largest value of each channel.
    """
    by_channel = np.asarray(factor, dtype=np.float64)
    common = from_range(np.min(np.asarray(low) / by_channel), np.max(np.asarray(high) / by_channel), bits)
    return Affine(common.scale * by_channel, common.zero, bits)
