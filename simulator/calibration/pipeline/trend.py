"""Fitting the physical part of the law of training iterations: positive parameters, weak priors, robust errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.pipeline.descent import least_robust
from simulator.costs.pipeline.iteration import IterationLaw, Work

Floats = NDArray[np.float64]

USUAL = IterationLaw(
    flops_per_s=2e14,
    width_half=150.0,
    tokens_half=300.0,
    element_s=1e-11,
    split_element_s=1e-11,
    score_s=1e-11,
    reduce_s=1e-11,
    reduce_latency_s=1e-4,
    launch_s=1e-3,
    rank_launch_s=1e-4,
    sharpness=4.0,
    loss_s=1e-11,
    microbatch_s=5e-4,
    hop_s=2e-11,
    far_hop_s=1e-10,
    hop_latency_s=5e-5,
    optimizer_s=2e-11,
    gradient_s=1e-11,
    far_gradient_s=1e-10,
    iteration_s=3e-3,
    straggle=0.01,
)
"""Orders of magnitude for a device of 200 TFLOP/s; the times are taken relative to the rate of the rows fitted.

From data sheets: 2 bytes per element over 1.5-2 TB/s of memory, 200-300 GB/s between devices of a node, 12-25 GB/s
between nodes, 16 bytes per parameter for the optimizer, some tens of launches of 5-10 us per layer and pass. They are
starting points and weak priors (a factor of e^2 counts as one ordinary deviation), not results.
"""
FEW = ("flops_per_s", "width_half", "launch_s")
"""The parameters of the small law: rate, half-performance width, launches."""
ALL = tuple(key for key, value in USUAL.parameters().items() if value)
SMALL = IterationLaw(
    flops_per_s=USUAL.flops_per_s, width_half=USUAL.width_half, launch_s=USUAL.launch_s, sharpness=USUAL.sharpness
)
_NEUTRAL_SHARE = 0.4


def fit_trend(amounts: Work, seconds: Floats, few: bool) -> IterationLaw:
    """The law without factors of least robust relative error; ``few``: with the three parameters of ``FEW``.

    Minimises, over the logarithms of the parameters, ``sum rho(ln(law / measured))`` (soft L1) and the priors.
    """
    scale = _scale(amounts, seconds)
    start, free = (SMALL, FEW) if few else (USUAL, ALL)
    centre = np.log([_get(start, key) for key in free])
    target = np.log(seconds / scale)

    def residuals(x: Floats) -> Floats:
        layers, rest = _law(start, free, x).parts(amounts)
        return np.asarray(np.log(layers + rest) - target)

    return _law(start, free, least_robust(residuals, centre)).scaled(scale)


def _law(start: IterationLaw, free: tuple[str, ...], x: Floats) -> IterationLaw:
    values = dict(zip(free, np.exp(x).tolist(), strict=True))
    if "sharpness" in values:  # from 1 upwards
        values["sharpness"] += 1.0
    return replace(start, **values)


def _get(start: IterationLaw, key: str) -> float:
    value = float(getattr(start, key))
    return value - 1.0 if key == "sharpness" else value


def _scale(amounts: Work, seconds: Floats) -> float:
    """A power of two by which these iterations are slower than a device of ``USUAL``'s rate at a common efficiency.

    So the priors hold for slow and fast devices alike, and doubling all times doubles the law exactly.
    """
    ideal = (amounts.visits * amounts.flop + amounts.microbatches * amounts.head_flop) / USUAL.flops_per_s
    return math.ldexp(1.0, round(math.log2(float(np.median(seconds / ideal)) * _NEUTRAL_SHARE)))
