"""Expectations over the number of survivors of a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CHUNK = 1 << 14


def binomial_shares(size: int, chance: Floats) -> Floats:
    """(n, size + 1): chance that k of ``size`` stay when each stays with ``chance`` (n,), on its own.

    >>> binomial_shares(2, np.array([0.5, 1.0])).round(9).tolist()
    [[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]]
    """
    k = np.arange(size + 1)
    ways = np.array([math.lgamma(size + 1) - math.lgamma(j + 1) - math.lgamma(size - j + 1) for j in k])
    inner = np.clip(chance, 1e-300, 1.0 - 1e-16)[:, None]
    shares: Floats = np.exp(ways + k * np.log(inner) + (size - k) * np.log1p(-inner))
    shares[chance <= 0.0] = k == 0
    shares[chance >= 1.0] = k == size
    return shares


def binomial_mean(table: Floats, row: NDArray[Any], chance: Floats) -> Floats:
    """(n,): E[table[row, K]] with K ~ Binomial(columns - 1, chance), for arrays of rows and chances."""
    means = np.empty(len(chance))
    for low in range(0, len(chance), CHUNK):
        part = slice(low, low + CHUNK)
        shares = binomial_shares(table.shape[1] - 1, chance[part])
        means[part] = np.einsum("nk,nk->n", shares, table[row[part]])
    return means


def binomial_means(table: Floats, chance: Floats) -> Floats:
    """(n, rows): the same for every row of ``table`` (rows, size + 1) at every chance (n,)."""
    means: Floats = binomial_shares(table.shape[1] - 1, chance) @ table.T
    return means
