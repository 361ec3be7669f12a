"""Where the taps of a convolution lie: stride, padding, dilation, groups, and the windows they cut out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError

_MOST_ELEMENTS = 1 << 23
"""Elements of windows that are laid out at once; larger batches go in pieces."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of a convolution NCHW: ``stride`` and ``dilation`` as (rows, columns), ``groups``.

    ``padding`` is (top, left, bottom, right), the order of ONNX.

    >>> Geometry(stride=(2, 2), padding=(3, 3, 3, 3)).output((224, 224), (7, 7))
    (112, 112)
    """

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        if min(*self.stride, *self.dilation, self.groups) < 1 or min(self.padding) < 0:
            raise ScenarioError(Problem(f"stride, dilation and groups are at least 1, padding at least 0: {self}"))

    def output(self, size: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of the output: ``(n + begin + end - dilation * (k - 1) - 1) // stride + 1``."""
        found = tuple(
            (size[a] + self.padding[a] + self.padding[a + 2] - self.dilation[a] * (kernel[a] - 1) - 1) // self.stride[a]
            + 1
            for a in (0, 1)
        )
        if min(found) < 1:
            raise ScenarioError(
                Problem(f"an input of {size[0]} x {size[1]} is too small for {self} and kernel {kernel}")
            )
        return found[0], found[1]

    def check(self, channels: int, weight: tuple[int, ...]) -> None:
        """Refuse weights that are not (outputs, channels / groups, rows, columns)."""
        if len(weight) != 4 or min(weight) < 1:
            raise ScenarioError(
                Problem(f"weights of a convolution are (outputs, channels, rows, columns), got {weight}")
            )
        if weight[1] * self.groups != channels or weight[0] % self.groups:
            raise ScenarioError(
                Problem(f"weights {weight} do not fit {channels} input channels in {self.groups} groups")
            )


Multiply = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


def convolve(
    x: NDArray[Any], weight: NDArray[Any], geometry: Geometry, multiply: Multiply = np.matmul, fill: int = 0
) -> NDArray[Any]:
    """Convolution of x (N, C, H, W) with weight (O, C / groups, KH, KW), padding worth ``fill``: (N, O, P, Q).

    ``multiply`` gets windows (n, groups, P * Q, KH * KW * C / groups), channels fastest, and weights
    (groups, KH * KW * C / groups, O / groups); it decides how products are summed.
    """
    geometry.check(x.shape[1], weight.shape)
    kernel = (weight.shape[2], weight.shape[3])
    rows, columns = geometry.output((x.shape[2], x.shape[3]), kernel)
    by_group = weight.reshape(geometry.groups, -1, *weight.shape[1:]).transpose(0, 3, 4, 2, 1)
    matrix = by_group.reshape(geometry.groups, -1, by_group.shape[-1])
    piece = max(1, _MOST_ELEMENTS // (rows * columns * matrix.shape[1] * geometry.groups))
    parts = [
        multiply(windows(x[n : n + piece], kernel, geometry, fill), matrix) for n in range(0, max(len(x), 1), piece)
    ]
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return joined.swapaxes(2, 3).reshape(len(x), weight.shape[0], rows, columns)


def windows(x: NDArray[Any], kernel: tuple[int, int], geometry: Geometry, fill: int = 0) -> NDArray[Any]:
    """What each output position sees, channels fastest: (n, groups, P * Q, KH * KW * C / groups)."""
    top, left, bottom, right = geometry.padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    (down, across), (tall, wide) = geometry.stride, geometry.dilation
    extent = (tall * (kernel[0] - 1) + 1, wide * (kernel[1] - 1) + 1)
    view = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(2, 3))
    view = view[:, :, ::down, ::across, ::tall, ::wide]  # n, C, P, Q, KH, KW
    n, channels, rows, columns, *taps = view.shape
    split = view.reshape(n, geometry.groups, channels // geometry.groups, rows, columns, *taps)
    return split.transpose(0, 1, 3, 4, 5, 6, 2).reshape(
        n, geometry.groups, rows * columns, taps[0] * taps[1] * split.shape[2]
    )
