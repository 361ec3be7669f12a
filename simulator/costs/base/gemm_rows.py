"""A law of matrix products that keeps the measured rows: trend times interpolated residual."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.base.gemm import GemmLaw, alignment, shapes, tail
from simulator.costs.base.law import Floats, numbers
from simulator.errors import Problem, ScenarioError

NEIGHBOURS = 24
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Distance:
    """When two shapes are alike: their distance is a sum (``norm`` 1) or a root of squares (``norm`` 2).

    Coordinates: log2 of m, n, k [octaves], each times its weight; the alignment of m; the waste of the last
    wave of ``tile_m`` by ``tile_n`` tiles on ``units`` processors; 1 per differing character of the layout.
    ``noise`` is the share of a row's residual that its neighbours cannot explain (the nugget of kriging).
    """

    norm: float = 2.0
    m: float = 0.5
    n: float = 0.25
    k: float = 0.25
    align: float = 0.1
    wave: float = 0.5
    tile_m: float = 128.0
    tile_n: float = 256.0
    units: float = 108.0
    layout: float = 0.5
    noise: float = 0.02

    def coordinates(self, m: Floats, n: Floats, k: Floats, letters: Floats) -> Floats:
        """Coordinates of shapes, one row each; ``letters`` holds one column per character of the layout."""
        parts = [np.log2(m) * self.m, np.log2(n) * self.n, np.log2(k) * self.k, alignment(m) * self.align]
        if self.wave > 0:
            parts.append(tail(m, n, self.tile_m, self.tile_n, self.units) * self.wave)
        if letters.shape[1]:
            return np.column_stack([*parts, letters * self.layout])
        return np.column_stack(parts)


def nearest_rows(known: Floats) -> Any:
    """A search tree over the coordinates of rows."""
    from scipy.spatial import cKDTree

    return cKDTree(known)


def krige(known: Floats, residuals: Floats, asked: Floats, *, norm: float, noise: float, tree: Any = None) -> Floats:
    """Residual at ``asked`` from the nearest ``known`` rows: simple kriging, exponential covariance, mean 0.

    Reference: Cressie, Statistics for Spatial Data, 1993, section 3.2. Far from every row the answer tends to
    0, that is, to the trend. One small linear system per asked row, all of them solved together.
    """
    count = min(NEIGHBOURS, len(known))
    power = 1 if norm == 1 else 2
    found = np.empty(len(asked))
    tree = nearest_rows(known) if tree is None else tree
    for start in range(0, len(asked), _CHUNK):
        part = slice(start, start + _CHUNK)
        far, near = tree.query(asked[part], k=[*range(1, count + 1)], p=power)
        covariance = np.exp(-_between(known[near], power))
        covariance[:, np.arange(count), np.arange(count)] += noise
        weights = np.linalg.solve(covariance, np.exp(-far)[..., None])[..., 0]
        found[part] = (weights * residuals[near]).sum(axis=1)
    return found


def _between(points: Floats, power: int) -> Floats:
    """Distances between the neighbours of each asked row, shape (asked, neighbours, neighbours)."""
    if power == 1:
        total = np.zeros((*points.shape[:2], points.shape[1]))
        for axis in range(points.shape[2]):
            side = points[:, :, axis]
            total += np.abs(side[:, :, None] - side[:, None, :])
        return total
    square = np.einsum("qij,qij->qi", points, points)
    product = points @ points.transpose(0, 2, 1)
    return np.asarray(np.sqrt(np.maximum(square[:, :, None] + square[:, None, :] - 2 * product, 0)))


@dataclass(frozen=True, slots=True)
class GemmRows:
    """A trend in closed form, multiplied by what the nearest measured shapes say it misses.

    .. math:: t(m,n,k) = g(m,n,k) \\, e^{r(m,n,k)}

    ``trend`` g [s]; r [-] is kriged from ``residuals`` at the rows ``m``, ``n``, ``k`` (and ``layout``) by
    ``distance``. Far from every row it is the trend. Asked without a layout, the most frequent one of the
    rows is meant.

    >>> from simulator.costs.base.gemm import GemmRoofline
    >>> trend = GemmRoofline(0.0, 1e12, 0.0)
    >>> law = GemmRows(trend, Distance(wave=0.0, noise=0.0), (64,), (64,), (64,), (0.6931471805599453,))
    >>> bool(abs(law.seconds(64, 64, 64) / trend.seconds(64, 64, 64) - 2) < 1e-9)
    True
    """

    trend: GemmLaw
    distance: Distance
    m: tuple[float, ...]
    n: tuple[float, ...]
    k: tuple[float, ...]
    residuals: tuple[float, ...]
    layout: tuple[str, ...] = ()
    _known: Floats = field(init=False, repr=False, compare=False)
    _tree: Any = field(init=False, repr=False, compare=False)
    _usual: str = field(init=False, repr=False, compare=False)
    name: ClassVar[str] = "gemm-rows"

    def __post_init__(self) -> None:
        for key in ("m", "n", "k", "residuals"):
            object.__setattr__(self, key, numbers(getattr(self, key)))
            if not all(math.isfinite(value) for value in getattr(self, key)):
                raise ScenarioError(Problem(f"law {self.name}: every number must be finite", path=key))
        sizes = {len(self.m), len(self.n), len(self.k), len(self.residuals)} | (
            {len(self.layout)} if self.layout else set()
        )
        if len(sizes) > 1 or not self.m or min((*self.m, *self.n, *self.k)) <= 0:
            message = "m, n, k and residuals must be equally long, not empty, and the sizes positive"
            raise ScenarioError(Problem(f"law {self.name}: {message}", path="m"))
        names = sorted(set(self.layout))
        object.__setattr__(self, "_usual", max(names, key=self.layout.count) if names else "")
        object.__setattr__(self, "_known", self._place(*shapes(self.m, self.n, self.k), self.layout))
        object.__setattr__(self, "_tree", nearest_rows(self._known))

    def _place(self, m: Floats, n: Floats, k: Floats, layout: tuple[str, ...]) -> Floats:
        width = len(self._usual)
        letters = spelled(layout if layout else (self._usual,) * len(m), width)
        return self.distance.coordinates(m, n, k, letters)

    def seconds(self, m: ArrayLike, n: ArrayLike, k: ArrayLike, layout: ArrayLike | None = None) -> Floats:
        """Time [s], shape of the broadcast inputs."""
        m, n, k = shapes(m, n, k)
        trend = self.trend.seconds(m, n, k)
        names: tuple[str, ...] = ()
        if layout is not None and self.layout:
            names = tuple(str(name) for name in np.broadcast_to(np.asarray(layout), m.shape).ravel())
        asked = self._place(m.ravel(), n.ravel(), k.ravel(), names)
        distance = self.distance
        residuals = np.array(self.residuals)
        residual = krige(self._known, residuals, asked, norm=distance.norm, noise=distance.noise, tree=self._tree)
        return np.asarray(trend * np.exp(residual).reshape(m.shape))

    def parameters(self) -> dict[str, Any]:
        """Trend, distance and rows."""
        found: dict[str, Any] = {
            "trend": {"law": self.trend.name, "parameters": self.trend.parameters()},
            "distance": asdict(self.distance),
        }
        found |= {key: list(getattr(self, key)) for key in ("m", "n", "k", "residuals")}
        return found | ({"layout": " ".join(self.layout)} if self.layout else {})

    def scaled(self, factor: float) -> GemmRows:
        """The law with every time multiplied by ``factor``."""
        trend = self.trend.scaled(factor)
        return GemmRows(trend, self.distance, self.m, self.n, self.k, self.residuals, self.layout)


def spelled(layout: tuple[str, ...], width: int) -> Floats:
    """One column of character codes per place of the layout; two places differ by 0 or at least 1.

    >>> spelled(("NN", "NT"), 2)
    array([[0., 0.],
           [0., 1.]])
    """
    codes: NDArray[np.float64] = np.zeros((len(layout), width))
    for place in range(width):
        found = [text[place : place + 1] for text in layout]
        codes[:, place] = [float(_code(letter)) for letter in found]
    return codes


def _code(letter: str) -> int:
    """N (as it lies) is 0, T (transposed) is 1; other letters stand apart by their own code."""
    return {"N": 0, "T": 1, "n": 0, "t": 1, "": 0}.get(letter, ord(letter[:1] or "N"))


def gemm_rows_from(parameters: Mapping[str, Any], trend: GemmLaw) -> GemmRows:
    """The law of written ``parameters``, whose trend has been read already."""
    rows = {key: numbers(parameters[key]) for key in ("m", "n", "k", "residuals")}
    layout = tuple(str(parameters.get("layout", "")).split())
    return GemmRows(trend, Distance(**parameters["distance"]), layout=layout, **rows)
