"""The weights accumulation table: sums of weights for every set of kernel taps that meets real input.

Where padding is accumulated as code 0, the zero point z of the input was added only by the taps that met real input.
What has to be taken off again is therefore z times the sum of *those* weights, and which they are depends on the
output's position and on the kernel's size. Positions with equal sets form a class; the table has one row per class.
Sources: US12596917B2, abstract; oneDNN, ``zero_point_pad_comp_config``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.int8.affine import Ints
from simulator.calibration.int8.geometry import Geometry
from simulator.costs.quantized import memory


@dataclass(frozen=True, eq=False, slots=True)
class Classes:
    """Classes of the output positions on one axis, numbered in order of appearance.

    ``of`` (positions,) is the class of each; class c meets the taps ``first[c] <= i < last[c]``.
    """

    of: Ints
    first: Ints
    last: Ints

    @property
    def count(self) -> int:
        """Number of distinct sets of taps; at most K (K + 1) / 2, and one more where a position meets none."""
        return len(self.first)


def border_classes(size: int, kernel: int, stride: int = 1, begin: int = 0, end: int = 0, dilation: int = 1) -> Classes:
    """Classes on one axis: output p meets tap i iff ``0 <= p * stride - begin + i * dilation < size``.

    >>> [border_classes(14, k, s, p, p).count for k, s, p in [(3, 1, 1), (5, 1, 2), (3, 2, 1), (1, 1, 0)]]
    [3, 5, 2, 1]
    >>> border_classes(224, 7, 2, 3, 3).count
    4
    """
    positions = (size + begin + end - dilation * (kernel - 1) - 1) // stride + 1
    start = np.arange(positions) * stride - begin
    first = np.clip(-(start // dilation), 0, kernel)  # smallest i with start + i * dilation >= 0
    last = np.clip(-((start - size) // dilation), first, kernel)
    nothing = first == last
    first[nothing] = last[nothing] = 0
    pairs, index, of = np.unique(first * (kernel + 1) + last, return_index=True, return_inverse=True)
    order = np.argsort(index)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Classes(rank[of], pairs[order] // (kernel + 1), pairs[order] % (kernel + 1))


def both_axes(size: tuple[int, int], kernel: tuple[int, int], geometry: Geometry) -> tuple[Classes, Classes]:
    """Classes of the output's rows and of its columns."""
    geometry.output(size, kernel)  # refuses what is too small
    found = [
        border_classes(
            size[a], kernel[a], geometry.stride[a], geometry.padding[a], geometry.padding[a + 2], geometry.dilation[a]
        )
        for a in (0, 1)
    ]
    return found[0], found[1]


def accumulation_table(weight: NDArray[np.integer], rows: Classes, columns: Classes) -> Ints:
    """``T[r, c, o, k] = sum over taps i of r, j of c of weight[o, k, i, j]``, by input channel k of o's group.

    weight is (O, C / groups, KH, KW). Summed over k it is the table for an input with one zero point; kernels
    whose input has a zero point per channel weigh each k with its own (:func:`compensation`).
    """
    area = np.zeros((*weight.shape[:2], weight.shape[2] + 1, weight.shape[3] + 1), dtype=np.int64)
    area[:, :, 1:, 1:] = weight.astype(np.int64).cumsum(axis=2).cumsum(axis=3)
    across = area[..., columns.last] - area[..., columns.first]
    found = across[:, :, rows.last] - across[:, :, rows.first]
    table: Ints = found.transpose(2, 3, 0, 1)
    return table


def compensation(table: Ints, zero: Ints, groups: int = 1) -> Ints:
    """``sum_k z[k] * T[r, c, o, k]``, (classes of rows, classes of columns, O): what restoration takes off."""
    outputs, per_group = table.shape[2:]
    by_channel = np.broadcast_to(zero, groups * per_group).reshape(groups, 1, per_group)
    weighed = table.reshape(*table.shape[:2], groups, outputs // groups, per_group) * by_channel
    found: Ints = weighed.sum(axis=-1).reshape(*table.shape[:2], outputs)
    return found


def table_bytes(size: tuple[int, int], weight: tuple[int, ...], geometry: Geometry) -> int:
    """Memory [B] of the table that a kernel keeps: ``classes of rows * classes of columns * outputs * 4``.

    >>> table_bytes((224, 224), (64, 3, 7, 7), Geometry(stride=(2, 2), padding=(3, 3, 3, 3)))
    4096
    """
    rows, columns = both_axes(size, (weight[2], weight[3]), geometry)
    return memory.table_bytes(weight[0], (rows.count, columns.count))
