"""One latency and one bandwidth from copies of known size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from simulator.costs.streaming.link import DUPLEX, Link
from simulator.errors import ScenarioError


@dataclass(frozen=True, slots=True)
class LinkFit:
    """A link, and the relative error of each row that it was fitted to."""

    link: Link
    errors: NDArray[np.float64]


def fit_link(
    sizes: ArrayLike, copies: ArrayLike, seconds: ArrayLike, *, beside_s: ArrayLike = 0.0, duplex: float = DUPLEX
) -> LinkFit:
    """Fit ``t = t_0 + n alpha + B / beta`` to times in which copies and computing follow each other.

    ``sizes`` B [B] and ``copies`` n of each row, ``seconds`` t [s], ``beside_s`` t_0 what else the time holds [s].
    Least squares of relative errors, neither figure negative. Raises ``ScenarioError`` where the rows tell no
    bandwidth.

    >>> found = fit_link([1e9, 1e9], [1, 101], [0.101, 0.201])
    >>> round(found.link.bandwidth / 1e9, 6), round(found.link.latency_s, 9)
    (10.0, 0.001)
    """
    size, count, time = (np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in (sizes, copies, seconds))
    if not (size.shape == count.shape == time.shape and np.isfinite(time).all() and (time > 0.0).all()):
        raise ScenarioError("sizes, copies and seconds need one positive finite time for each row")
    beside = np.broadcast_to(np.asarray(beside_s, dtype=np.float64), time.shape)
    scale = np.array([max(float(count.max()), 1.0), max(float(size.max()), 1.0)])
    table = np.column_stack([count, size]) / scale / time[:, None]
    found = nnls(table, (time - beside) / time)[0] / scale
    if found[1] <= 0.0:
        raise ScenarioError("these times do not grow with the bytes: no bandwidth can be told from them")
    predicted = beside + count * found[0] + size * found[1]
    return LinkFit(Link(float(1.0 / found[1]), float(found[0]), duplex), predicted / time - 1.0)
