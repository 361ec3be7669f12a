"""From corrected accumulators back to real values, or on to the unsigned codes of the next layer.

A corrected accumulator is ``acc - compensation``: the sum of (input code - zero point) * (weight code - zero point).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.int8.affine import Affine, Floats, Ints, along_channels
from simulator.errors import Problem, ScenarioError

_INT32 = 2**31 - 1


def restore(corrected: NDArray[np.int32], multiplier: Floats, bias: Floats | None = None) -> Floats:
    """``y = multiplier[o] * corrected + bias[o]``, output channels on axis 1.

    ``multiplier`` is input scale * weight scale, or the weight scale where the weights took the input's.
    """
    found: Floats = corrected * along_channels(multiplier, corrected.ndim)
    if bias is not None:
        found = found + along_channels(bias, corrected.ndim)
    return found


def bias_codes(bias: Floats, multiplier: Floats) -> Ints:
    """``round(b[o] / multiplier[o])``: the bias in units of the accumulator; refused beyond 32 bits."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # no finite code: refused below
        codes = np.rint(bias / multiplier)
    if not (np.abs(codes) <= _INT32).all():
        worst = int(np.argmax(np.abs(codes)))
        raise ScenarioError(
            Problem(
                f"the bias of output {worst} ({bias[worst]:g}) does not fit 32 bits in units of {multiplier[worst]:g}: "
                "restore to real values instead, or widen the range of the input"
            )
        )
    return codes.astype(np.int64)


def requantize(
    corrected: NDArray[np.int32], multiplier: Floats, output: Affine, bias: Ints | None = None, *, relu: bool = False
) -> NDArray[np.uint8]:
    """``clip(round(multiplier[o] / s_y * (corrected + bias[o])) + z_y, low, 2^b - 1)``, halves to even.

    ``bias`` is in units of the accumulator (:func:`bias_codes`). With ``relu``, low is z_y, the code of 0, so the
    ReLU costs nothing; otherwise 0. Source: ONNX operators QLinearConv and QLinearMatMul.
    """
    total = corrected.astype(np.int64)
    if bias is not None:
        total = total + along_channels(bias, corrected.ndim)
        if not (np.abs(total) <= _INT32).all():
            raise ScenarioError(
                Problem("accumulator and bias together do not fit 32 bits: restore to real values instead")
            )
    factor = along_channels(np.asarray(multiplier / output.scale), corrected.ndim)
    with np.errstate(over="ignore"):
        codes = np.rint(total * factor) + along_channels(output.zero, corrected.ndim)
    low = along_channels(output.zero, corrected.ndim) if relu else 0
    found: NDArray[np.uint8] = np.clip(codes, low, 2**output.bits - 1).astype(np.uint8)
    return found
