"""What carries the layers: bandwidth, latency of a copy, and what two directions at once cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.streaming.checks import require

Floats = NDArray[np.float64]
DUPLEX = 18.7 / 26.0
"""Share of its bandwidth that a direction keeps while the other is busy: host to device, copy engines (0.72).

Source: the sample output in the README of NVIDIA nvbandwidth, 26.0 GB/s alone and 18.7 GB/s beside the other direction.
"""
PAGEABLE = 4.91 / 7.77
"""Bandwidth of pageable host memory over pinned (0.63): RTX 3050 Laptop, layers of 30 tensors, Soup probe-v0.73.0."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link with two directions, each of ``bandwidth``.

    .. math:: t = n \\alpha + B / \\beta

    ``bandwidth`` beta [B/s] of one direction alone, ``latency_s`` alpha of a copy [s]; ``duplex``: share of the
    bandwidth that each direction keeps while both are busy (1: they do not disturb each other).

    >>> Link(10e9, latency_s=1e-5).seconds(1e8, copies=2)
    0.01002
    """

    bandwidth: float
    latency_s: float = 0.0
    duplex: float = DUPLEX

    def __post_init__(self) -> None:
        require("link", above=0.0, bandwidth=self.bandwidth, duplex=self.duplex)
        require("link", latency_s=self.latency_s)
        require("link", at_most=1.0, duplex=self.duplex)

    def seconds(self, size: float, copies: float = 1.0) -> float:
        """Time of ``size`` bytes in ``copies`` copies [s]; nothing takes no time."""
        return copies * self.latency_s + size / self.bandwidth if size > 0.0 else 0.0

    def pageable(self, share: float = PAGEABLE) -> Link:
        """The same link from host memory that is not pinned: ``share`` of the bandwidth."""
        return replace(self, bandwidth=self.bandwidth * share)


def stretched(one: ArrayLike, other: ArrayLike, duplex: float) -> Floats:
    """Time of a transfer of ``one`` seconds that starts together with one of ``other`` seconds the other way [s].

    .. math:: t = d + \\min(d, u) (1/f - 1)

    While both are under way each moves at the share f of its speed: the shorter takes d / f, and by then the longer
    has done d of its u. Exact where both start at one instant; zero beside nothing.

    >>> float(stretched(1.0, 4.0, 0.5)), float(stretched(4.0, 1.0, 0.5))
    (2.0, 5.0)
    """
    mine = np.asarray(one, dtype=np.float64)
    both: Floats = np.minimum(mine, other)
    return mine + both * (1.0 / duplex - 1.0)
