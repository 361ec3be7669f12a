"""Laws of batch time in closed form, from a constant to a floor with a round corner."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.law import Bools, Floats, as_batch, nowhere, plain, require


class _Formula:
    """What the closed formulas share: parameters are the fields, and they hold at every batch size."""

    __slots__ = ()

    def parameters(self) -> dict[str, Any]:
        """Parameters by field name, as built-in floats."""
        return plain(asdict(self))  # type: ignore[call-overload]

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """Nowhere: a formula has no last row (a file of costs says what range it was fitted on)."""
        return nowhere(batch)


@dataclass(frozen=True, slots=True)
class Constant(_Formula):
    """The same time for every batch size.

    .. math:: t(b) = s

    ``time_s`` s [s]. A kernel that is bound by its launch behaves so.

    >>> Constant(0.01).seconds([1, 8])
    array([0.01, 0.01])
    """

    time_s: float
    name: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        require(self.name, time_s=self.time_s)

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        return np.full(np.shape(np.asarray(batch)), self.time_s, dtype=np.float64)

    def scaled(self, factor: float) -> Constant:
        """The law with every time multiplied by ``factor``."""
        return Constant(self.time_s * factor)


@dataclass(frozen=True, slots=True)
class Affine(_Formula):
    """A start cost and a cost per item.

    .. math:: t(b) = a + c b

    ``a`` [s], ``c`` [s per item]. Reference: the alpha-beta cost model (Hockney 1994).

    >>> Affine(a=0.004, c=0.0005).seconds([1, 8])
    array([0.0045, 0.008 ])
    """

    a: float
    c: float
    name: ClassVar[str] = "affine"

    def __post_init__(self) -> None:
        require(self.name, at_least=-math.inf, a=self.a, c=self.c)

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``; never below 0."""
        return np.maximum(self.a + self.c * as_batch(batch), 0.0)

    def scaled(self, factor: float) -> Affine:
        """The law with every time multiplied by ``factor``."""
        return Affine(self.a * factor, self.c * factor)


@dataclass(frozen=True, slots=True)
class FloorAffine(_Formula):
    """Flat while the device is not full, then a line.

    .. math:: t(b) = \\max(f,\\; a + c b)

    ``f`` [s], ``a`` [s], ``c`` [s per item]. ``a`` may be negative: the line then starts later.
    Reference: measured CPU and GPU batch curves (docs/calibration.md).

    >>> FloorAffine(f=0.01, a=0.0, c=0.001).seconds([1, 8, 32])
    array([0.01 , 0.01 , 0.032])
    """

    f: float
    a: float
    c: float
    name: ClassVar[str] = "floor-affine"

    def __post_init__(self) -> None:
        require(self.name, f=self.f)
        require(self.name, at_least=-math.inf, a=self.a, c=self.c)

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        return np.maximum(self.f, self.a + self.c * as_batch(batch))

    def scaled(self, factor: float) -> FloorAffine:
        """The law with every time multiplied by ``factor``."""
        return FloorAffine(self.f * factor, self.a * factor, self.c * factor)


@dataclass(frozen=True, slots=True)
class RooflineLaw(_Formula):
    """The slower of computing and moving bytes, after a start cost.

    .. math:: t(b) = o + \\max\\left(\\frac{b F}{P},\\; \\frac{W + b A}{B}\\right)

    ``o`` [s], ``flops`` F [FLOP per item], ``peak`` P [FLOP/s], ``weight_bytes`` W [B], ``item_bytes`` A [B
    per item], ``bandwidth`` B [B/s]. Reference: Williams, Waterman, Patterson, CACM 52(4), 2009. A fit from
    times alone cannot tell FLOP from speed: it sets ``peak`` and ``bandwidth`` to 1, the other figures are
    then seconds.

    >>> law = RooflineLaw(o=0.0, flops=1e9, peak=1e12, weight_bytes=8e6, item_bytes=0.0, bandwidth=1e9)
    >>> law.seconds([1, 16])
    array([0.008, 0.016])
    """

    o: float
    flops: float
    peak: float
    weight_bytes: float
    item_bytes: float
    bandwidth: float
    name: ClassVar[str] = "roofline"

    def __post_init__(self) -> None:
        require(
            self.name,
            o=self.o,
            flops=self.flops,
            weight_bytes=self.weight_bytes,
            item_bytes=self.item_bytes,
        )
        require(self.name, at_least=5e-324, peak=self.peak, bandwidth=self.bandwidth)

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``; increasing in ``batch``."""
        b = as_batch(batch)
        moving = (self.weight_bytes + b * self.item_bytes) / self.bandwidth
        return self.o + np.maximum(b * self.flops / self.peak, moving)

    def scaled(self, factor: float) -> RooflineLaw:
        """The law with every time multiplied by ``factor``: a slower device for the same work."""
        return RooflineLaw(
            self.o * factor,
            self.flops,
            self.peak / factor,
            self.weight_bytes,
            self.item_bytes,
            self.bandwidth / factor,
        )


@dataclass(frozen=True, slots=True)
class PowerLaw(_Formula):
    """A start cost and a part that grows with a power of the batch size.

    .. math:: t(b) = a + c b^p

    ``a`` [s], ``c`` [s], ``p`` [-]. p < 1: the device fills up; p > 1: caches overflow.

    >>> PowerLaw(a=0.0, c=0.01, p=0.5).seconds([1, 16])
    array([0.01, 0.04])
    """

    a: float
    c: float
    p: float
    name: ClassVar[str] = "power"

    def __post_init__(self) -> None:
        require(self.name, a=self.a, c=self.c, p=self.p)

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        return np.asarray(self.a + self.c * as_batch(batch) ** self.p, dtype=np.float64)

    def scaled(self, factor: float) -> PowerLaw:
        """The law with every time multiplied by ``factor``."""
        return PowerLaw(self.a * factor, self.c * factor, self.p)


@dataclass(frozen=True, slots=True)
class Stairs(_Formula):
    """A line with steps: work is done in whole tiles of ``step`` items.

    .. math:: t(b) = a + c b + d \\lceil b / w \\rceil

    ``a`` [s], ``c`` [s per item], ``d`` [s per tile], ``step`` w [items]. Reference: tile and wave
    quantization of matrix products (NVIDIA, Matrix Multiplication Background User's Guide).

    >>> Stairs(a=0.001, c=0.0, d=0.002, step=8).seconds([1, 8, 9])
    array([0.003, 0.003, 0.005])
    """

    a: float
    c: float
    d: float
    step: float
    name: ClassVar[str] = "stairs"

    def __post_init__(self) -> None:
        require(self.name, a=self.a, c=self.c, d=self.d)
        require(self.name, at_least=1.0, step=self.step)

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        b = as_batch(batch)
        return np.asarray(self.a + self.c * b + self.d * np.ceil(b / self.step), dtype=np.float64)

    def scaled(self, factor: float) -> Stairs:
        """The law with every time multiplied by ``factor``."""
        return Stairs(self.a * factor, self.c * factor, self.d * factor, self.step)


@dataclass(frozen=True, slots=True)
class SmoothFloor(_Formula):
    """A floor and a line with a round corner: near the corner both limits are felt.

    .. math:: t(b) = \\left(f^q + (a + c b)^q\\right)^{1/q}

    ``f`` [s], ``a`` [s], ``c`` [s per item], ``q`` >= 1 [-]: 1 adds, infinity is the sharp corner of
    floor-affine.

    >>> SmoothFloor(f=0.003, a=0.0, c=0.001, q=2.0).seconds([4])
    array([0.005])
    """

    f: float
    a: float
    c: float
    q: float
    name: ClassVar[str] = "smooth-floor"

    def __post_init__(self) -> None:
        require(self.name, f=self.f, a=self.a, c=self.c)
        require(self.name, at_least=1.0, q=self.q)

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        line = self.a + self.c * as_batch(batch)
        high = np.maximum(np.maximum(self.f, line), 5e-324)
        # Dividing by the larger first keeps the powers inside the range of floats.
        return np.asarray(high * ((self.f / high) ** self.q + (line / high) ** self.q) ** (1 / self.q))

    def scaled(self, factor: float) -> SmoothFloor:
        """The law with every time multiplied by ``factor``."""
        return SmoothFloor(self.f * factor, self.a * factor, self.c * factor, self.q)
