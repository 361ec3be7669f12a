"""Random cases, and references that share no code with what is tested: loops over output positions in 64 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.calibration.int8 import Affine, Geometry

NOTE_SHAPES = {
    "7x7 stride 2 padding 3": ((56, 56), 7, Geometry((2, 2), (3, 3, 3, 3))),
    "3x3 padding 1": ((16, 16), 3, Geometry((1, 1), (1, 1, 1, 1))),
    "5x5 padding 2": ((16, 16), 5, Geometry((1, 1), (2, 2, 2, 2))),
    "1x1": ((16, 16), 1, Geometry()),
}


@dataclass(frozen=True)
class Case:
    """A convolution: codes (N, C, H, W), real weights (O, C / groups, KH, KW), the codes' meaning."""

    codes: NDArray[np.uint8]
    weight: NDArray[np.float64]
    inputs: Affine
    geometry: Geometry

    @property
    def size(self) -> tuple[int, int]:
        return self.codes.shape[2], self.codes.shape[3]


@st.composite
def convolutions(draw: st.DrawFn, per_channel: bool | None = None) -> Case:
    whole = st.integers
    kernel = draw(whole(1, 7)), draw(whole(1, 7))
    stride = draw(whole(1, 3)), draw(whole(1, 3))
    dilation = draw(whole(1, 3)), draw(whole(1, 3))
    padding = tuple(draw(whole(0, 4)) for _ in range(4))
    groups = draw(whole(1, 3))
    size = draw(whole(1, 10)), draw(whole(1, 10))
    assume(all(size[a] + padding[a] + padding[a + 2] > dilation[a] * (kernel[a] - 1) for a in (0, 1)))
    geometry = Geometry(stride, (padding[0], padding[1], padding[2], padding[3]), dilation, groups)
    draws = np.random.default_rng(draw(whole(0, 2**32)))
    channels = groups * draw(whole(1, 3))
    codes = draws.integers(0, 256, (draw(whole(1, 2)), channels, *size), dtype=np.uint8)
    weight = draws.normal(size=(groups * draw(whole(1, 2)), channels // groups, *kernel)) * draws.uniform(0.01, 5)
    many = draw(st.booleans()) if per_channel is None else per_channel
    shape = (channels,) if many else ()
    inputs = Affine(np.asarray(draws.uniform(0.01, 2, shape)), np.asarray(draws.integers(0, 256, shape)))
    return Case(codes, weight, inputs, geometry)


def loops(x: NDArray[Any], weight: NDArray[Any], geometry: Geometry, fill: NDArray[Any] | float = 0) -> NDArray[Any]:
    """The convolution, one output position after another; padding holds ``fill``, a number or one per channel."""
    top, left, bottom, right = geometry.padding
    padded = np.empty((*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right), dtype=x.dtype)
    padded[:] = np.asarray(fill, dtype=x.dtype).reshape(-1, 1, 1)
    padded[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    outputs, per_group, tall, wide = weight.shape
    rows = (padded.shape[2] - geometry.dilation[0] * (tall - 1) - 1) // geometry.stride[0] + 1
    columns = (padded.shape[3] - geometry.dilation[1] * (wide - 1) - 1) // geometry.stride[1] + 1
    found = np.zeros((len(x), outputs, rows, columns), dtype=np.result_type(x, weight))
    for o in range(outputs):
        first = o // (outputs // geometry.groups) * per_group
        for p in range(rows):
            for q in range(columns):
                down = p * geometry.stride[0] + np.arange(tall) * geometry.dilation[0]
                across = q * geometry.stride[1] + np.arange(wide) * geometry.dilation[1]
                seen = padded[:, first : first + per_group][:, :, down[:, None], across[None, :]]
                found[:, o, p, q] = (seen * weight[o]).sum(axis=(1, 2, 3))
    return found


def outliers(seed: int, rows: int = 512, channels: int = 256, outputs: int = 256) -> tuple[Any, Any]:
    """Normal activations with four channels 60 times as large, and normal weights."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, channels))
    x[:, draws.choice(channels, 4, replace=False)] *= 60
    return x, draws.normal(size=(channels, outputs)) / np.sqrt(channels)


def decibels(truth: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Signal to quantization noise."""
    return float(10 * np.log10((truth**2).sum() / ((found - truth) ** 2).sum()))
